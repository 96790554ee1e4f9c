// Small pure helpers on text: strict parsing of numbers, splitting, trimming, comparing without case.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace castle {

// The whole text must be the number; no sign for unsigned ones, no blanks. Errc::invalid otherwise.
Result<std::uint32_t> parse_hex32(std::string_view text);
Result<std::int64_t> parse_int(std::string_view text);
Result<std::uint64_t> parse_uint(std::string_view text);

std::string_view trim(std::string_view text);
std::vector<std::string> split(std::string_view text, char separator);  // "" gives no parts; "a," gives {"a", ""}
std::string join(const std::vector<std::string>& parts, std::string_view separator);
std::string lower(std::string_view text);  // ASCII only
bool equal_nocase(std::string_view a, std::string_view b);
bool is_digits(std::string_view text);  // at least one digit and nothing else

}  // namespace castle
