// Whether somebody still fills the empty `initialize` key, as far as the members' keys tell.
//
// Who bootstraps makes that key first and says so in its member key, which lapses with its lease; `initialize` has
// none. If it dies for good, the key would hold everybody up for ever. Fed with every view of the cluster in order.
#pragma once

#include <optional>

#include "core/cluster.hpp"

namespace castle::core {

class BootstrapWatch {
public:
    void see(const Cluster& cluster, BootTime now);
    // Since when nobody bootstraps although this very key says so; nothing: somebody may.
    std::optional<BootTime> abandoned_since() const { return since_; }

private:
    Revision key_{};
    std::optional<BootTime> since_;
};

}  // namespace castle::core
