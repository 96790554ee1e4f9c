// The parts of decide(), one for each state of a node. Internal to core.
#pragma once

#include "core/decide.hpp"

namespace castle::core {

Decision data_unusable(const Situation& s);
std::optional<Decision> check_identity(const Situation& s);  // does the data directory belong to this cluster?
Decision decide_blind(const Situation& s);                   // the store does not answer
Decision decide_in_activity(const Situation& s);
Decision decide_paused(const Situation& s);
Decision decide_new_node(const Situation& s);
Decision decide_stopped(const Situation& s);
Decision decide_starting(const Situation& s);
Decision decide_stopping(const Situation& s);  // it shuts down, but not for us
Decision decide_race(const Situation& s);      // nobody leads
Decision decide_leading(const Situation& s);
Decision decide_ghost_lock(const Situation& s);  // our name, but not our lease
Decision decide_following(const Situation& s);
std::optional<Decision> without_watchdog(
    const Situation& s);              // we lead, and a watchdog that is required cannot be used
Decision rejoin(const Situation& s);  // stopped, another leads

// We hold the leader key, by its create revision.
inline bool is_owner(const Situation& s) {
    return s.cluster && s.cluster->leader && s.epoch && s.cluster->leader->name == s.me &&
           s.cluster->leader->created == *s.epoch;
}
// A claim is enough to be the owner; to let the server write, it must be confirmed and not about to end.
inline bool confirmed(const Situation& s) {
    return is_owner(s) && s.now.boot < s.leader_until;
}

inline Decision wait(Reason reason, std::string text, std::optional<BootTime> at = std::nullopt) {
    return {reason, std::move(text), {.kind = Action::Kind::wait, .at = at}};
}
inline Decision act(Reason reason, std::string text, Action action) {
    return {reason, std::move(text), std::move(action)};
}

inline Decision look_for_last_record() {
    return act(Reason::investigating, "looking for the last record of the crashed server",
               {.kind = Action::Kind::crash_end});
}

std::vector<Member> others_with_api(const Situation& s);

inline Decision promotion_failed() {
    return act(Reason::promote_failed_releasing, "removed leader key: the promotion failed",
               {.kind = Action::Kind::release_lock});
}

// How long a promotion may take while no WAL is replayed. (A standby that lags behind has to replay what it received
// first, and is let do that.)
constexpr Duration promote_patience{30'000};
// How much longer than primary_start_timeout, at least, a crash recovery may take if nobody has all of its WAL.
constexpr Duration hang_patience{30'000};

// How long a copy or start that failed is left alone before the next try.
constexpr Duration retry_pause{5000};

}  // namespace castle::core
