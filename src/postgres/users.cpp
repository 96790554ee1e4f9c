#include "postgres/users.hpp"

namespace castle::postgres {

Task<Status> ensure_user(Connection& connection, Credentials credentials, std::string attributes, BootTime deadline) {
    if (credentials.username.empty()) co_return Done{};
    CASTLE_CO_TRY(const Rows method, co_await connection.query("SHOW password_encryption", deadline));
    std::string password;
    if (!credentials.password.empty()) {
        const std::string kind = method.text(0, 0) == "md5" ? "md5" : "scram-sha-256";
        CASTLE_CO_TRY(const std::string encrypted,
                      connection.encrypt_password(credentials.username, credentials.password, kind));
        password = " PASSWORD " + literal(encrypted);
    }
    const std::string name = literal(credentials.username), role = identifier(credentials.username);
    CASTLE_CO_TRY(const Rows exists,
                  co_await connection.query("SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = " + name, deadline));
    const std::string verb = exists.empty() ? "CREATE ROLE " : "ALTER ROLE ";
    std::string sql =
        "SET log_statement TO none; SET log_min_duration_statement TO -1; SET log_min_error_statement TO log; "
        "SET synchronous_commit TO local; " +
        verb + role + " WITH LOGIN " + attributes + password +
        "; RESET synchronous_commit; RESET log_min_error_statement; RESET log_min_duration_statement; RESET "
        "log_statement";
    auto made = co_await connection.query(std::move(sql), deadline);
    if (!made) co_return std::move(made).error().in("user " + credentials.username);
    co_return Done{};
}

Task<Status> grant_rewind(Connection& connection, std::string user, BootTime deadline) {
    std::string sql;
    for (const char* function : {"pg_ls_dir(text, boolean, boolean)", "pg_stat_file(text, boolean)",
                                 "pg_read_binary_file(text)", "pg_read_binary_file(text, bigint, bigint, boolean)"})
        sql += std::string("GRANT EXECUTE ON FUNCTION pg_catalog.") + function + " TO " + identifier(user) + "; ";
    auto granted =
        co_await connection.query("SET synchronous_commit TO local; " + sql + "RESET synchronous_commit", deadline);
    if (!granted) co_return std::move(granted).error().in("grants of user " + user);
    co_return Done{};
}

}  // namespace castle::postgres
