// Random trouble for a simulated cluster: at random moments one fault of the kinds chosen for this seed, and its end
// some time later. Faults overlap. When the time is up everything is healed.
#pragma once

#include <functional>
#include <list>

#include "sim/sim.hpp"

namespace castle::sim {

class Chaos {
public:
    // Which kinds a run has is thrown too: few kinds together reach other corners than all of them at once.
    Chaos(Sim& sim, Random random);

    // Begins at once and ends after `time`; then all that lasts is healed.
    void run(Duration time);

private:
    void next();
    void strike(Fault fault);
    void lasting(Duration time, std::function<void()> heal);
    void heal_all();
    Node& any() {
        return sim_.node(static_cast<int>(random_.below(static_cast<std::uint64_t>(sim_.options().members))));
    }
    Node& likely_leader();  // the leader more often than not
    Duration about(Duration low, Duration high) { return random_.between(low, high); }

    Sim& sim_;
    Random random_;
    std::vector<Fault> kinds_;
    Duration pace_;
    BootTime ends_{};
    std::list<std::function<void()>> open_;
};

}  // namespace castle::sim
