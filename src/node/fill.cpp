#include "node/fill.hpp"

#include "base/assert.hpp"

namespace castle::node {

std::string fill(std::string_view text, const std::map<std::string, std::string, std::less<>>& values) {
    std::string filled;
    while (!text.empty()) {
        const auto begin = text.find('<');
        filled += text.substr(0, begin);
        if (begin == text.npos) break;
        const auto end = text.find('>', begin);
        CASTLE_ASSERT(end != text.npos);
        const auto value = values.find(text.substr(begin + 1, end - begin - 1));
        CASTLE_ASSERT(value != values.end());
        filled += value->second;
        text.remove_prefix(end + 1);
    }
    return filled;
}

}  // namespace castle::node
