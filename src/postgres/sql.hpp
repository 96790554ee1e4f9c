// One connection to a PostgreSQL server by asynchronous libpq on the loop. Belongs to the loop's thread; one query at a
// time. After an error other than the server's own answer to a statement the connection is broken: throw it away.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/lsn.hpp"
#include "io/loop.hpp"
#include "postgres/conninfo.hpp"

namespace castle::postgres {

// The rows of an answer, as text.
class Rows {
public:
    using Row = std::vector<std::optional<std::string>>;
    explicit Rows(std::vector<Row> rows = {}) : rows_(std::move(rows)) {}

    std::size_t size() const { return rows_.size(); }
    bool empty() const { return rows_.empty(); }
    // Empty for null and for what is not there.
    std::string text(std::size_t row, std::size_t column) const;
    bool is_null(std::size_t row, std::size_t column) const;
    bool truth(std::size_t row, std::size_t column) const { return text(row, column) == "t"; }
    std::int64_t integer(std::size_t row, std::size_t column) const;  // 0 if it is none
    Lsn lsn(std::size_t row, std::size_t column) const;               // unknown if it is none

private:
    std::vector<Row> rows_;
};

class Connection {
public:
    // Names are looked up beside the loop. Errc::denied: the server refused the user or password; Errc::unavailable:
    // not reachable, or it is starting up or shutting down; Errc::timed_out, Errc::cancelled. The message names the
    // server, and never holds a password.
    static Task<Result<std::unique_ptr<Connection>>> connect(io::Loop& loop, ConnParams params, BootTime deadline,
                                                             CancelToken cancel = {});
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;
    ~Connection();

    // The last answer with rows, if there are several statements. Errors of the server have their SQLSTATE in
    // last_sqlstate().
    Task<Result<Rows>> query(std::string sql, BootTime deadline, CancelToken cancel = {});

    bool broken() const;
    const std::string& last_sqlstate() const { return sqlstate_; }
    Version version() const;
    // What the server stores for this password, so that the password itself is never sent. `method`: the server's
    // password_encryption.
    Result<std::string> encrypt_password(const std::string& user, const std::string& password,
                                         const std::string& method) const;

private:
    struct Handle;
    Connection(io::Loop& loop, std::unique_ptr<Handle> handle, std::string where);
    Task<Result<Rows>> collect(BootTime deadline, CancelToken cancel);

    io::Loop& loop_;
    std::unique_ptr<Handle> handle_;
    std::string where_;
    std::string sqlstate_;
    bool broken_ = false;
};
using ConnectionPtr = std::unique_ptr<Connection>;

std::string literal(std::string_view text);     // 'it''s'; right whatever standard_conforming_strings is
std::string identifier(std::string_view text);  // "name"

// A libpq message as one line, without the parts that nobody needs.
std::string one_line(std::string_view message);

}  // namespace castle::postgres
