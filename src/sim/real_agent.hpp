// The real agent as a simulated program.
#pragma once

#include "sim/node.hpp"

namespace castle::sim {

struct Options;
MakeProgram real_agent(const Options& options);
std::string dynamic_config(Duration ttl, Duration loop_wait, Duration retry_timeout,
                           Duration race_backoff);  // as JSON; whole seconds

}  // namespace castle::sim
