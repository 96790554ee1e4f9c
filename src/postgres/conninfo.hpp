// libpq connection strings and password files. Pure.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "postgres/options.hpp"
#include "postgres/versions.hpp"

namespace castle::postgres {

using ConnParams = std::map<std::string, std::string>;

struct Address {
    std::string host;  // a name, an address, several with commas, or the directory of a socket
    int port = 5432;
};

// How to reach `to` with these credentials: user, password, host, port, TLS options that libpq of `version` knows.
// Without application_name and dbname.
ConnParams connect_params(const Address& to, const Credentials& credentials, Version version);

// key=value ..., in the order of the contract, without the keys whose values are empty; what is not in that order comes
// last. The password never gets in.
std::string conninfo_text(const ConnParams& params);

// Reads key='value' pairs, as libpq does. Errc::invalid for broken text.
Result<ConnParams> parse_conninfo(std::string_view text);

// Adds the defaults of the contract (sslmode, gssencmode, channel_binding, sslnegotiation) for comparison and writing.
void add_default_modes(ConnParams& params, Version version);

// The lines of a password file for these hosts; "localhost" is added if one is the directory of a socket. Empty without
// a password.
std::string pgpass_text(const Address& to, const Credentials& credentials);

// The URL that others use, as in member keys: postgres://host:port/database, IPv6 in brackets.
std::string conn_url(const std::string& host, int port, const std::string& database);

}  // namespace castle::postgres
