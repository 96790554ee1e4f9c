#include "postgres/sql.hpp"

#include <libpq-fe.h>

#include "base/text.hpp"
#include "io/address.hpp"
#include "io/ready.hpp"

namespace castle::postgres {
namespace {

struct FreeResult {
    void operator()(PGresult* result) const { PQclear(result); }
};
using ResultPtr = std::unique_ptr<PGresult, FreeResult>;

// In the verbose form the text begins "FATAL:  28P01: password ...".
std::string state_of(std::string_view message) {
    for (const std::string_view word : {"FATAL:  ", "ERROR:  ", "PANIC:  "}) {
        const auto at = message.find(word);
        if (at == message.npos || message.size() < at + word.size() + 7) continue;
        const std::string_view code = message.substr(at + word.size(), 5);
        if (message[at + word.size() + 5] == ':') return std::string(code);
    }
    return {};
}

std::string without_state(std::string message, const std::string& state) {
    if (state.empty()) return message;
    const auto at = message.find(state + ": ");
    if (at != message.npos) message.erase(at, state.size() + 2);
    return message;
}

void ignore_notice(void*, const char*) {}

std::string place_of(const ConnParams& params) {
    const auto get = [&](const char* key) {
        const auto found = params.find(key);
        return found == params.end() ? std::string() : found->second;
    };
    return "PostgreSQL at " + get("host") + ":" + get("port");
}

// libpq would look names up itself, and block the loop.
Task<ConnParams> with_addresses(io::Loop& loop, ConnParams params, BootTime deadline) {
    const auto host = params.find("host");
    if (host == params.end() || params.contains("hostaddr")) co_return params;
    std::vector<std::string> hosts, addresses, ports, all_ports;
    for (const std::string& port : split(params["port"], ',')) all_ports.push_back(port);
    const std::vector<std::string> names = split(host->second, ',');
    for (std::size_t i = 0; i < names.size(); ++i) {
        const std::string& name = names[i];
        const std::string port = all_ports.empty()                  ? "5432"
                                 : all_ports.size() == names.size() ? all_ports[i]
                                                                    : all_ports[0];
        std::vector<std::string> found;
        if (!name.starts_with('/')) {
            auto resolved = co_await io::resolve_host(loop, name, deadline);
            if (resolved) found = *std::move(resolved);
        }
        if (found.empty()) found.push_back("");  // a socket, or libpq says what is wrong with it
        for (const std::string& address : found) {
            hosts.push_back(name);
            addresses.push_back(address);
            ports.push_back(port);
        }
    }
    params["host"] = join(hosts, ",");
    params["hostaddr"] = join(addresses, ",");
    params["port"] = join(ports, ",");
    co_return params;
}

}  // namespace

std::string one_line(std::string_view message) {
    std::string text;
    for (const std::string& raw : split(message, '\n')) {
        const std::string_view line = trim(raw);
        if (line.empty() || line.starts_with("LOCATION:")) continue;
        if (!text.empty()) text += "; ";
        text += line;
    }
    return text;
}

std::string Rows::text(std::size_t row, std::size_t column) const {
    if (is_null(row, column)) return {};
    return *rows_[row][column];
}

bool Rows::is_null(std::size_t row, std::size_t column) const {
    return row >= rows_.size() || column >= rows_[row].size() || !rows_[row][column];
}

std::int64_t Rows::integer(std::size_t row, std::size_t column) const {
    const auto number = parse_int(text(row, column));
    return number ? *number : 0;
}

Lsn Rows::lsn(std::size_t row, std::size_t column) const {
    const auto lsn = Lsn::parse(text(row, column));
    return lsn ? *lsn : Lsn{};
}

struct Connection::Handle {
    PGconn* pg;
    explicit Handle(PGconn* connection) : pg(connection) {}
    Handle(const Handle&) = delete;
    Handle& operator=(const Handle&) = delete;
    ~Handle() { PQfinish(pg); }
};

Connection::Connection(io::Loop& loop, std::unique_ptr<Handle> handle, std::string where)
    : loop_(loop), handle_(std::move(handle)), where_(std::move(where)) {}

Connection::~Connection() = default;

Task<Result<ConnectionPtr>> Connection::connect(io::Loop& loop, ConnParams params, BootTime deadline,
                                                CancelToken cancel) {
    const std::string where = place_of(params);
    params = co_await with_addresses(loop, std::move(params), deadline);
    std::vector<const char*> keys, values;
    for (const auto& [key, value] : params) {
        keys.push_back(key.c_str());
        values.push_back(value.c_str());
    }
    keys.push_back(nullptr);
    values.push_back(nullptr);
    auto handle = std::make_unique<Handle>(PQconnectStartParams(keys.data(), values.data(), 0));
    PGconn* pg = handle->pg;
    if (!pg) co_return Error{Errc::failed, "out of memory"};
    PQsetErrorVerbosity(pg, PQERRORS_VERBOSE);  // the SQLSTATE of a refusal stands nowhere else
    PQsetNoticeProcessor(pg, ignore_notice, nullptr);

    PostgresPollingStatusType next = PQstatus(pg) == CONNECTION_BAD ? PGRES_POLLING_FAILED : PGRES_POLLING_WRITING;
    while (next != PGRES_POLLING_OK && next != PGRES_POLLING_FAILED) {
        const int fd = PQsocket(pg);
        auto ready = next == PGRES_POLLING_READING ? co_await io::wait_readable(loop, fd, deadline, cancel)
                                                   : co_await io::wait_writable(loop, fd, deadline, cancel);
        if (!ready && ready.error().code == Errc::timed_out)
            co_return Error{Errc::timed_out, where + ": no answer in time"};
        if (!ready) co_return std::move(ready).error().in(where);
        next = PQconnectPoll(pg);
    }
    if (next == PGRES_POLLING_FAILED) {
        const std::string message = PQerrorMessage(pg);
        const std::string state = state_of(message);
        const bool refused = state.starts_with("28") || message.find("no password supplied") != message.npos;
        co_return Error{refused ? Errc::denied : Errc::unavailable, one_line(without_state(message, state))};
    }
    PQsetErrorVerbosity(pg, PQERRORS_DEFAULT);
    PQsetnonblocking(pg, 1);
    co_return ConnectionPtr(new Connection(loop, std::move(handle), where));
}

Task<Result<Rows>> Connection::query(std::string sql, BootTime deadline, CancelToken cancel) {
    sqlstate_.clear();
    if (broken()) co_return Error{Errc::unavailable, where_ + ": the connection was lost"};
    PGconn* pg = handle_->pg;
    if (!PQsendQuery(pg, sql.c_str())) {
        broken_ = true;
        co_return Error{Errc::unavailable, where_ + ": " + one_line(PQerrorMessage(pg))};
    }
    broken_ = true;  // until the answer is complete: this coroutine may be destroyed at any wait
    auto answer = co_await collect(deadline, cancel);
    co_return answer;
}

Task<Result<Rows>> Connection::collect(BootTime deadline, CancelToken cancel) {
    PGconn* pg = handle_->pg;
    for (;;) {
        const int left = PQflush(pg);
        if (left < 0) co_return Error{Errc::unavailable, where_ + ": " + one_line(PQerrorMessage(pg)), Effect::unknown};
        if (left == 0) break;
        auto ready = co_await io::wait_writable(loop_, PQsocket(pg), deadline, cancel);
        if (!ready) co_return std::move(ready).error().in(where_);
    }
    Rows rows;
    std::optional<Error> error;
    for (;;) {
        while (PQisBusy(pg)) {
            auto ready = co_await io::wait_readable(loop_, PQsocket(pg), deadline, cancel);
            if (!ready) {
                Error lost = std::move(ready).error().in(where_);
                lost.effect = Effect::unknown;
                co_return lost;
            }
            if (!PQconsumeInput(pg))
                co_return Error{Errc::unavailable, where_ + ": " + one_line(PQerrorMessage(pg)), Effect::unknown};
        }
        const ResultPtr result(PQgetResult(pg));
        if (!result) break;
        const ExecStatusType status = PQresultStatus(result.get());
        if (status == PGRES_TUPLES_OK) {
            std::vector<Rows::Row> all(static_cast<std::size_t>(PQntuples(result.get())));
            for (std::size_t r = 0; r < all.size(); ++r)
                for (int c = 0; c < PQnfields(result.get()); ++c) {
                    const int row = static_cast<int>(r);
                    if (PQgetisnull(result.get(), row, c))
                        all[r].push_back(std::nullopt);
                    else
                        all[r].emplace_back(std::string(PQgetvalue(result.get(), row, c),
                                                        static_cast<std::size_t>(PQgetlength(result.get(), row, c))));
                }
            rows = Rows(std::move(all));
        } else if (status != PGRES_COMMAND_OK && status != PGRES_EMPTY_QUERY && !error) {
            const char* state = PQresultErrorField(result.get(), PG_DIAG_SQLSTATE);
            sqlstate_ = state ? state : "";
            error = Error{sqlstate_ == "57014" ? Errc::timed_out : Errc::failed,
                          where_ + ": " + one_line(PQresultErrorMessage(result.get()))};
        }
    }
    broken_ = PQstatus(pg) != CONNECTION_OK;
    if (error && broken_) error->code = Errc::unavailable;
    if (error) co_return *error;
    co_return rows;
}

bool Connection::broken() const {
    return broken_ || PQstatus(handle_->pg) != CONNECTION_OK;
}

Version Connection::version() const {
    return Version{PQserverVersion(handle_->pg)};
}

std::string literal(std::string_view text) {
    const bool escapes = text.find('\\') != text.npos;
    std::string out = escapes ? " E'" : "'";
    for (const char c : text) {
        if (c == '\'' || c == '\\') out += c;
        if (c != '\0') out += c;
    }
    return out + "'";
}

std::string identifier(std::string_view text) {
    std::string out = "\"";
    for (const char c : text) {
        if (c == '"') out += c;
        if (c != '\0') out += c;
    }
    return out + "\"";
}

Result<std::string> Connection::encrypt_password(const std::string& user, const std::string& password,
                                                 const std::string& method) const {
    // The method is named, so libpq does not ask the server for it.
    char* encrypted = PQencryptPasswordConn(handle_->pg, password.c_str(), user.c_str(), method.c_str());
    if (!encrypted)
        return Error{Errc::failed, "encrypt the password of " + user + ": " + one_line(PQerrorMessage(handle_->pg))};
    std::string out(encrypted);
    PQfreemem(encrypted);
    return out;
}

}  // namespace castle::postgres
