#include "node/processes.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

namespace castle::node {
namespace {

const Plan plan{.dir = "/tmp/castle", .etcd = "/usr/bin/etcd"};

TEST(Processes, AreKnownByWhatTheyWereStartedWith) {
    const MemberPlan one = plan.member(1);
    const std::vector<Running> all{
        {10, {"grep", "agent", one.config_file(), "x"}},
        {11, agent_command("/opt/old/pgcastle", one)},
        {12, etcd_command(plan)},
        {13, {"/usr/libexec/pgcastle-fence", "--name", "castle/n1", "--runtime-dir", "/tmp/castle/fence"}},
        {14, {"/usr/libexec/pgcastle-fence", "--name", "castle/n2", "--runtime-dir", "/tmp/other/fence"}},
        {15, {"/opt/pgcastle", "up", "--supervise", "/tmp/castle"}},
    };
    EXPECT_EQ(find_agent_process(all, one), 11);
    EXPECT_EQ(find_agent_process(all, plan.member(2)), std::nullopt);
    EXPECT_EQ(find_etcd_process(all, plan), 12);
    EXPECT_EQ(find_fence_process(all, plan, one), 13);
    EXPECT_EQ(find_fence_process(all, plan, plan.member(2)), std::nullopt);
    EXPECT_EQ(find_supervisor_process(all, plan), 15);
    Plan other = plan;
    other.dir = "/tmp/castle2";
    EXPECT_EQ(find_etcd_process(all, other), std::nullopt);
}

TEST(Processes, ThisOneIsAmongThem) {
    bool found = false;
    for (const Running& each : running_processes()) found = found || each.pid == ::getpid();
    EXPECT_TRUE(found);
    EXPECT_TRUE(alive(::getpid()));
    EXPECT_NE(own_program().find("test_node"), std::string::npos);
}

TEST(Processes, NoPostmasterWhereThereIsNoFile) {
    EXPECT_EQ(find_postmaster(plan.member(1)), std::nullopt);
}

}  // namespace
}  // namespace castle::node
