// The commands and options of patronictl, as a table.
#pragma once

#include "ctl/arguments.hpp"

namespace castle::ctl {

// `name` is what usage texts call the program: "patronictl", "pgcastle", "pgcastle ctl".
Program patronictl(std::string name);

}  // namespace castle::ctl
