#include "core/candidacy.hpp"

#include <algorithm>

namespace castle::core {

std::string_view name_of(Candidacy candidacy) {
    switch (candidacy) {
        case Candidacy::may_run: return "may run";
        case Candidacy::tagged_nofailover: return "tagged nofailover";
        case Candidacy::lags_too_far: return "lags too far";
        case Candidacy::old_timeline: return "old timeline";
        case Candidacy::primary_alive: return "primary is still alive";
        case Candidacy::more_wal: return "another has more WAL";
        case Candidacy::higher_priority: return "another has a higher priority";
    }
    return "unknown";
}

Verdict judge(const Race& race) {
    if (race.tags.nofailover) return {Candidacy::tagged_nofailover, {}};
    if (race.check_lag && lag_bytes(race.leader_last_seen, race.shared) > race.lag_bytes_max)
        return {Candidacy::lags_too_far, {}};
    if (race.check_timeline && race.timeline < race.cluster_timeline) return {Candidacy::old_timeline, {}};
    // Whoever does not answer, may not lead or has a failed watchdog neither vetoes nor votes.
    for (const PeerStatus& other : race.others) {
        if (other.name == race.me || !other.reached || other.watchdog_failed) continue;
        if (!other.in_recovery) return {Candidacy::primary_alive, other.name};  // even if it is tagged nofailover
        if (other.tags.nofailover) continue;
        if (number(other.timeline) != 0 && other.timeline > race.timeline) return {Candidacy::old_timeline, other.name};
        if (number(other.timeline) != 0 && other.timeline < race.timeline)
            continue;  // its WAL is of a branch that ended
        if (other.position > race.position) return {Candidacy::more_wal, other.name};
        if (other.position == race.position && other.tags.failover_priority > race.tags.failover_priority &&
            race.me != race.former_leader)
            return {Candidacy::higher_priority, other.name};
    }
    return {};
}

bool possible(const HandOver& hand_over) {
    return std::ranges::any_of(hand_over.others, [&](const PeerStatus& other) {
        if (!hand_over.candidate.empty() && other.name != hand_over.candidate) return false;
        if (!other.reached || !other.in_recovery || other.tags.nofailover || other.watchdog_failed) return false;
        if (hand_over.room_needed && other.disk_full) return false;
        if (hand_over.check_timeline && other.timeline < hand_over.timeline) return false;
        if (hand_over.at_least.known()) {
            const bool ended = number(other.timeline) != 0 &&
                               other.timeline < hand_over.timeline;  // then its WAL is of another branch
            return !ended && other.position >= hand_over.at_least;
        }
        return lag_bytes(hand_over.leader_position, other.position) <= hand_over.lag_bytes_max;
    });
}

std::vector<Member> successors(const Cluster& cluster, std::string_view leader) {
    const std::string candidate = cluster.failover ? cluster.failover->candidate : std::string();
    std::vector<Member> first;
    for (const auto& [name, member] : cluster.members) {
        if (name == leader || member.api_url.empty() || member.tags.nofailover) continue;
        if (!candidate.empty() && name != candidate) continue;
        const int priority = member.tags.failover_priority;
        if (!first.empty() && priority < first.front().tags.failover_priority) continue;
        if (!first.empty() && priority > first.front().tags.failover_priority) first.clear();
        first.push_back(member);
    }
    return first;
}

}  // namespace castle::core
