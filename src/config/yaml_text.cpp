// The rules are those of PyYAML's emitter: which text may stand plain depends on where it stands and on what it could
// be mistaken for; long ones are folded at single blanks.
#include "config/yaml_text.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string_view>
#include <vector>

#include "config/units.hpp"
#include "config/yaml.hpp"

namespace castle::config {
namespace {

std::u32string decode(std::string_view text) {
    std::u32string result;
    for (std::size_t i = 0; i < text.size();) {
        const auto first = static_cast<unsigned char>(text[i]);
        const std::size_t length = first < 0x80       ? 1
                                   : first >> 5 == 6  ? 2
                                   : first >> 4 == 14 ? 3
                                   : first >> 3 == 30 ? 4
                                                      : 0;
        if (length == 0 || i + length > text.size()) {
            result += U'\uFFFD';  // not UTF-8
            ++i;
            continue;
        }
        char32_t c = length == 1 ? first : first & (0x7F >> length);
        for (std::size_t k = 1; k < length; ++k) c = c << 6 | (static_cast<unsigned char>(text[i + k]) & 0x3F);
        result += c;
        i += length;
    }
    return result;
}

void encode(char32_t c, std::string& out) {
    if (c < 0x80) {
        out += static_cast<char>(c);
    } else if (c < 0x800) {
        out += static_cast<char>(0xC0 | c >> 6);
        out += static_cast<char>(0x80 | (c & 0x3F));
    } else if (c < 0x10000) {
        out += static_cast<char>(0xE0 | c >> 12);
        out += static_cast<char>(0x80 | (c >> 6 & 0x3F));
        out += static_cast<char>(0x80 | (c & 0x3F));
    } else {
        out += static_cast<char>(0xF0 | c >> 18);
        out += static_cast<char>(0x80 | (c >> 12 & 0x3F));
        out += static_cast<char>(0x80 | (c >> 6 & 0x3F));
        out += static_cast<char>(0x80 | (c & 0x3F));
    }
}

bool is_break(char32_t c) {
    return c == U'\n' || c == 0x85 || c == 0x2028 || c == 0x2029;
}
bool is_blank(char32_t c) {
    return c == 0 || c == U' ' || c == U'\t' || c == U'\r' || is_break(c);
}
bool is_in(char32_t c, std::u32string_view set) {
    return set.find(c) != set.npos;
}
bool is_printable(char32_t c) {
    return (c >= 0x20 && c <= 0x7E) || (c >= 0xA0 && c <= 0xD7FF) || (c >= 0xE000 && c <= 0xFFFD && c != 0xFEFF);
}
// What may stand unescaped in plain and single-quoted text.
bool is_safe(char32_t c) {
    return c == U'\n' || c == 0x85 || is_printable(c) || (c >= 0x10000 && c < 0x10FFFF);
}

struct Analysis {
    bool flow_plain = true;
    bool block_plain = true;
    bool single_quoted = true;
    bool multiline = false;
};

Analysis analyze(const std::u32string& text) {
    Analysis result;
    if (text.empty()) return {.flow_plain = false};
    bool block_indicators = text.starts_with(U"---") || text.starts_with(U"...");
    bool flow_indicators = block_indicators;
    bool special = false, break_space = false, space_break = false;
    bool previous_space = false, previous_break = false, preceded_by_blank = true;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char32_t c = text[i];
        const bool followed_by_blank = i + 1 >= text.size() || is_blank(text[i + 1]);
        if (i == 0) {
            if (is_in(c, U"#,[]{}&*!|>'\"%@`")) flow_indicators = block_indicators = true;
            if (is_in(c, U"?:")) {
                flow_indicators = true;
                if (followed_by_blank) block_indicators = true;
            }
            if (c == U'-' && followed_by_blank) flow_indicators = block_indicators = true;
        } else {
            if (is_in(c, U",?[]{}")) flow_indicators = true;
            if (c == U':') {
                flow_indicators = true;
                if (followed_by_blank) block_indicators = true;
            }
            if (c == U'#' && preceded_by_blank) flow_indicators = block_indicators = true;
        }
        if (is_break(c)) result.multiline = true;
        if (!is_safe(c)) special = true;
        if (c == U' ') {
            if (previous_break) break_space = true;
        } else if (is_break(c)) {
            if (previous_space) space_break = true;
        }
        previous_space = c == U' ';
        previous_break = is_break(c);
        preceded_by_blank = is_blank(c);
    }
    const auto is_edge = [](char32_t c) { return c == U' ' || is_break(c); };
    const bool plain = !is_edge(text.front()) && !is_edge(text.back()) && !break_space && !space_break && !special &&
                       !result.multiline;
    result.flow_plain = plain && !flow_indicators;
    result.block_plain = plain && !block_indicators;
    result.single_quoted = !break_space && !space_break && !special;
    return result;
}

// YAML 1.1's dates, which PyYAML would read as such.
bool is_date(std::string_view text) {
    std::size_t at = 0;
    const auto digits = [&](std::size_t least, std::size_t most) {
        const std::size_t begin = at;
        while (at < text.size() && at - begin < most && text[at] >= '0' && text[at] <= '9') ++at;
        return at - begin >= least;
    };
    const auto sign = [&](char c) { return at < text.size() && text[at] == c && ++at; };
    if (!digits(4, 4) || !sign('-')) return false;
    const std::size_t month = at;
    if (!digits(1, 2) || !sign('-')) return false;
    const std::size_t day = at;
    if (!digits(1, 2)) return false;
    if (at == text.size()) return day - month == 3 && at - day == 2;
    const std::size_t gap = at;
    if (text[at] == 'T' || text[at] == 't')
        ++at;
    else
        while (at < text.size() && (text[at] == ' ' || text[at] == '\t')) ++at;
    if (at == gap || !digits(1, 2) || !sign(':') || !digits(2, 2) || !sign(':') || !digits(2, 2)) return false;
    if (sign('.')) digits(0, text.size());
    while (at < text.size() && (text[at] == ' ' || text[at] == '\t')) ++at;
    if (at == text.size()) return text.back() != ' ' && text.back() != '\t';
    if (sign('Z')) return at == text.size();
    if (text[at] != '+' && text[at] != '-') return false;
    ++at;
    if (!digits(1, 2)) return false;
    if (sign(':') && !digits(2, 2)) return false;
    return at == text.size();
}

// Read back without quotes, the text would be something else.
bool needs_quotes(std::string_view text) {
    return !yaml_scalar(text).is_string() || is_date(text) || text == "=" || text == "<<";
}

class Writer {
public:
    explicit Writer(YamlStyle style) : style_(style) {}

