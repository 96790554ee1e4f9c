// One connection to a member's PostgreSQL, for `query`. Blocking. An interface, so that the command can be tested
// without a server.
#pragma once

#include <boost/json/value.hpp>
#include <memory>
#include <string>
#include <vector>

#include "base/result.hpp"

namespace castle::ctl {

struct SqlLogin {
    std::string host;
    std::string port;
    std::string user;      // empty: libpq's default
    std::string password;  // empty: libpq's default
    std::string dbname;    // empty: libpq's default
};

struct SqlRows {
    std::vector<std::string> columns;
    std::vector<std::vector<boost::json::value>> rows;  // numbers and booleans as such, all else as text
};

class SqlSession {
public:
    virtual ~SqlSession() = default;
    // The error's message is the SQLSTATE, or the reason if there is none.
    virtual Result<SqlRows> execute(const std::string& sql) = 0;
};

// Waits five seconds at most.
Result<std::unique_ptr<SqlSession>> connect_sql(const SqlLogin& login);

}  // namespace castle::ctl
