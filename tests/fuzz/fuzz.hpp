// What the fuzzers share. A property that does not hold ends the program, as a finding.
#pragma once

#include <boost/json/parse.hpp>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/assert.hpp"

namespace castle::fuzz {

inline bool is_json(std::string_view text) {
    boost::system::error_code failed;
    boost::json::parse(text, failed);
    return !failed;
}
inline void check_json(std::string_view text) {
    CASTLE_ASSERT(is_json(text));
}

// Takes an input apart from the left.
class Bytes {
public:
    Bytes(const std::uint8_t* data, std::size_t size) : rest_(reinterpret_cast<const char*>(data), size) {}
    bool empty() const { return rest_.empty(); }
    std::uint8_t byte() { return rest_.empty() ? 0 : static_cast<std::uint8_t>(take(1)[0]); }
    std::string_view take(std::size_t size) {
        const std::string_view taken = rest_.substr(0, size);
        rest_.remove_prefix(taken.size());
        return taken;
    }
    std::string_view rest() { return take(rest_.size()); }
    // Up to the separator, which goes too.
    std::string_view until(char separator) {
        const std::string_view taken = rest_.substr(0, rest_.find(separator));
        rest_.remove_prefix(taken.size() < rest_.size() ? taken.size() + 1 : taken.size());
        return taken;
    }
    std::uint64_t number() {  // mostly small; the largest and negative ones too
        const std::uint8_t kind = byte();
        if (kind < 0xc0) return kind;
        std::uint64_t value = 0;
        for (const char c : take(8)) value = value << 8 | static_cast<std::uint8_t>(c);
        return value;
    }

private:
    std::string_view rest_;
};

}  // namespace castle::fuzz
