// Which parameters this very PostgreSQL accepts: the program itself is asked, so that no table of ours can be out of
// date. What it does not know is dropped, what is out of range is moved to the nearer end, each with a warning: one
// wrong line in the store must not keep every member of the cluster from starting.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "postgres/site.hpp"

namespace castle::postgres {

Task<Parameters> check_parameters(const Site& site, Parameters values);

// One round, pure: applies what `postgres -C` said about the values to them. Returns the warnings; none means that
// nothing was understood or nothing was wrong.
std::vector<std::string> apply_complaints(std::string_view said, Parameters& values);

}  // namespace castle::postgres
