// The real agent as a simulated program.
#pragma once

#include "sim/node.hpp"

namespace castle::sim {

struct Options;
MakeProgram real_agent(const Options& options);

}  // namespace castle::sim
