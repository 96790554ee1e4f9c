// The PATRONI_* variables, as a document that is merged over the file. Patroni removes them from the environment after
// reading, so that no child process inherits a password; so do we.
//
// take_environment() changes the process environment: call it at start, before other threads exist.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "config/document.hpp"

namespace castle::config {

using Variables = std::map<std::string, std::string>;

// Removes PATRONI_* from the environment of this process and returns them.
Variables take_environment();

// PATRONI_CONFIGURATION: the whole configuration in one variable. It counts only if no file is given, and then all
// other variables are ignored.
std::optional<std::string> whole_configuration(const Variables& variables);

// What the variables say, each value with the variable as its place. Unreadable ones are mistakes.
Document read_environment(const Variables& variables);

}  // namespace castle::config
