#include "core/decide.hpp"

#include "core/decide_parts.hpp"

namespace castle::core {

std::string_view name_of(Activity activity) {
    switch (activity) {
        case Activity::none: return "";
        case Activity::bootstrap: return "bootstrap";
        case Activity::clone: return "creating replica";
        case Activity::rewind: return "running pg_rewind";
        case Activity::compare: return "comparing with the leader";
        case Activity::start_primary: return "starting as a primary";
        case Activity::start_standby: return "starting as a secondary";
        case Activity::promote: return "promote";
        case Activity::demote: return "demote";
        case Activity::restart: return "restart";
        case Activity::reinit: return "reinitialize";
        case Activity::crash_end: return "looking for the last record";
    }
    return "";
}

BootTime demote_at(BootTime leader_until, Duration ttl) {
    return leader_until - std::min(Duration{3000}, ttl / 6);
}

Duration stop_before_deadline(Duration life) {
    return std::min(Duration{500}, life / 20);
}

Lsn end_to_publish(Lsn published, std::optional<Lsn> crash_end) {
    return crash_end ? std::min(published, *crash_end) : published;
}

Decision decide(const Situation& s) {
    // While an action writes it (initdb, a copy, a rewind), a data directory is nobody's yet.
    const bool unusable = s.instance.data == DataDir::unreadable || s.instance.data == DataDir::foreign;
    if (unusable && s.activity == Activity::none) return data_unusable(s);
    if (!s.cluster || !s.store_ok) return decide_blind(s);
    if (auto decision = check_identity(s)) return *decision;
    // A comparison only looks: a server that somebody else makes a primary meanwhile does not go on for that.
    const bool only_looks = s.activity == Activity::compare && s.instance.data == DataDir::present &&
                            s.instance.running_primary() && !is_owner(s);
    if (s.activity != Activity::none && !only_looks) return decide_in_activity(s);
    if (s.settings.pause) return decide_paused(s);
    if (s.instance.data == DataDir::empty) return decide_new_node(s);
    switch (s.instance.process) {
        case ProcessState::stopped: return decide_stopped(s);
        case ProcessState::starting: return decide_starting(s);
        case ProcessState::stopping: return decide_stopping(s);
        case ProcessState::running: break;
    }
    // From 14 on a standby pauses when its settings are lower than its primary's have become, and cannot be promoted
    // then. Going on ends it, and its next start gives it what it needs. Replay does not stay paused for another reason
    // either: what is not replayed when this member has to take over costs time.
    if (s.instance.in_recovery && s.instance.replay_paused && s.instance.server_version >= 140'000)
        return act(Reason::resuming_replay, "resuming the paused WAL replay", {.kind = Action::Kind::resume_replay});
    if (!s.cluster->locked()) return decide_race(s);
    if (is_owner(s)) return decide_leading(s);
    if (s.cluster->leader->name == s.me) return decide_ghost_lock(s);
    return decide_following(s);
}

}  // namespace castle::core
