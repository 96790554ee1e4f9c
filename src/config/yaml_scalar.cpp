// The typing of plain scalars by YAML 1.1, as PyYAML implements it. Dates stay text: nothing here has a use for them.
#include <algorithm>
#include <charconv>
#include <limits>
#include <optional>
#include <vector>

#include "base/text.hpp"
#include "config/yaml.hpp"

namespace castle::config {
namespace {

bool is_one_of(std::string_view text, std::initializer_list<std::string_view> words) {
    for (const std::string_view word : words)
        if (text == word) return true;
    return false;
}

bool consists_of(std::string_view text, std::string_view characters) {
    return text.find_first_not_of(characters) == text.npos;
}

std::string without_underscores(std::string_view text) {
    std::string result;
    for (const char c : text)
        if (c != '_') result += c;
    return result;
}

boost::json::value integer(const std::string& digits, int base, bool negative) {
    std::uint64_t value = 0;
    const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
    if (read.ec != std::errc{} || read.ptr != digits.data() + digits.size()) return nullptr;
    constexpr auto most = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    if (value <= most) return negative ? -static_cast<std::int64_t>(value) : static_cast<std::int64_t>(value);
    if (!negative) return value;
    return -static_cast<double>(value);
}

// 1:30:00 is 5400: all parts but the first are one or two digits below 60.
std::optional<double> sexagesimal(std::string_view text) {
    double value = 0;
    const std::vector<std::string> parts = split(text, ':');
    for (std::size_t i = 0; i < parts.size(); ++i) {
        const std::string digits = i == 0 ? without_underscores(parts[i]) : parts[i];
        double number = 0;
        const auto read =
            std::from_chars(digits.data(), digits.data() + digits.size(), number, std::chars_format::fixed);
        if (read.ec != std::errc{} || read.ptr != digits.data() + digits.size()) return {};
        const std::size_t whole_digits = std::min(digits.find('.'), digits.size());
        if (i > 0 && (whole_digits < 1 || whole_digits > 2 || number >= 60)) return {};
        value = value * 60 + number;
    }
    return value;
}

boost::json::value as_integer(std::string_view text) {
    const bool negative = text.starts_with('-');
    if (negative || text.starts_with('+')) text.remove_prefix(1);
    if (text.empty() || text[0] < '0' || text[0] > '9') return nullptr;
    if (text == "0") return 0;
    if (text.starts_with("0b") && text.size() > 2 && consists_of(text.substr(2), "01_"))
        return integer(without_underscores(text.substr(2)), 2, negative);
    if (text.starts_with("0x") && text.size() > 2 && consists_of(text.substr(2), "0123456789abcdefABCDEF_"))
        return integer(without_underscores(text.substr(2)), 16, negative);
    if (text[0] == '0')
        return consists_of(text, "01234567_") ? integer(without_underscores(text), 8, negative) : nullptr;
    if (consists_of(text, "0123456789_")) return integer(without_underscores(text), 10, negative);
    if (consists_of(text, "0123456789_:") && text.find(':') != text.npos) {
        constexpr double too_large = 0x1p63;
        const auto value = sexagesimal(text);
        if (value && *value < too_large) return static_cast<std::int64_t>(negative ? -*value : *value);
    }
    return nullptr;
}

// A float has a dot; an exponent needs its sign: 1e3 and 1.0e3 are text in YAML 1.1.
boost::json::value as_real(std::string_view text) {
    std::string_view body = text;
    const bool negative = body.starts_with('-');
    const bool sign = negative || body.starts_with('+');
    if (sign) body.remove_prefix(1);
    const double direction = negative ? -1 : 1;
    if (is_one_of(body, {".inf", ".Inf", ".INF"})) return direction * std::numeric_limits<double>::infinity();
    if (!sign && is_one_of(body, {".nan", ".NaN", ".NAN"})) return std::numeric_limits<double>::quiet_NaN();

    const auto dot = body.find('.');
    if (dot == body.npos) return nullptr;
    std::string_view whole = body.substr(0, dot);
    std::string_view rest = body.substr(dot + 1);
    if (whole.find(':') != whole.npos) {
        if (!consists_of(whole, "0123456789_:") || !consists_of(rest, "0123456789_") || whole[0] == '_') return nullptr;
        const auto value = sexagesimal(std::string(whole) + "." + without_underscores(rest) + "0");
        if (!value) return nullptr;
        return direction * *value;
    }
    std::string_view exponent;
    if (const auto e = rest.find_first_of("eE"); e != rest.npos) {
        exponent = rest.substr(e + 1);
        rest = rest.substr(0, e);
        if (exponent.size() < 2 || (exponent[0] != '+' && exponent[0] != '-') || !is_digits(exponent.substr(1)))
            return nullptr;
    }
    if (!consists_of(whole, "0123456789_") || !consists_of(rest, "0123456789_")) return nullptr;
    if (whole.empty()) {
        if (sign || rest.empty() || rest[0] == '_') return nullptr;
    } else if (whole[0] == '_') {
        return nullptr;
    }
    std::string digits = (whole.empty() ? "0" : without_underscores(whole)) + "." + without_underscores(rest) + "0";
    if (!exponent.empty()) digits += "e" + std::string(exponent);
    double value = 0;
    const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (read.ec == std::errc::result_out_of_range)
        return exponent.starts_with('-') ? 0.0 : direction * std::numeric_limits<double>::infinity();
    if (read.ec != std::errc{}) return nullptr;
    return direction * value;
}

}  // namespace

boost::json::value yaml_scalar(std::string_view text) {
    if (is_one_of(text, {"", "~", "null", "Null", "NULL"})) return nullptr;
    if (is_one_of(text, {"yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"})) return true;
    if (is_one_of(text, {"no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"})) return false;
    if (boost::json::value number = as_integer(text); !number.is_null()) return number;
    if (boost::json::value number = as_real(text); !number.is_null()) return number;
    return boost::json::value(boost::json::string_view(text.data(), text.size()));
}

}  // namespace castle::config
