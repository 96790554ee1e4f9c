#include "sim/trace.hpp"

#include <cstring>

namespace castle::sim {

void Trace::mix(std::string_view text) {
    while (text.size() >= 8) {
        std::uint64_t word;
        std::memcpy(&word, text.data(), 8);
        mix(word);
        text.remove_prefix(8);
    }
    std::uint64_t rest = text.size();
    for (const char byte : text) rest = rest << 8 | static_cast<unsigned char>(byte);
    mix(rest);
}

void Trace::print_line(BootTime when, std::string_view who, std::string_view text) {
    const auto time = when.time_since_epoch().count();
    std::fprintf(print_, "%5lld.%03lld %-6.*s %.*s\n", static_cast<long long>(time / 1000),
                 static_cast<long long>(time % 1000), static_cast<int>(who.size()), who.data(),
                 static_cast<int>(text.size()), text.data());
}

void Trace::note(BootTime when, std::string_view who, std::string_view what,
                 std::initializer_list<std::int64_t> numbers) {
    mix(static_cast<std::uint64_t>(when.time_since_epoch().count()));
    mix(who);
    mix(what);
    for (const std::int64_t number : numbers) mix(static_cast<std::uint64_t>(number));
    if (!print_) return;
    std::string text;
    for (std::size_t i = 0; i < what.size(); ++i) {
        if (what[i] == '%' && i + 1 < what.size() && what[i + 1] >= '1' && what[i + 1] <= '4') {
            const std::size_t index = static_cast<std::size_t>(what[++i] - '1');
            text += index < numbers.size() ? std::to_string(numbers.begin()[index]) : "?";
        } else {
            text += what[i];
        }
    }
    print_line(when, who, text);
}

void Trace::say(BootTime when, std::string_view who, std::string_view text) {
    mix(static_cast<std::uint64_t>(when.time_since_epoch().count()));
    mix(who);
    mix(text);
    if (print_) print_line(when, who, text);
}

}  // namespace castle::sim
