#include "fence/program/watchdog.hpp"

#include <errno.h>
#include <fcntl.h>
#include <linux/watchdog.h>
#include <sys/ioctl.h>

#include <cstdio>

namespace castle::fence {

int Watchdog::open(std::string_view device, bool testing, int seconds) {
    if (device.empty() || device.size() >= device_.size() || seconds <= 0) return EINVAL;
    if (is_open() && device == device_.data() && testing == testing_) return set_timeout(seconds);
    close();
    device.copy(device_.data(), device.size());
    device_[device.size()] = 0;
    testing_ = testing;
    // Not blocking: a FIFO without a reader would hold the fence up for ever.
    file_.reset(::open(device_.data(), O_WRONLY | O_NONBLOCK | O_CLOEXEC));
    if (!file_) return errno;
    if (const int error = set_timeout(seconds); error != 0) {
        close();
        return error;
    }
    return 0;
}

int Watchdog::set_timeout(int seconds) {
    if (testing_) {
        std::array<char, 32> line{};
        const int size = std::snprintf(line.data(), line.size(), "Ctimeout=%d\n", seconds);
        if (::write(file_.get(), line.data(), static_cast<std::size_t>(size)) != size) return errno;
        seconds_ = seconds;
        return 0;
    }
    int actual = seconds;
    if (::ioctl(file_.get(), WDIOC_SETTIMEOUT, &actual) != 0) return errno;
    // Drivers round; the agent decides whether what they made of it is good enough.
    if (::ioctl(file_.get(), WDIOC_GETTIMEOUT, &actual) != 0) actual = seconds;
    seconds_ = actual;
    return 0;
}

void Watchdog::ping() {
    if (is_open()) (void)!::write(file_.get(), "1", 1);
}

void Watchdog::close() {
    if (is_open()) (void)!::write(file_.get(), "V", 1);
    file_.reset();
}

}  // namespace castle::fence
