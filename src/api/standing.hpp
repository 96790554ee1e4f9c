// What one request sees of the node: the agent's published view, and how much of it is still young enough to be told.
// Pure; no request ever costs SQL or a read of the store.
#pragma once

#include "core/view.hpp"

namespace castle::api {

struct Standing {
    const core::AgentView& view;
    BootTime now;
    // Null once the last read of the store is older than ttl, or the last attempt failed.
    const core::Cluster* cluster = nullptr;
    // The server was asked successfully, not longer ago than ttl; otherwise state and role are all that is told of it.
    bool measured = false;
    std::string state;
    std::string role;
    bool is_leader = false;  // the lock is confirmed
    bool sync_standby = false;
    bool quorum_standby = false;
    Lsn leader_optime;  // the leader's position, as far as known
};

Standing standing(const core::AgentView& view, BootTime now);

}  // namespace castle::api
