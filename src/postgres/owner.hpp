// Whose the data directory is: the user as whom everything around it is started, and to whom every file is given that
// we write there. Blocking call.
#pragma once

#include <string>

#include "base/result.hpp"
#include "io/users.hpp"

namespace castle::postgres {

using Owner = io::User;

// The owner of the data directory if it exists. If we are root and there is none (or it is root's own): the owner of
// the directory above, and if that is root, the user postgres. Errc::denied when we are neither root nor the owner,
// Errc::not_found when there is no such user.
Result<Owner> find_owner(const std::string& data_dir);

}  // namespace castle::postgres
