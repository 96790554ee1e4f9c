// Stopping a cluster from the command line, with its supervisor or without. Belongs to the loop's thread.
#pragma once

#include <functional>
#include <string>

#include "io/loop.hpp"
#include "node/plan.hpp"

namespace castle::node {

// Answers when nothing of it runs any more, the supervisor included. `say` is told each step. True: something ran.
Task<Result<bool>> take_down(io::Loop& loop, Plan plan, std::function<void(const std::string&)> say);

}  // namespace castle::node
