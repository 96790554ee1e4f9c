// A type for every quantity, so that numbers which must not be mixed up do not share one.
#pragma once

#include <chrono>
#include <cstdint>

namespace castle {

enum class Timeline : std::uint32_t {};  // 0: unknown
enum class Revision : std::int64_t {};   // of the store; what a compare-and-swap compares. 0: no such key
enum class LeaseId : std::int64_t {};    // of the store. 0: none

constexpr std::uint32_t number(Timeline timeline) {
    return static_cast<std::uint32_t>(timeline);
}
constexpr std::int64_t number(Revision revision) {
    return static_cast<std::int64_t>(revision);
}
constexpr std::int64_t number(LeaseId lease) {
    return static_cast<std::int64_t>(lease);
}

using Duration = std::chrono::milliseconds;

// Time that runs on while the machine sleeps. No now() here, on purpose: whoever may ask the time is handed a clock.
struct BootClock {
    using duration = Duration;
    using rep = duration::rep;
    using period = duration::period;
    using time_point = std::chrono::time_point<BootClock, Duration>;
    static constexpr bool is_steady = true;
};
using BootTime = std::chrono::time_point<BootClock, Duration>;

// The wall clock is shown, and used for schedules, and for nothing else.
using WallTime = std::chrono::time_point<std::chrono::system_clock, std::chrono::microseconds>;

struct Now {
    BootTime boot;
    WallTime wall;
};

}  // namespace castle
