// Somebody leads: we, another, or our own ghost; and what happens when the store does not answer.
#include "core/decide_parts.hpp"

namespace castle::core {
namespace {

Decision promote_or_wait(const Situation& s) {
    if (s.memory.pre_promote_failed == *s.epoch)
        return act(Reason::pre_promote_failed, "Promotion cancelled because the pre-promote script failed",
                   {.kind = Action::Kind::release_lock});
    if (s.memory.promote_failed == *s.epoch) return promotion_failed();
    if (!confirmed(s)) return wait(Reason::lock_without_confirmation, "waiting for the leader lock to be confirmed");
    return act(Reason::promoting, "promoted self to leader by acquiring session lock", {.kind = Action::Kind::promote});
}

// An operator asked for another leader. Nothing: not now.
std::optional<Decision> manual_request(const Situation& s) {
    const auto& request = s.cluster->failover;
    if (!request) return std::nullopt;
    const auto clear = [](Reason reason, std::string text) {
        return act(reason, std::move(text), {.kind = Action::Kind::clear_request});
    };
    if (!request->leader.empty() && request->leader != s.me)
        return clear(Reason::switchover_pointless,
                     "switchover: leader name does not match: " + request->leader + " is not " + s.me);
    if (request->candidate == s.me) return clear(Reason::switchover_pointless, "switchover: I am already the leader");
    if (!request->scheduled_text.empty()) {
        if (!request->scheduled_at)
            return clear(Reason::switchover_pointless, "switchover: incorrect time " + request->scheduled_text);
        const auto late = std::chrono::duration_cast<Duration>(s.now.wall - *request->scheduled_at);
        if (late > s.settings.loop_wait + s.settings.loop_wait / 2)
            return clear(Reason::switchover_pointless,
                         "switchover: the scheduled time " + request->scheduled_text + " has passed");
        if (late < Duration{0}) return std::nullopt;
    }
    if (!s.findings)
        return act(Reason::investigating, "switchover: asking the candidates",
                   {.kind = Action::Kind::investigate, .members = others_with_api(s)});
    if (!possible({.others = s.findings->peers,
                   .candidate = request->candidate,
                   .leader_position = s.instance.flushed,
                   .lag_bytes_max = static_cast<std::uint64_t>(s.settings.maximum_lag_on_failover),
                   .check_timeline = s.settings.check_timeline,
                   .timeline = s.instance.timeline}))
        return clear(Reason::switchover_impossible, "switchover: no healthy members found, switchover is not possible");
    return act(Reason::switchover,
               request->planned() ? "switchover: demoting myself" : "manual failover: demoting myself",
               {.kind = Action::Kind::demote, .demote = Action::Demote::graceful, .candidate = request->candidate});
}

// Statements fail as long as the disk is full. Whoever has room goes on; if nobody has, it stays as it is.
std::optional<Decision> out_of_room(const Situation& s) {
    if (!s.memory.disk_full_since || s.settings.pause || s.now.boot < *s.memory.disk_full_since + disk_full_patience)
        return std::nullopt;
    if (!s.findings)
        return act(Reason::investigating, "the disk is full: asking the members whether one has room",
                   {.kind = Action::Kind::investigate, .members = others_with_api(s)});
    if (!possible({.others = s.findings->peers,
                   .candidate = {},
                   .leader_position = s.instance.flushed,
                   .lag_bytes_max = static_cast<std::uint64_t>(s.settings.maximum_lag_on_failover),
                   .check_timeline = s.settings.check_timeline,
                   .timeline = s.instance.timeline,
                   .room_needed = true}))
        return std::nullopt;
    return act(Reason::disk_full, "demoting myself: the disk is full, and another member has room",
               {.kind = Action::Kind::demote, .demote = Action::Demote::graceful});
}

}  // namespace

std::optional<Decision> without_watchdog(const Situation& s) {
    if (s.watchdog_problem.empty()) return std::nullopt;
    return act(Reason::watchdog_unusable,
               (s.instance.running_primary() ? "Demoting self because watchdog could not be activated: "
                                             : "Not promoting self because watchdog could not be activated: ") +
                   s.watchdog_problem,
               {.kind = Action::Kind::release_lock});
}

Decision decide_leading(const Situation& s) {
    if (auto decision = without_watchdog(s)) return *decision;
    if (!s.instance.running_primary()) return promote_or_wait(s);
    // The deadline is the fence's affair; that it is near while the store answers means that renewals do not get
    // through.
    if (s.fence.armed && s.now.boot >= s.leader_until)
        return act(Reason::demoting_without_lock, "demoting self because the leader lock was not confirmed in time",
                   {.kind = Action::Kind::demote, .demote = Action::Demote::without_lock});
    if (auto decision = manual_request(s)) return *decision;
    if (auto decision = out_of_room(s)) return *decision;
    std::optional<BootTime> at;
    if (s.cluster->failover && s.cluster->failover->scheduled_at && *s.cluster->failover->scheduled_at > s.now.wall)
        at = s.now.boot + std::chrono::duration_cast<Duration>(*s.cluster->failover->scheduled_at - s.now.wall);
    return wait(Reason::leading, "no action. I am (" + s.me + "), the leader with the lock", at);
}

// The key bears our name, but it is not bound to our lease: left over from before a restart. It lapses by itself. Or
// the store was put back to an older state in which we led: then our very lease may keep it alive.
Decision decide_ghost_lock(const Situation& s) {
    if (s.memory.lineage.left_over(*s.cluster->leader)) {
        const bool held_to_none = s.fence.attached && !s.fence.armed;  // alone: nobody else can have taken over
        if (s.instance.running_primary() && (s.now.boot < s.leader_until || held_to_none))
            return act(Reason::registering_again, "the store has been replaced: registering again as the leader",
                       {.kind = Action::Kind::take_lock, .evidence = Evidence::never_ceased()});
        if (!s.instance.running_primary())
            return act(Reason::dropping_old_lock,
                       "removing my leader key: the store has been replaced, and another may have led since",
                       {.kind = Action::Kind::drop_old_lock});
    }
    if (s.instance.running_primary())
        return act(Reason::demoting_without_lock, "demoting self: the leader key bears my name but is not mine",
                   {.kind = Action::Kind::demote, .demote = Action::Demote::without_lock});
    return wait(Reason::ghost_lock, "waiting for my old leader key to lapse", s.now.boot + Duration{1000});
}

Decision decide_following(const Situation& s) {
    const std::string& leader_name = s.cluster->leader->name;
    // The store was put back to a state in which another led: it lets go of that key, or its lease lapses, and then it
    // is ours again. Nobody of ours can have been promoted meanwhile; of another kind, somebody may.
    if (s.instance.running_primary() && !s.epoch && s.now.boot < demote_at(s.leader_until, s.settings.ttl) &&
        s.memory.lineage.left_over(*s.cluster->leader) && s.cluster->leader_member() &&
        s.cluster->leader_member()->is_castle)
        return wait(Reason::waiting_to_register,
                    "the store has been replaced: waiting for " + leader_name + " to let go of its old leader key",
                    demote_at(s.leader_until, s.settings.ttl));
    if (s.instance.running_primary())
        return act(Reason::demoting_without_lock, "demoting self because i do not have the lock and i was a leader",
                   {.kind = Action::Kind::demote, .demote = Action::Demote::without_lock});
    const Member* leader = s.cluster->leader_member();
    const bool leader_is_primary = leader && leader->state == "running" && leader->role == "primary";
    // First: WAL received from the old upstream after the comparison would not have been compared.
    const auto upstream = wanted_upstream(s);
    if (upstream && !s.memory.diverged && !s.instance.follows(*upstream))
        return act(Reason::changing_upstream, "changing the upstream to " + upstream->member,
                   {.kind = Action::Kind::follow, .upstream = upstream});
    // A new leader's history may have branched off before the end of our WAL. Ask once for each leader, when it can
    // tell; and again now and then while nothing arrives: it may have branched off since.
    const bool compared = s.memory.compared_with == s.cluster->leader->created &&
                          (s.instance.streaming || !upstream ||
                           s.now.boot < s.memory.compared_at + std::max(s.settings.loop_wait, Duration{10'000}));
    if (leader_is_primary && !compared && !s.memory.diverged && upstream_of_member(*leader))
        return act(Reason::comparing_with_leader, "comparing with the leader " + leader_name,
                   {.kind = Action::Kind::compare, .upstream = upstream_of_member(*leader)});
    if (s.memory.diverged && leader_is_primary && (s.use_rewind || s.replace_diverged) && s.memory.failed_starts == 0 &&
        !(s.memory.rewind_impossible && !s.replace_diverged))
        return act(Reason::diverged, "stopping to rewind: the WAL here has diverged from " + leader_name,
                   {.kind = Action::Kind::demote, .demote = Action::Demote::offline});
    return wait(Reason::following,
                "no action. I am (" + s.me + "), a secondary, and following a leader (" + leader_name + ")");
}

Decision decide_blind(const Situation& s) {
    if (s.activity != Activity::none)
        return wait(Reason::action_in_progress,
                    std::string(name_of(s.activity)) + " in progress; DCS is not accessible");
    if (s.instance.running_primary() && !s.settings.pause) {
        // Alone, the server holds no deadline: nobody else can have been made primary.
        if (s.fence.attached && !s.fence.armed && s.epoch)
            return wait(Reason::store_lost_alone, "DCS is not accessible; going on, because there is no other member");
        const BootTime at = demote_at(s.leader_until, s.settings.ttl);
        if (s.now.boot < at)
            return wait(Reason::store_lost_holding, "DCS is not accessible; the leader lock holds on", at);
        return act(Reason::store_lost_demoting, "demoted self because DCS is not accessible and I was a leader",
                   {.kind = Action::Kind::demote, .demote = Action::Demote::offline});
    }
    if (s.instance.process == ProcessState::stopped && s.instance.data == DataDir::present && s.cluster &&
        !s.settings.pause && s.memory.failed_starts == 0 && s.now.boot >= demote_at(s.leader_until, s.settings.ttl) &&
        s.memory.was_primary && !s.memory.diverged)
        return act(Reason::store_lost_standby_start, "starting read-only: DCS is not accessible",
                   {.kind = Action::Kind::start_standby});
    return wait(Reason::store_lost_waiting, "DCS is not accessible");
}

}  // namespace castle::core
