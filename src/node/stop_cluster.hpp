// Stops everything of a cluster that runs, whoever started it: standbys, then the primary, then etcd; each politely
// first. Used by the supervisor, and by `down` when there is none. Belongs to the loop's thread.
#pragma once

#include <functional>
#include <string>

#include "io/loop.hpp"
#include "node/plan.hpp"

namespace castle::node {

// `say` is told each step. An error names what could not be ended.
Task<Status> stop_cluster(io::Loop& loop, Plan plan, std::function<void(const std::string&)> say);

}  // namespace castle::node
