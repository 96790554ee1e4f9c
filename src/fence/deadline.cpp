#include "fence/deadline.hpp"

#include <algorithm>

#include "base/assert.hpp"

namespace castle::fence {
namespace {

constexpr Duration too_far_ahead = std::chrono::hours{24};
// Time synchronisation slews a clock by at most 500 ppm: half a millisecond in this time.
constexpr Duration look_again = std::chrono::seconds{1};

}  // namespace

std::string_view name_of(Answer answer) {
    switch (answer) {
        case Answer::ok: return "ok";
        case Answer::not_armed: return "not armed";
        case Answer::stale_epoch: return "armed for another leadership";
        case Answer::too_late: return "the deadline has passed";
        case Answer::too_far: return "the deadline is more than a day ahead";
        case Answer::firing: return "the server is being killed";
        case Answer::server_running: return "a server is running";
        case Answer::no_server: return "no server is running";
        case Answer::ending: return "the fence is ending";
        case Answer::locked: return "another fence guards this data directory";
        case Answer::unsupported: return "the fence does not know this command";
        case Answer::malformed: return "the fence did not understand the command";
        case Answer::denied: return "not permitted";
        case Answer::failed: return "failed";
        case Answer::busy: return "the fence is busy with the last server";
    }
    return "unknown answer";
}

std::string_view name_of(Phase phase) {
    switch (phase) {
        case Phase::gone: return "gone";
        case Phase::attached: return "attached";
        case Phase::armed: return "armed";
        case Phase::fired: return "fired";
    }
    return "unknown phase";
}

Outcome Deadline::arm(Instant now, Revision epoch, BootTime until, Duration stop_before) {
    if (state_.phase == Phase::fired) return {Answer::firing};
    if (state_.phase == Phase::armed) {
        if (passed(now)) return {Answer::too_late, fire().action};
        if (epoch < state_.epoch) return {Answer::stale_epoch};
    }
    if (until <= now.boot) return {Answer::too_late};
    if (until > now.boot + too_far_ahead) return {Answer::too_far};
    state_.phase = Phase::armed;
    state_.epoch = epoch;
    return move_to(now, until, stop_before);
}

Outcome Deadline::extend(Instant now, Revision epoch, BootTime until, Duration stop_before) {
    if (state_.phase == Phase::fired) return {Answer::firing};
    if (state_.phase != Phase::armed) return {Answer::not_armed};
    if (passed(now)) return {Answer::too_late, fire().action};
    if (epoch != state_.epoch) return {Answer::stale_epoch};
    if (until > now.boot + too_far_ahead) return {Answer::too_far};
    if (until <= state_.deadline) return {};
    return move_to(now, until, stop_before);
}

// The raw deadline stands as far ahead as the one by the boot clock; each is measured anew at every move.
Outcome Deadline::move_to(Instant now, BootTime until, Duration stop_before) {
    state_.deadline = until;
    stop_before_ = stop_before;
    raw_deadline_ = now.raw + (until - now.boot);
    return {Answer::ok, Action::ping_watchdog};
}

Outcome Deadline::disarm(Instant now) {
    if (state_.phase == Phase::fired) return {Answer::firing};
    if (state_.phase != Phase::armed) return {};
    if (passed(now)) return {Answer::too_late, fire().action};
    state_.phase = state_.server != 0 ? Phase::attached : Phase::gone;
    return {};
}

Outcome Deadline::kill(Instant now) {
    if (state_.phase == Phase::fired) return {};
    state_.deadline = state_.phase == Phase::armed ? std::min(state_.deadline, now.boot) : now.boot;
    return fire();
}

Outcome Deadline::tick(Instant now) {
    if (state_.phase != Phase::armed) return {};
    if (passed(now)) return fire();
    if (!to_be_stopped() || left(now) > stop_before_) return {};
    stopped_ = true;
    return {Answer::ok, Action::stop};
}

Outcome Deadline::fire() {
    state_.phase = Phase::fired;
    ++state_.firings;
    return {Answer::ok, Action::kill};
}

Answer Deadline::may_start() const {
    if (state_.phase == Phase::fired) return Answer::firing;
    if (state_.server != 0) return Answer::server_running;
    return Answer::ok;
}

Outcome Deadline::server_started(Instant now, std::int32_t pid) {
    CASTLE_ASSERT(pid > 0);
    if (const Answer answer = may_start(); answer != Answer::ok) return {answer};
    state_.server = pid;
    state_.killed = false;
    stopped_ = false;
    if (state_.phase == Phase::gone) state_.phase = Phase::attached;
    return tick(now);
}

void Deadline::server_ended() {
    state_.server = 0;
    if (state_.phase == Phase::attached) state_.phase = Phase::gone;
}

Outcome Deadline::emptied() {
    CASTLE_ASSERT(state_.phase == Phase::fired);
    state_.server = 0;
    state_.phase = Phase::gone;
    state_.killed = true;
    return {Answer::ok, Action::close_watchdog};
}

std::optional<Duration> Deadline::wait(Instant now) const {
    if (state_.phase != Phase::armed) return std::nullopt;
    return std::clamp(left(now) - (to_be_stopped() ? stop_before_ : Duration{0}), Duration{0}, look_again);
}

Duration Deadline::left(Instant now) const {
    return std::min(state_.deadline - now.boot, raw_deadline_ - now.raw);
}

}  // namespace castle::fence
