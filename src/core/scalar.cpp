#include "core/scalar.hpp"

#include <cmath>

#include "base/text.hpp"

namespace castle::core {

std::optional<bool> as_bool(const boost::json::value& value) {
    if (value.is_bool()) return value.get_bool();
    if (value.is_string()) {
        const std::string text = lower(trim(value.get_string()));
        for (const char* yes : {"on", "true", "yes", "1"})
            if (text == yes) return true;
        for (const char* no : {"off", "false", "no", "0"})
            if (text == no) return false;
        return std::nullopt;
    }
    if (const auto number = as_int(value); number && (*number == 0 || *number == 1)) return *number == 1;
    return std::nullopt;
}

std::optional<std::int64_t> as_int(const boost::json::value& value) {
    if (value.is_int64()) return value.get_int64();
    if (value.is_uint64())
        return value.get_uint64() <= INT64_MAX ? std::optional(static_cast<std::int64_t>(value.get_uint64()))
                                               : std::nullopt;
    if (value.is_double()) {
        const double number = value.get_double();
        if (std::fabs(number) < 9e18 && std::nearbyint(number) == number) return static_cast<std::int64_t>(number);
        return std::nullopt;
    }
    if (value.is_string())
        if (const auto number = parse_int(trim(value.get_string()))) return *number;
    return std::nullopt;
}

}  // namespace castle::core
