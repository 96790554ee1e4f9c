// The hardware watchdog as the agent uses it, through the fence that holds it: open while the fence is armed, with the
// timeout that fits the life of the lease, and closed before the fence is disarmed, because then nobody pings it.
// One loop, one thread.
#pragma once

#include <optional>
#include <string>

#include "config/local.hpp"
#include "ports/fence.hpp"
#include "ports/journal.hpp"
#include "task/wait.hpp"

namespace castle::agent {

class Watchdog {
public:
    Watchdog(Executor& executor, ports::Fence& fence, ports::Journal& journal)
        : executor_(executor), fence_(fence), journal_(journal) {}

    void configure(config::Watchdog wanted);

    // Looks whether it could be opened, without doing it: a device begins to count when it is opened.
    Task<> look(Duration life, Duration loop_wait);
    bool looked() const { return looked_; }
    // Opens it, or gives it another timeout. An error only where the configuration requires it.
    Task<Status> open(Duration life, Duration loop_wait);
    Task<> close();

    bool required() const { return wanted_.mode == config::Watchdog::Mode::required; }
    // Why one that the configuration requires cannot be used; empty: it can, or none is required.
    std::string problem() const { return required() ? problem_ : std::string(); }
    // How long before the end of the lease it resets the machine; nothing: there is none to be used.
    std::optional<Duration> safety_margin() const;

private:
    bool off() const { return wanted_.mode == config::Watchdog::Mode::off; }
    Status unusable(std::string why);

    Executor& executor_;
    ports::Fence& fence_;
    ports::Journal& journal_;
    config::Watchdog wanted_;
    bool looked_ = false;
    std::string problem_, told_;
    BootTime failed_until_{};  // a device that did not open is left alone until then
    Duration asked_{};         // the timeout that it was last given
};

}  // namespace castle::agent
