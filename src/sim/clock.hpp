// The clocks of one host: they may run fast or slow, and stand still while the (virtual) machine is paused. Suspended
// hosts keep counting boot time but not raw time.
#pragma once

#include <optional>

#include "base/types.hpp"
#include "fence/deadline.hpp"

namespace castle::sim {

// "World time" is the simulator's own, by which invariants are judged. Nobody simulated can see it.
class HostClock {
public:
    // `ppm`: how much faster than the world it runs. `offset`: what it showed at world time zero.
    HostClock(int ppm, Duration offset) : rate_(1'000'000 + ppm), shown_(offset) {}

    BootTime boot(BootTime world) const { return BootTime{shown_} + elapsed(world); }
    fence::RawTime raw(BootTime world) const {
        return fence::RawTime{(boot(world) - BootTime{}) - suspended_ -
                              (suspended_since_ ? elapsed_since_suspend(world) : Duration{})};
    }
    fence::Instant instant(BootTime world) const { return {boot(world), raw(world)}; }

    // The first world time at which boot() shows `local` or more. Only while it runs.
    BootTime world_at(BootTime local) const {
        const std::int64_t ahead = (local - BootTime{shown_}).count();
        if (ahead <= 0) return since_;
        BootTime world = since_ + Duration{ahead * 1'000'000 / rate_};
        while (boot(world) < local) world += Duration{1};
        return world;
    }

    // The machine is paused: nobody on it can notice, except by asking others.
    void stop(BootTime world) {
        shown_ = boot(world) - BootTime{};
        since_ = world;
        stopped_ = true;
    }
    void go_on(BootTime world) {
        since_ = world;
        stopped_ = false;
    }
    bool stopped() const { return stopped_; }
    bool suspended() const { return suspended_since_.has_value(); }

    // The machine sleeps: boot time counts the sleep, raw time does not.
    void suspend(BootTime world) { suspended_since_ = boot(world); }
    void resume(BootTime world) {
        if (suspended_since_) suspended_ += boot(world) - *suspended_since_;
        suspended_since_.reset();
    }

private:
    Duration elapsed(BootTime world) const {
        if (stopped_) return {};
        return Duration{(world - since_).count() * rate_ / 1'000'000};
    }
    Duration elapsed_since_suspend(BootTime world) const { return boot(world) - *suspended_since_; }

    std::int64_t rate_;
    Duration shown_;
    BootTime since_{};
    bool stopped_ = false;
    Duration suspended_{};
    std::optional<BootTime> suspended_since_;
};

}  // namespace castle::sim
