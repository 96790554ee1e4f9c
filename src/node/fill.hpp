// Texts with places to fill in: "listen: <address>" and {"address", "127.0.0.1:8008"}.
#pragma once

#include <map>
#include <string>
#include <string_view>

namespace castle::node {

// Every place must have a value.
std::string fill(std::string_view text, const std::map<std::string, std::string, std::less<>>& values);

}  // namespace castle::node
