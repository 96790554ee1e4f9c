// One simulated process: a queue of work under the clock of its host. A frozen process runs nothing; what came due
// meanwhile runs when it is thawed, late and all at once, as in life. Destroying the process destroys its queue.
#pragma once

#include "sim/clock.hpp"
#include "task/manual_executor.hpp"

namespace castle::sim {

class Process {
public:
    explicit Process(const HostClock& clock, BootTime world) : clock_(clock) {
        executor_.advance_to(clock.boot(world));
    }

    Executor& executor() { return executor_; }
    BootTime local(BootTime world) const { return clock_.boot(world); }

    // From the outside: runs `work` inside the process as soon as it can run.
    void deliver(BootTime world, std::function<void()> work) {
        executor_.advance_to(clock_.boot(world));
        executor_.post(std::move(work));
    }

    // When it wants to run next, in world time; nothing: never, or not before it is thawed.
    std::optional<BootTime> due(BootTime world) {
        if (frozen || clock_.stopped()) return std::nullopt;
        const auto next = executor_.next();
        if (!next) return std::nullopt;
        if (*next <= clock_.boot(world)) return world;
        return clock_.world_at(*next);
    }
    void step(BootTime world) {
        executor_.advance_to(clock_.boot(world));
        executor_.step();
    }

    bool frozen = false;

private:
    const HostClock& clock_;
    ManualExecutor executor_;
};

}  // namespace castle::sim
