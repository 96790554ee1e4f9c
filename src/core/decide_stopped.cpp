// The server is down: start it in place, hand over, or rejoin the one who leads.
#include "core/decide_parts.hpp"

namespace castle::core {
namespace {

// A server that ended as a primary, by any way, and was not made a standby since.
bool ended_as_primary(const Instance& instance) {
    if (instance.standby_signal || !instance.control) return false;
    return instance.control->state == ControlState::in_production ||
           instance.control->state == ControlState::shut_down ||
           instance.control->state == ControlState::shutting_down ||
           instance.control->state == ControlState::in_crash_recovery ||
           instance.control->state == ControlState::starting_up;
}

// A start that failed is tried again after a while; each failure waits longer, up to a minute.
std::optional<BootTime> next_try(const Memory& memory) {
    if (memory.failed_starts == 0) return std::nullopt;
    const int doublings = std::min(memory.failed_starts - 1, 5);
    return memory.last_failed_start + std::min(Duration{2000} * (1 << doublings), Duration{60'000});
}

Decision restart_in_place(const Situation& s) {
    if (s.memory.failed_starts > 0) {
        // Those who can go on are measured by what is whole here.
        if (!s.memory.crash_end && !others_with_api(s).empty()) return look_for_last_record();
        return act(Reason::start_failed_releasing, "removed leader key after trying and failing to start postgres",
                   {.kind = Action::Kind::release_lock});
    }
    // primary_start_timeout 0, or a server that crashes again and again: hand over, but only to somebody who has all
    // that was flushed here. What the fence killed has not crashed.
    const bool loops = s.memory.crashes >= crash_loop && !s.fence.fired;
    if ((s.settings.primary_start_timeout == Duration{0} || loops) && s.memory.crashed_at &&
        !others_with_api(s).empty()) {
        if (!s.memory.crash_end) return look_for_last_record();
        if (!s.findings)
            return act(Reason::investigating, "asking the members whether one can take over",
                       {.kind = Action::Kind::investigate, .members = others_with_api(s)});
        if (possible({.others = s.findings->peers,
                      .candidate = {},
                      .at_least = *s.memory.crash_end,
                      .timeline = s.instance.timeline}))
            return act(Reason::crash_handover,
                       loops
                           ? "PostgreSQL crashed " + std::to_string(s.memory.crashes) + " times in a row: handing over"
                           : "stopped PostgreSQL to fail over after a crash",
                       {.kind = Action::Kind::release_lock});
    }
    if (!confirmed(s)) return wait(Reason::lock_without_confirmation, "waiting for the leader lock to be confirmed");
    return act(Reason::restarting_after_failure, "starting primary after failure",
               {.kind = Action::Kind::start_primary});
}

}  // namespace

Decision decide_stopped(const Situation& s) {
    if (is_owner(s)) {
        if (auto decision = without_watchdog(s)) return *decision;
        if (s.memory.promote_failed == *s.epoch) return promotion_failed();
        if (ended_as_primary(s.instance)) return restart_in_place(s);
        if (s.memory.failed_starts > 0)
            return act(Reason::start_failed_releasing, "removed leader key after trying and failing to start postgres",
                       {.kind = Action::Kind::release_lock});
        return act(Reason::starting_standby, "starting as readonly because I had the session lock",
                   {.kind = Action::Kind::start_standby});
    }
    if (s.cluster->locked() && s.cluster->leader->name == s.me) return decide_ghost_lock(s);
    if (const auto at = next_try(s.memory); at && s.now.boot < *at)
        return wait(Reason::start_backoff, "failed to start postgres", at);
    if (s.cluster->locked()) return rejoin(s);
    // Nobody leads: come up without an upstream, so that the WAL we have counts in the race.
    return act(Reason::starting_standby, "starting as a secondary", {.kind = Action::Kind::start_standby});
}

Decision rejoin(const Situation& s) {
    const std::string& leader_name = s.cluster->leader->name;
    const Member* leader = s.cluster->leader_member();
    const auto upstream = leader ? upstream_of_member(*leader) : std::nullopt;
    const bool compared = !s.memory.must_compare || s.memory.compared_with == s.cluster->leader->created;
    if (s.memory.diverged) {
        if (!upstream || leader->role != "primary")
            return wait(Reason::waiting_for_primary,
                        "waiting for '" + leader_name + "' to run as a primary before rewind");
        if (s.now.boot < s.memory.last_failed_copy + retry_pause)
            return wait(Reason::start_backoff, "waiting before the next try to rejoin",
                        s.memory.last_failed_copy + retry_pause);
        if (s.use_rewind && !s.memory.rewind_impossible) {
            if (leader->checkpoint_after_promote == false)
                return wait(Reason::waiting_for_primary, "Waiting for checkpoint on " + leader_name + " before rewind");
            return act(Reason::rewinding, "running pg_rewind from " + leader_name,
                       {.kind = Action::Kind::rewind, .upstream = upstream});
        }
        if (s.replace_diverged)
            return act(Reason::recloning, "reinitializing: the data directory has diverged from " + leader_name,
                       {.kind = Action::Kind::set_aside});
        // Neither is allowed: come up as it is, as the reference does; it will not stream, and says so.
        return act(Reason::diverged,
                   "starting as a secondary although the timelines have diverged; allow use_pg_rewind, or reinitialize",
                   {.kind = Action::Kind::start_standby, .upstream = wanted_upstream(s)});
    }
    if (!compared && ended_as_primary(s.instance)) {
        // A primary's own WAL may have what the new leader's history does not. Only a promoted leader can tell.
        if (!upstream || leader->state != "running" || leader->role != "primary")
            return wait(Reason::waiting_for_primary, "waiting for '" + leader_name + "' to run as a primary",
                        s.now.boot + s.settings.loop_wait);
        return act(Reason::comparing_with_leader, "comparing with the leader " + leader_name,
                   {.kind = Action::Kind::compare, .upstream = upstream});
    }
    // A standby, too, may have WAL that the leader's history lacks, and then it does not even start (it was stopped to
    // be rewound, and the power failed). The next start comes whatever the answer is.
    const bool failed_since = s.memory.failed_starts > 0 && s.memory.compared_at < s.memory.last_failed_start;
    if (failed_since && upstream && leader->state == "running" && leader->role == "primary")
        return act(Reason::comparing_with_leader, "comparing with the leader " + leader_name,
                   {.kind = Action::Kind::compare, .upstream = upstream});
    return act(Reason::starting_standby, "starting as a secondary",
               {.kind = Action::Kind::start_standby, .upstream = wanted_upstream(s)});
}

// An earlier run of this agent gave up on it, or somebody else asked for it. It gets its time, but the lock is not held
// for a shutdown that never ends.
Decision decide_stopping(const Situation& s) {
    const BootTime patience = s.memory.stopping_since.value_or(s.now.boot) + Duration{30'000};
    if (s.now.boot < patience) return wait(Reason::server_stopping, "PostgreSQL is shutting down", patience);
    return act(Reason::ending_stuck_stop, "ending PostgreSQL: its shutdown does not finish",
               {.kind = Action::Kind::demote, .demote = Action::Demote::without_lock});
}

Decision decide_starting(const Situation& s) {
    // Started by somebody else, or before the agent: it is let come up, within bounds.
    if (!is_owner(s)) return wait(Reason::server_starting, "PostgreSQL is still starting up");
    return wait(Reason::server_starting, "PostgreSQL is still starting up", s.now.boot + s.settings.loop_wait);
}

}  // namespace castle::core
