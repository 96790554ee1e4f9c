// The difference of two texts as Python's difflib.unified_diff shows it, which is what edit-config prints. Pure.
#pragma once

#include <string>
#include <string_view>

namespace castle::ctl {

// Three lines of context, headers "--- " and "+++ ". Empty if the texts are equal.
std::string unified_diff(std::string_view before, std::string_view after);

}  // namespace castle::ctl