    std::string out;

    void block(const boost::json::value& value, int indent, bool in_map) {
        if (const auto* const map = value.if_object(); map && !map->empty()) return block_map(*map, indent, in_map);
        if (const auto* const list = value.if_array(); list && !list->empty()) return block_list(*list, indent, in_map);
        if (!out.empty() && out.back() != ' ' && out.back() != '\n') put(" ");
        if (value.is_structured())
            put(value.is_object() ? "{}" : "[]");
        else
            scalar(value, indent + 2, false, false);
        put("\n");
    }

    void flow(const boost::json::value& value) {
        if (const auto* const map = value.if_object()) {
            put("{");
            bool first = true;
            for (const auto& entry : entries(*map)) {
                if (!first) put(", ");
                first = false;
                text(entry.key(), 0, true, true);
                put(": ");
                flow(entry.value());
            }
            put("}");
        } else if (const auto* const list = value.if_array()) {
            put("[");
            for (const auto& item : *list) {
                if (&item != list->data()) put(", ");
                flow(item);
            }
            put("]");
        } else {
            scalar(value, 0, false, true);
        }
    }

private:
    class Entry {
    public:
        explicit Entry(const boost::json::key_value_pair& pair) : pair_(&pair) {}
        std::string_view key() const { return pair_->key(); }
        const boost::json::value& value() const { return pair_->value(); }

    private:
        const boost::json::key_value_pair* pair_;
    };

    std::vector<Entry> entries(const boost::json::object& map) const {
        std::vector<Entry> all;
        for (const auto& pair : map) all.emplace_back(pair);
        if (style_.sort_keys) std::ranges::sort(all, {}, &Entry::key);
        return all;
    }

    void block_map(const boost::json::object& map, int indent, bool in_map) {
        if (in_map) put("\n");
        bool first = !in_map && !out.empty() && out.back() != '\n';  // after "- "
        for (const auto& entry : entries(map)) {
            if (!first) put(std::string(static_cast<std::size_t>(indent), ' '));
            first = false;
            text(entry.key(), indent, true, false);
            put(":");
            const bool list = entry.value().is_array();
            block(entry.value(), list ? indent : entry.value().is_object() ? indent + 2 : indent, true);
        }
    }

    // Inside a map a list is not indented further.
    void block_list(const boost::json::array& list, int indent, bool in_map) {
        if (in_map) put("\n");
        bool first = !in_map && !out.empty() && out.back() != '\n';
        for (const auto& item : list) {
            if (!first) put(std::string(static_cast<std::size_t>(indent), ' '));
            first = false;
            put("-");
            if (item.is_structured() && !(item.is_object() ? item.get_object().empty() : item.get_array().empty()))
                put(" ");
            block(item, item.is_structured() ? indent + 2 : indent, false);
        }
    }

    void scalar(const boost::json::value& value, int indent, bool key, bool in_flow) {
        if (value.is_string()) return text(value.get_string(), indent, key, in_flow);
        if (!value.is_double()) return put(text_of(value));
        const double number = value.get_double();
        if (std::isnan(number)) return put(".nan");
        if (std::isinf(number)) return put(number > 0 ? ".inf" : "-.inf");
        std::string digits = real_text(number);
        if (digits.find('.') == digits.npos)
            if (const auto e = digits.find('e'); e != digits.npos) digits.insert(e, ".0");
        put(digits);
    }

