#include "core/bootstrap_watch.hpp"

#include <algorithm>

namespace castle::core {
namespace {

// Others have more words for it than we (a restore by script, a start after it): whoever is not plainly down may be at
// it.
bool may_bootstrap(const Member& member) {
    for (const char* idle : {"", "stopped", "crashed", "start failed", "initdb failed", "custom bootstrap failed"})
        if (member.state == idle) return false;
    return true;
}

}  // namespace

void BootstrapWatch::see(const Cluster& cluster, BootTime now) {
    const bool abandoned =
        cluster.initialize == "" && !cluster.locked() &&
        std::ranges::none_of(cluster.members, [](const auto& entry) { return may_bootstrap(entry.second); });
    if (!abandoned) {
        since_.reset();
    } else if (!since_ || key_ != cluster.initialize_modified) {
        since_ = now;
    }
    key_ = cluster.initialize_modified;
}

}  // namespace castle::core
