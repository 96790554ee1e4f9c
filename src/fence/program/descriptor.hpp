// A file descriptor that closes itself, and the two clocks.
#pragma once

#include <time.h>
#include <unistd.h>

#include <cstdint>
#include <utility>

#include "fence/deadline.hpp"

namespace castle::fence {

class Descriptor {
public:
    Descriptor() = default;
    explicit Descriptor(int fd) : fd_(fd) {}
    Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Descriptor& operator=(Descriptor&& other) noexcept {
        if (this != &other) reset(std::exchange(other.fd_, -1));
        return *this;
    }
    ~Descriptor() { reset(); }
    void reset(int fd = -1) {
        if (fd_ >= 0) ::close(fd_);
        fd_ = fd;
    }
    int get() const { return fd_; }
    explicit operator bool() const { return fd_ >= 0; }

private:
    int fd_ = -1;
};

inline std::int64_t nanoseconds(clockid_t clock) {
    timespec now{};
    ::clock_gettime(clock, &now);
    return now.tv_sec * 1'000'000'000LL + now.tv_nsec;
}
inline std::int64_t boot_microseconds() {
    return nanoseconds(CLOCK_BOOTTIME) / 1'000;
}
inline Instant instant() {
    return {.boot = BootTime{Duration{nanoseconds(CLOCK_BOOTTIME) / 1'000'000}},
            .raw = RawTime{Duration{nanoseconds(CLOCK_MONOTONIC_RAW) / 1'000'000}}};
}

}  // namespace castle::fence
