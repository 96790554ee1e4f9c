// A node without data: race for the bootstrap, or clone.
#include "core/decide_parts.hpp"

namespace castle::core {

Decision decide_new_node(const Situation& s) {
    const Cluster& cluster = *s.cluster;
    if (cluster.locked()) {
        if (is_owner(s))
            return act(Reason::start_failed_releasing, "removed leader key: the data directory is empty",
                       {.kind = Action::Kind::release_lock});
        if (cluster.leader->name == s.me) return decide_ghost_lock(s);
        if (s.now.boot < s.memory.last_failed_copy + retry_pause)
            return wait(Reason::start_backoff, "waiting before the next try to create a replica",
                        s.memory.last_failed_copy + retry_pause);
        // A member that offers itself for it spares the leader. It must be running to be copied from.
        for (const auto& [name, member] : cluster.members)
            if (member.tags.clonefrom && name != s.me && name != cluster.leader->name && member.state == "running")
                if (auto upstream = upstream_of_member(member))
                    return act(Reason::cloning, "trying to bootstrap from replica '" + name + "'",
                               {.kind = Action::Kind::clone, .upstream = upstream});
        const Member* leader = cluster.leader_member();
        const auto upstream = leader && leader->state == "running" && leader->role == "primary"
                                  ? upstream_of_member(*leader)
                                  : std::nullopt;
        if (!upstream)
            return wait(Reason::waiting_for_primary,
                        "waiting for the leader '" + cluster.leader->name + "' to run as a primary");
        return act(Reason::cloning, "trying to bootstrap from leader '" + cluster.leader->name + "'",
                   {.kind = Action::Kind::clone, .upstream = upstream});
    }
    // Whoever has seen the cluster does not make a second one because the store has forgotten the first.
    if (!cluster.initialize && !s.memory.lineage.system_id().empty())
        return wait(Reason::waiting_for_members,
                    "waiting for a member with data: the store does not know the cluster " +
                        s.memory.lineage.system_id() + " any more");
    if (!cluster.initialize && s.can_bootstrap && !s.tags.nofailover && s.watchdog_problem.empty() &&
        s.now.boot >= s.memory.last_failed_copy + retry_pause)
        return act(Reason::bootstrap_race, "trying to bootstrap a new cluster",
                   {.kind = Action::Kind::take_initialize});
    std::optional<BootTime> patience;
    if (const auto since = s.memory.bootstrap.abandoned_since()) {
        patience = *since + std::max(s.settings.ttl, Duration{20'000});
        if (s.now.boot >= *patience)
            return act(Reason::bootstrap_abandoned,
                       "removing the initialize key: whoever made it is gone, and nobody bootstraps",
                       {.kind = Action::Kind::clear_initialize});
    }
    return wait(Reason::waiting_for_bootstrap, "waiting for leader to bootstrap", patience);
}

}  // namespace castle::core
