// The hardware watchdog: resets the machine unless it is pinged in time. It is pinged only when the agent moves the
// deadline, so that a frozen agent, and a fence that cannot empty the tree, end in a reset.
//
// Driver "default" is the kernel's watchdog device; "testing" writes the same as text into a FIFO.
#pragma once

#include <array>
#include <string_view>

#include "fence/program/descriptor.hpp"

namespace castle::fence {

class Watchdog {
public:
    // Opens it, or sets another timeout if this very device is open. 0, or what went wrong as errno.
    int open(std::string_view device, bool testing, int seconds);
    void ping();
    void close();  // properly: the device stops counting

    bool is_open() const { return static_cast<bool>(file_); }
    int seconds() const { return is_open() ? seconds_ : 0; }

private:
    int set_timeout(int seconds);

    Descriptor file_;
    bool testing_ = false;
    int seconds_ = 0;
    std::array<char, 256> device_{};
};

}  // namespace castle::fence
