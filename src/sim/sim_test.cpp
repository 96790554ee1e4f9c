// Whole clusters, one fault at a time. Every test is a sentence; its seed repeats it.
#include "sim/sim.hpp"

#include <gtest/gtest.h>

namespace castle::sim {
namespace {

class Simulation : public ::testing::Test {
protected:
    void SetUp() override {
        Sim::on_failure = [](const std::string& what) { ADD_FAILURE() << what; };
    }
    static Options three() {
        Options options = members(3);
        if (std::getenv("SIM_TRACE")) options.print = stderr;
        return options;
    }
};

TEST_F(Simulation, ThreeMembersComeUpFromEmptyDirectories) {
    Sim sim{1, three()};
    sim.expect_healthy_within(60s);
    sim.run(30s);
    sim.expect_healthy_within(0ms);
    sim.expect_never_two_primaries();
    EXPECT_GT(sim.checker().acknowledged(), 20u);
}

}  // namespace
}  // namespace castle::sim
