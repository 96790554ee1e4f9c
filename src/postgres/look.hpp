// What a running server tells about itself, by one query. The connection is kept open between looks.
#pragma once

#include <string>
#include <vector>

#include "core/instance.hpp"
#include "postgres/sql.hpp"

namespace castle::postgres {

// Everything that the server's answer decides about an Instance. Returns the names of the parameters whose new value
// waits for a restart.
std::string look_query();
Result<std::vector<std::string>> apply_look(const Rows& rows, core::Instance& instance);

}  // namespace castle::postgres
