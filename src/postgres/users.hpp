// The users that replication and rewind need, made by SQL on a new primary. No password is sent or logged as such.
#pragma once

#include <string>

#include "postgres/options.hpp"
#include "postgres/sql.hpp"

namespace castle::postgres {

// Makes the user or changes it: LOGIN, the given attributes ("SUPERUSER", "REPLICATION"), the password if there is one.
Task<Status> ensure_user(Connection& connection, Credentials credentials, std::string attributes, BootTime deadline);

// What pg_rewind calls on its source.
Task<Status> grant_rewind(Connection& connection, std::string user, BootTime deadline);

}  // namespace castle::postgres
