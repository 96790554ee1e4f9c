#include "ctl/sql.hpp"

#include <libpq-fe.h>

#include <charconv>

#include "base/text.hpp"

namespace castle::ctl {
namespace {

// Types that are numbers in JSON; from PostgreSQL's catalogue, where they never change.
constexpr Oid bool_oid = 16, int8_oid = 20, int2_oid = 21, int4_oid = 23, oid_oid = 26, float4_oid = 700,
              float8_oid = 701;

boost::json::value value_of(Oid type, std::string_view text) {
    if (type == bool_oid) return text == "t";
    if (type == int2_oid || type == int4_oid || type == int8_oid || type == oid_oid) {
        if (const auto number = parse_int(text)) return *number;
    }
    if (type == float4_oid || type == float8_oid) {
        double number = 0;
        const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
        if (read.ec == std::errc{} && read.ptr == text.data() + text.size()) return number;
    }
    return boost::json::value(boost::json::string_view(text.data(), text.size()));
}

struct ClearResult {
    void operator()(PGresult* result) const { PQclear(result); }
};
struct CloseConnection {
    void operator()(PGconn* connection) const { PQfinish(connection); }
};

std::string one_line(std::string text) {
    for (char& c : text)
        if (c == '\n') c = ' ';
    return std::string(trim(text));
}

class PqSession final : public SqlSession {
public:
    explicit PqSession(std::unique_ptr<PGconn, CloseConnection> connection) : connection_(std::move(connection)) {}

    Result<SqlRows> execute(const std::string& sql) override {
        const std::unique_ptr<PGresult, ClearResult> result(PQexec(connection_.get(), sql.c_str()));
        const ExecStatusType status = PQresultStatus(result.get());
        if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK && status != PGRES_EMPTY_QUERY) {
            const char* const state = PQresultErrorField(result.get(), PG_DIAG_SQLSTATE);
            return Error{Errc::failed, state ? std::string(state) : one_line(PQerrorMessage(connection_.get()))};
        }
        SqlRows rows;
        const int columns = PQnfields(result.get());
        for (int column = 0; column < columns; ++column) rows.columns.emplace_back(PQfname(result.get(), column));
        for (int row = 0; row < PQntuples(result.get()); ++row) {
            auto& cells = rows.rows.emplace_back();
            for (int column = 0; column < columns; ++column) {
                if (PQgetisnull(result.get(), row, column)) {
                    cells.emplace_back(nullptr);
                    continue;
                }
                const std::string_view text(PQgetvalue(result.get(), row, column),
                                            static_cast<std::size_t>(PQgetlength(result.get(), row, column)));
                cells.push_back(value_of(PQftype(result.get(), column), text));
            }
        }
        return rows;
    }

private:
    std::unique_ptr<PGconn, CloseConnection> connection_;
};

}  // namespace

Result<std::unique_ptr<SqlSession>> connect_sql(const SqlLogin& login) {
    std::vector<const char*> names, values;
    const auto set = [&](const char* name, const std::string& value) {
        if (value.empty()) return;
        names.push_back(name);
        values.push_back(value.c_str());
    };
    const std::string timeout = "5", application = "Patroni ctl", encoding = "UTF8";
    set("host", login.host);
    set("port", login.port);
    set("user", login.user);
    set("password", login.password);
    set("dbname", login.dbname);
    set("connect_timeout", timeout);
    set("fallback_application_name", application);
    set("client_encoding", encoding);
    names.push_back(nullptr);
    values.push_back(nullptr);
    std::unique_ptr<PGconn, CloseConnection> connection(PQconnectdbParams(names.data(), values.data(), 0));
    if (PQstatus(connection.get()) != CONNECTION_OK)
        return Error{Errc::unavailable, one_line(PQerrorMessage(connection.get()))};
    return std::unique_ptr<SqlSession>(std::make_unique<PqSession>(std::move(connection)));
}

}  // namespace castle::ctl
