// What `version` prints: the version of the command line that this one is compatible with.
#pragma once

#include <string_view>

namespace castle::ctl {

inline constexpr std::string_view protocol_version = "4.1.4";

}  // namespace castle::ctl
