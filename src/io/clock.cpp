#include "io/clock.hpp"

#include <time.h>

#include <algorithm>

namespace castle::io {
namespace {

std::chrono::nanoseconds read(clockid_t clock) {
    timespec time{};
    clock_gettime(clock, &time);
    return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

struct Start {
    std::chrono::nanoseconds boot = read(CLOCK_BOOTTIME);
    std::chrono::nanoseconds raw = read(CLOCK_MONOTONIC_RAW);
};

}  // namespace

BootTime boot_now() {
    static const Start start;
    const auto passed = std::max(read(CLOCK_BOOTTIME) - start.boot, read(CLOCK_MONOTONIC_RAW) - start.raw);
    return BootTime{std::chrono::floor<Duration>(start.boot + passed)};
}

WallTime wall_now() {
    return std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
}

}  // namespace castle::io
