// JSON scalars as people write them: numbers and booleans may come as text ("true", "on", "1").
#pragma once

#include <boost/json/value.hpp>
#include <cstdint>
#include <optional>

namespace castle::core {

std::optional<bool> as_bool(const boost::json::value& value);         // on/off, true/false, yes/no, 1/0, without case
std::optional<std::int64_t> as_int(const boost::json::value& value);  // a number, or its decimal text

}  // namespace castle::core
