#include "api/standing.hpp"

#include <algorithm>

namespace castle::api {

Standing standing(const core::AgentView& view, BootTime now) {
    const core::Instance& instance = view.instance;
    const Duration age_max = view.settings.ttl;
    Standing seen{.view = view, .now = now};
    if (view.store_ok && view.cluster && now - view.cluster_read_at <= age_max) seen.cluster = view.cluster.get();
    const bool runs = view.state == "running" || view.state == "restarting" || view.state == "starting";
    seen.measured = runs && instance.process == core::ProcessState::running && !instance.read_failed &&
                    now - instance.looked_at <= age_max;
    seen.state = !seen.measured && view.state == "running" ? "unknown" : view.state;
    seen.role = view.role;
    if (seen.measured && !view.settings.is_standby_cluster()) seen.role = instance.in_recovery ? "replica" : "primary";
    seen.is_leader = view.is_leader(now);
    if (seen.measured && seen.role == "replica" && view.settings.is_synchronous() && seen.cluster &&
        seen.cluster->sync.lists(view.name))
        (view.settings.is_quorum() ? seen.quorum_standby : seen.sync_standby) = true;
    if (seen.cluster) seen.leader_optime = seen.cluster->status.optime;
    if (seen.measured) seen.leader_optime = std::max(seen.leader_optime, instance.latest_end);
    return seen;
}

}  // namespace castle::api
