// The fence: the parent of the postmaster, which ends it when the deadline passes, whatever state the agent is in.
#pragma once

#include <string>

#include "base/result.hpp"
#include "core/fence_state.hpp"
#include "task/wait.hpp"

namespace castle::ports {

using core::FenceState;

class Fence {
public:
    virtual ~Fence() = default;

    // What the fence last said; no waiting.
    virtual FenceState state() const = 0;
    // Notified when state() has changed (the server ended, the fence fired or was lost), but not when only the deadline
    // was moved on: a leader does so with every renewal.
    virtual Signal& changed() = 0;

    // From now on the server dies at `until` unless the deadline is moved on, and is told to stop in order
    // `stop_before` that. Before a promote or a start as primary.
    virtual Task<Status> arm(Revision epoch, BootTime until, Duration stop_before) = 0;
    // Moves the deadline on; never back. Errc::conflict: not armed for this epoch.
    virtual Task<Status> extend(Revision epoch, BootTime until, Duration stop_before) = 0;
    // Kills the server's whole tree now, and answers when it is confirmed gone.
    virtual Task<Status> fire() = 0;
    // The hardware watchdog, which the fence holds open and pings whenever the deadline moves. It is closed properly
    // here, and after a confirmed kill; otherwise it stays armed.
    virtual Task<Status> check_watchdog(std::string device) = 0;  // may it be opened?
    // Answers with the timeout that it took. Once more: another timeout.
    virtual Task<Result<Duration>> open_watchdog(std::string device, std::string driver, Duration timeout) = 0;
    virtual Task<Status> close_watchdog() = 0;
    // Only after the server has shut down, or while it is in recovery.
    virtual Task<Status> disarm() = 0;
};

}  // namespace castle::ports
