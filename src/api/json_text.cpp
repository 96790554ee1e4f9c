#include <boost/json.hpp>
#include <cmath>
#include <cstdio>

#include "api/documents.hpp"
#include "config/units.hpp"

namespace castle::api {
namespace {

namespace json = boost::json;

void put_escape(std::string& out, unsigned unit) {
    char text[8];
    std::snprintf(text, sizeof text, "\\u%04x", unit);
    out += text;
}

// Everything beyond ASCII as \u escapes. JSON values hold valid UTF-8, our own texts (names of users) may not: a stray
// byte becomes U+FFFD.
void put_string(std::string& out, std::string_view text) {
    out += '"';
    for (std::size_t i = 0; i < text.size();) {
        const auto byte = static_cast<unsigned char>(text[i]);
        if (byte < 0x80) {
            ++i;
            switch (byte) {
                case '"': out += "\\\""; break;
                case '\\': out += "\\\\"; break;
                case '\n': out += "\\n"; break;
                case '\r': out += "\\r"; break;
                case '\t': out += "\\t"; break;
                case '\b': out += "\\b"; break;
                case '\f': out += "\\f"; break;
                default:
                    if (byte < 0x20)
                        put_escape(out, byte);
                    else
                        out += static_cast<char>(byte);
            }
            continue;
        }
        const std::size_t size = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 0;
        unsigned point = size == 4 ? byte & 0x07u : size == 3 ? byte & 0x0fu : byte & 0x1fu;
        bool valid = size != 0 && i + size <= text.size();
        for (std::size_t k = 1; valid && k < size; ++k) {
            const auto next = static_cast<unsigned char>(text[i + k]);
            valid = (next & 0xc0u) == 0x80u;
            point = point << 6 | (next & 0x3fu);
        }
        constexpr unsigned smallest[] = {0, 0, 0x80, 0x800, 0x10000};
        valid = valid && point >= smallest[size] && point <= 0x10ffff && (point < 0xd800 || point > 0xdfff);
        if (!valid) {
            put_escape(out, 0xfffd);
            ++i;
            continue;
        }
        i += size;
        if (point >= 0x10000) {
            put_escape(out, 0xd800 + ((point - 0x10000) >> 10));
            put_escape(out, 0xdc00 + ((point - 0x10000) & 0x3ffu));
        } else {
            put_escape(out, point);
        }
    }
    out += '"';
}

// JSON has no infinity: a number that every reader takes for one stands for it, as it did where 1e400 was read.
void put_number(std::string& out, double number) {
    if (std::isfinite(number))
        out += config::real_text(number);
    else
        out += std::isnan(number) ? "null" : number > 0 ? "1e999" : "-1e999";
}

void put(std::string& out, const json::value& value) {
    switch (value.kind()) {
        case json::kind::object: {
            out += '{';
            bool first = true;
            for (const auto& [key, each] : value.get_object()) {
                if (!std::exchange(first, false)) out += ", ";
                put_string(out, key);
                out += ": ";
                put(out, each);
            }
            out += '}';
            break;
        }
        case json::kind::array: {
            out += '[';
            bool first = true;
            for (const auto& each : value.get_array()) {
                if (!std::exchange(first, false)) out += ", ";
                put(out, each);
            }
            out += ']';
            break;
        }
        case json::kind::string: put_string(out, value.get_string()); break;
        case json::kind::double_: put_number(out, value.get_double()); break;
        default: out += json::serialize(value);
    }
}

}  // namespace

std::string json_text(const json::value& value) {
    std::string out;
    put(out, value);
    return out;
}

}  // namespace castle::api
