// The body of POST /switchover and /failover, checked against the cluster. Pure.
#pragma once

#include <boost/json/object.hpp>
#include <optional>
#include <string>
#include <vector>

#include "core/cluster.hpp"
#include "core/peer.hpp"
#include "core/settings.hpp"

namespace castle::api {

struct SwitchoverCall {
    std::string action;  // "switchover" or "failover": a failover that names the leader is a switchover
    std::string leader;
    std::string candidate;  // empty: any
    std::optional<WallTime> at;
    std::string scheduled_text;  // of `at`, as the store has it
    int status = 0;              // of the refusal; 0: none so far
    std::string refusal;
};
// What can be told from the request and the configuration alone.
SwitchoverCall read_switchover(const boost::json::object& body, bool failover, const core::Settings& settings,
                               WallTime now);

// For what is to happen at once: who could take over (to be asked), or why nobody could.
struct Candidates {
    std::vector<core::Member> members;
    std::string refusal;  // status 412
};
Candidates candidates_for(const SwitchoverCall& call, const core::Cluster& cluster, const core::Settings& settings);

// One of those asked must be able to.
bool any_fit(const std::vector<core::PeerStatus>& answers);

// What has come of it, given what the store shows now; nothing: wait on.
struct SwitchoverResult {
    int status;
    std::string text;
};
std::optional<SwitchoverResult> result_of(const core::Cluster& cluster, const std::string& action,
                                          const std::string& old_leader, const std::string& candidate,
                                          bool long_enough);

}  // namespace castle::api
