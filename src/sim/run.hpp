// pgcastle simulate: clusters from seeds, checked at every step; and the same for tests.
#pragma once

#include <string>
#include <vector>

#include "sim/sim.hpp"

namespace castle::sim {

struct RunResult {
    std::uint64_t seed = 0;
    std::uint64_t hash = 0;  // of the trace
    std::vector<std::string> failures;
    FaultCounts faults{};
    Decisions decisions{};
    std::uint64_t acknowledged = 0, lost = 0, promotions = 0, steps = 0;
    bool synchronous = false;
};

// One cluster from its seed: comes up, is troubled, is left alone, must be whole again.
RunResult run_seed(std::uint64_t seed, Duration time, std::FILE* print = nullptr);

int run(const std::vector<std::string>& arguments);

}  // namespace castle::sim
