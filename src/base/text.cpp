#include "base/text.hpp"

#include <algorithm>
#include <charconv>

namespace castle {
namespace {

template <class Number>
Result<Number> parse_whole(std::string_view text, int base, std::string_view what) {
    Number value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
    if (error != std::errc{} || end != text.data() + text.size())
        return Error{Errc::invalid, "\"" + std::string(text) + "\" is not " + std::string(what)};
    return value;
}

char lower_char(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

}  // namespace

Result<std::uint32_t> parse_hex32(std::string_view text) {
    return parse_whole<std::uint32_t>(text, 16, "a hexadecimal number");
}
Result<std::int64_t> parse_int(std::string_view text) {
    return parse_whole<std::int64_t>(text, 10, "a whole number");
}
Result<std::uint64_t> parse_uint(std::string_view text) {
    return parse_whole<std::uint64_t>(text, 10, "a whole number of zero or more");
}

std::string_view trim(std::string_view text) {
    constexpr std::string_view blanks = " \t\r\n";
    const auto first = text.find_first_not_of(blanks);
    if (first == text.npos) return {};
    return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

std::vector<std::string> split(std::string_view text, char separator) {
    std::vector<std::string> parts;
    if (text.empty()) return parts;
    for (;;) {
        const auto at = text.find(separator);
        parts.emplace_back(text.substr(0, at));
        if (at == text.npos) return parts;
        text.remove_prefix(at + 1);
    }
}

std::string join(const std::vector<std::string>& parts, std::string_view separator) {
    std::string text;
    for (const std::string& part : parts) {
        if (&part != &parts.front()) text += separator;
        text += part;
    }
    return text;
}

std::string lower(std::string_view text) {
    std::string result(text);
    std::ranges::transform(result, result.begin(), lower_char);
    return result;
}

bool equal_nocase(std::string_view a, std::string_view b) {
    return std::ranges::equal(a, b, {}, lower_char, lower_char);
}

bool is_digits(std::string_view text) {
    return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace castle
