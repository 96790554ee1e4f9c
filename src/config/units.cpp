#include "config/units.hpp"

#include <array>
#include <boost/json/serialize.hpp>
#include <charconv>
#include <cmath>
#include <limits>
#include <span>

#include "base/text.hpp"

namespace castle::config {
namespace {

struct Unit {
    std::string_view name;
    double size;  // in the smallest unit of its kind
};
// From large to small.
constexpr std::array<Unit, 5> memory_units{
    {{"TB", 1099511627776.0}, {"GB", 1073741824.0}, {"MB", 1048576.0}, {"kB", 1024.0}, {"B", 1.0}}};
constexpr std::array<Unit, 6> time_units{
    {{"d", 86400e6}, {"h", 3600e6}, {"min", 60e6}, {"s", 1e6}, {"ms", 1e3}, {"us", 1.0}}};

struct Found {
    std::span<const Unit> kind;
    std::size_t index;
};

std::optional<Found> find_unit(std::string_view name) {
    for (const std::span<const Unit> kind : {std::span<const Unit>(memory_units), std::span<const Unit>(time_units)})
        for (std::size_t i = 0; i < kind.size(); ++i)
            if (kind[i].name == name) return Found{kind, i};
    return {};
}

struct Amount {
    double value;
    bool whole;  // written without a fraction or exponent
    std::string_view unit;
};

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

// The number at the front of the text: 12, -0x1F, 017, 1.5, .5e3. What follows is the unit.
std::optional<Amount> split_amount(std::string_view text) {
    text = trim(text);
    const bool negative = text.starts_with('-');
    std::string_view digits = text;
    if (negative || text.starts_with('+')) digits.remove_prefix(1);
    if (digits.empty() || (!is_digit(digits[0]) && digits[0] != '.')) return {};

    Amount amount{0, true, {}};
    const char* end = nullptr;
    const char* const last = digits.data() + digits.size();
    const bool hexadecimal = digits.size() > 2 && digits[0] == '0' && (digits[1] == 'x' || digits[1] == 'X');
    if (hexadecimal) {
        std::uint64_t value = 0;
        const auto read = std::from_chars(digits.data() + 2, last, value, 16);
        if (read.ec != std::errc{}) return {};
        amount.value = static_cast<double>(value);
        end = read.ptr;
    } else {
        const std::size_t after = std::min(digits.find_first_not_of("0123456789"), digits.size());
        const bool fraction = after < digits.size() && digits[after] == '.';
        const bool exponent = after > 0 && after + 1 < digits.size() &&
                              (digits[after] == 'e' || digits[after] == 'E') &&
                              (is_digit(digits[after + 1]) || digits[after + 1] == '-' || digits[after + 1] == '+');
        if (fraction || exponent) {
            const auto read = std::from_chars(digits.data(), last, amount.value);
            if (read.ec != std::errc{}) return {};
            amount.whole = false;
            end = read.ptr;
        } else {
            std::uint64_t value = 0;
            const int base = after > 1 && digits[0] == '0' ? 8 : 10;
            const auto read = std::from_chars(digits.data(), digits.data() + after, value, base);
            if (read.ec != std::errc{} || read.ptr != digits.data() + after) return {};
            amount.value = static_cast<double>(value);
            end = read.ptr;
        }
    }
    if (negative) amount.value = -amount.value;
    amount.unit = trim(std::string_view(end, static_cast<std::size_t>(last - end)));
    return amount;
}

std::optional<double> to_base(const Amount& amount, std::string_view base_unit) {
    if (amount.unit.empty()) return amount.value;
    // pg_settings has units like "8kB".
    double factor = 1;
    if (!base_unit.empty() && is_digit(base_unit[0])) {
        const auto base = split_amount(base_unit);
        if (!base || base->value <= 0) return {};
        factor = base->value;
        base_unit = base->unit;
    }
    const auto from = find_unit(amount.unit);
    const auto to = find_unit(base_unit);
    if (!from || !to || from->kind.data() != to->kind.data()) return {};
    const double target = to->kind[to->index].size * factor;
    double value = amount.value * from->kind[from->index].size / target;
    // A fraction is first rounded to a whole number of the next smaller unit, so that 30.1GB is 30822MB.
    if (!amount.whole && from->index + 1 < from->kind.size()) {
        const double step = from->kind[from->index + 1].size / target;
        value = std::rint(value / step) * step;
    }
    return value;
}

std::string scalar_text(const boost::json::value& value, bool python) {
    switch (value.kind()) {
        case boost::json::kind::null: return python ? "None" : "null";
        case boost::json::kind::bool_:
            if (python) return value.get_bool() ? "True" : "False";
            return value.get_bool() ? "true" : "false";
        case boost::json::kind::int64: return std::to_string(value.get_int64());
        case boost::json::kind::uint64: return std::to_string(value.get_uint64());
        case boost::json::kind::double_: return real_text(value.get_double());
        case boost::json::kind::string: return std::string(value.get_string());
        case boost::json::kind::array:
        case boost::json::kind::object: return boost::json::serialize(value);
    }
    return {};
}

}  // namespace

std::optional<bool> parse_bool(std::string_view text) {
    const std::string word = lower(trim(text));
    if (word == "on" || word == "true" || word == "yes" || word == "1") return true;
    if (word == "off" || word == "false" || word == "no" || word == "0") return false;
    return {};
}

std::optional<double> parse_real(std::string_view text, std::string_view base_unit) {
    const auto amount = split_amount(text);
    if (!amount) return {};
    return to_base(*amount, base_unit);
}

std::optional<std::int64_t> parse_int(std::string_view text, std::string_view base_unit) {
    text = trim(text);
    if (is_digits(text) && text[0] != '0') {  // the common case, and exact where a double is not
        const auto exact = castle::parse_int(text);
        if (!exact) return {};
        return *exact;
    }
    const auto value = parse_real(text, base_unit);
    if (!value) return {};
    const double rounded = std::rint(*value);
    constexpr double limit = 9.2e18;
    if (!(rounded > -limit && rounded < limit)) return {};
    return static_cast<std::int64_t>(rounded);
}

std::optional<bool> bool_of(const boost::json::value& value) {
    if (value.is_bool()) return value.get_bool();
    if (value.is_structured() || value.is_null()) return {};
    return parse_bool(text_of(value));
}

std::optional<std::int64_t> int_of(const boost::json::value& value, std::string_view base_unit) {
    if (value.is_int64()) return value.get_int64();
    if (value.is_double() || value.is_string()) return parse_int(text_of(value), base_unit);
    return {};
}

std::string text_of(const boost::json::value& value) {
    return scalar_text(value, false);
}
std::string python_text_of(const boost::json::value& value) {
    return scalar_text(value, true);
}

std::string real_text(double number) {
    if (std::isnan(number)) return "nan";
    if (std::isinf(number)) return number > 0 ? "inf" : "-inf";
    char digits[400];
    const double size = std::abs(number);
    const auto format =
        size != 0 && (size < 1e-4 || size >= 1e16) ? std::chars_format::scientific : std::chars_format::fixed;
    const auto end = std::to_chars(digits, digits + sizeof digits, number, format).ptr;
    std::string text(digits, end);
    if (text.find_first_of(".e") == text.npos) text += ".0";
    return text;
}

}  // namespace castle::config
