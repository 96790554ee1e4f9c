// The end of a log file, for error messages. Blocking; reads at most a few kilobytes.
#pragma once

#include <string>

namespace castle::node {

// The last line that is not empty, at most 300 bytes of it; empty if there is none.
std::string last_line(const std::string& path);

}  // namespace castle::node
