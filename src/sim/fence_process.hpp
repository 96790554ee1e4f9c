// The fence of one simulated server: the real deadline logic, in a process of its own that does not care whether the
// agent lives. It runs before the server when its host wakes up: in life it has real-time priority and locked memory.
#pragma once

#include <functional>

#include "fence/deadline.hpp"
#include "sim/clock.hpp"
#include "sim/postgres.hpp"

namespace castle::sim {

class FenceProcess {
public:
    FenceProcess(World& world, const HostClock& clock, Postgres& server, std::function<void()> changed)
        : world_(world), clock_(clock), server_(server), changed_(std::move(changed)) {}

    bool alive() const { return alive_; }
    bool frozen() const { return frozen_; }
    const fence::State& state() const { return logic_.state(); }
    bool fired_since_start() const { return logic_.state().firings != firings_at_start_; }

    void start();
    void crash();  // the server gets SIGQUIT by the parent-death signal
    void freeze() { frozen_ = true; }
    void thaw();

    // Commands, already inside the process.
    fence::Answer arm(Revision epoch, BootTime until, Duration stop_before);
    fence::Answer extend(Revision epoch, BootTime until, Duration stop_before);
    fence::Answer disarm();
    fence::Answer kill();
    fence::Answer start_server();  // every server is the fence's child

    void server_changed();  // it has ended, perhaps

private:
    fence::Answer carry_out(fence::Outcome outcome);
    void set_timer();
    void kill_server();
    fence::Instant now() const { return clock_.instant(world_.now()); }

    World& world_;
    const HostClock& clock_;
    Postgres& server_;
    std::function<void()> changed_;
    fence::Deadline logic_;
    bool alive_ = false, frozen_ = false;
    std::uint64_t life_ = 0;   // which process this is
    std::uint64_t timer_ = 0;  // the latest timer; older ones are void
    std::uint32_t firings_at_start_ = 0;
};

}  // namespace castle::sim
