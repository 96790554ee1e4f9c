// Numbers and booleans as PostgreSQL and patroni.yml write them: with units (B kB MB GB TB, us ms s min h d), in
// decimal, hexadecimal (0x1F) or octal (017), booleans as on/off, true/false, yes/no, 1/0.
//
// Pure. Nothing here falls back to a default: who asks decides what an unreadable value means.
#pragma once

#include <boost/json/value.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace castle::config {

std::optional<bool> parse_bool(std::string_view text);  // the eight words of the contract, in any case

// A number in units of `base_unit` ("s", "B", "8kB"; "" for plain numbers). A number without a unit is in the base unit
// already; one with a unit of another kind, or with any unit where the base is plain, is nothing. Rounded as
// PostgreSQL does: "1.5GB" in MB is 1536, "90s" in min is 2 (half to even).
std::optional<std::int64_t> parse_int(std::string_view text, std::string_view base_unit = {});
std::optional<double> parse_real(std::string_view text, std::string_view base_unit = {});

// The same for a value of the configuration, which may be a number, a boolean or a text.
std::optional<bool> bool_of(const boost::json::value& value);
std::optional<std::int64_t> int_of(const boost::json::value& value, std::string_view base_unit = {});

// A scalar as one would write it: 5, 1.5, true, text without quotes; null is "null"; lists and maps are JSON.
std::string text_of(const boost::json::value& value);
// The same with Python's spelling of constants (True, None), which log lines and comparisons by text rely on.
std::string python_text_of(const boost::json::value& value);
// The shortest text that reads back as the same number, and is not mistaken for a whole one: 2.0, 1e-05.
std::string real_text(double number);

}  // namespace castle::config