    void text(std::string_view raw, int indent, bool key, bool in_flow) {
        const std::u32string characters = decode(raw);
        const Analysis analysis = analyze(characters);
        const bool plain_allowed = in_flow ? analysis.flow_plain : analysis.block_plain;
        const bool as_key = key && analysis.multiline;
        const bool split = !key && !in_flow;
        if (plain_allowed && !as_key && !needs_quotes(raw)) return plain(characters, indent, split);
        if (analysis.single_quoted && !as_key) return single_quoted(characters, indent, split);
        double_quoted(characters, indent, split);
    }

    void plain(const std::u32string& text, int indent, bool split) {
        for (std::size_t start = 0; start < text.size();) {
            const bool blanks = text[start] == U' ';
            std::size_t end = start;
            while (end < text.size() && (text[end] == U' ') == blanks) ++end;
            if (blanks && end - start == 1 && column_ > style_.width && split)
                line(indent);
            else
                put(text, start, end);
            start = end;
        }
    }

    void single_quoted(const std::u32string& text, int indent, bool split) {
        put("'");
        for (std::size_t start = 0; start < text.size();) {
            std::size_t end = start + 1;
            if (text[start] == U' ') {
                while (end < text.size() && text[end] == U' ') ++end;
                if (end - start == 1 && column_ > style_.width && split && start != 0 && end != text.size())
                    line(indent);
                else
                    put(text, start, end);
            } else if (is_break(text[start])) {
                while (end < text.size() && is_break(text[end])) ++end;
                if (text[start] == U'\n') put("\n");
                for (std::size_t i = start; i < end; ++i) put(text, i, i + 1);
                put(std::string(static_cast<std::size_t>(indent), ' '));
            } else if (text[start] == U'\'') {
                put("''");
            } else {
                while (end < text.size() && text[end] != U' ' && !is_break(text[end]) && text[end] != U'\'') ++end;
                put(text, start, end);
            }
            start = end;
        }
        put("'");
    }

    void double_quoted(const std::u32string& text, int indent, bool split) {
        put("\"");
        std::size_t start = 0;
        for (std::size_t end = 0; end <= text.size(); ++end) {
            const bool at_end = end == text.size();
            const char32_t c = at_end ? 0 : text[end];
            if (at_end || is_in(c, U"\"\\\u2028\u2029\uFEFF") || c == 0x85 || !is_printable(c)) {
                if (start < end) put(text, start, end);
                start = end;
                if (!at_end) {
                    put(escape(c));
                    start = end + 1;
                }
            }
            const auto pending = static_cast<int>(end) - static_cast<int>(start);
            if (end > 0 && end + 1 < text.size() && (c == U' ' || start >= end) && column_ + pending > style_.width &&
                split) {
                if (start < end) put(text, start, end);
                put("\\");
                start = std::max(start, end);
                line(indent);
                if (text[start] == U' ') put("\\");
            }
        }
        put("\"");
    }

    static std::string escape(char32_t c) {
        constexpr std::u32string_view special = U"\a\b\t\n\v\f\r\x1B\"\\\u0085\u00A0\u2028\u2029";
        constexpr std::string_view names = "abtnvfre\"\\N_LP";
        if (c == 0) return "\\0";
        if (const auto at = special.find(c); at != special.npos) return std::string("\\") + names[at];
        const int width = c <= 0xFF ? 2 : c <= 0xFFFF ? 4 : 8;
        std::string digits;
        for (int shift = (width - 1) * 4; shift >= 0; shift -= 4) digits += "0123456789ABCDEF"[c >> shift & 0xF];
        return (width == 2 ? "\\x" : width == 4 ? "\\u" : "\\U") + digits;
    }

    void line(int indent) {
        put("\n");
        put(std::string(static_cast<std::size_t>(indent), ' '));
    }

    void put(std::string_view ascii) {
        out += ascii;
        const auto newline = ascii.rfind('\n');
        column_ = newline == ascii.npos ? column_ + static_cast<int>(ascii.size())
                                        : static_cast<int>(ascii.size() - newline - 1);
    }

    void put(const std::u32string& text, std::size_t begin, std::size_t end) {
        for (std::size_t i = begin; i < end; ++i) {
            encode(text[i], out);
            column_ = is_break(text[i]) ? 0 : column_ + 1;
        }
    }

    YamlStyle style_;
    int column_ = 0;
};

}  // namespace

std::string yaml_text(const boost::json::value& value, YamlStyle style) {
    Writer writer(style);
    writer.block(value, 0, false);
    return std::move(writer.out);
}

std::string yaml_flow_text(const boost::json::value& value, bool sort_keys) {
    Writer writer({.sort_keys = sort_keys, .width = std::numeric_limits<int>::max()});
    writer.flow(value);
    return std::move(writer.out);
}

}  // namespace castle::config
