#include "node/progress.hpp"

#include <gtest/gtest.h>

namespace castle::node {
namespace {

const MemberReport primary{.answered = true, .state = "running", .role = "primary", .timeline = 2};
const MemberReport standby{.answered = true, .state = "running", .role = "replica", .replication = "streaming"};

TEST(MemberReport, IsReadFromTheRestInterface) {
    const auto report = read_member_report(
        R"({"state":"running","role":"replica","timeline":3,"replication_state":"streaming","xlog":{"paused":false}})");
    EXPECT_TRUE(report.streaming());
    EXPECT_FALSE(report.primary());
    EXPECT_EQ(report.timeline, 3);
    EXPECT_TRUE(read_member_report(R"({"state":"running","role":"primary"})").primary());
    EXPECT_TRUE(read_member_report(R"({"state":"running","role":"master"})").primary());  // an older member
    EXPECT_FALSE(read_member_report("I am the leader").answered);
}

TEST(MemberReport, AClusterIsWholeWithOnePrimaryAndAllOthersStreaming) {
    EXPECT_TRUE(whole({primary}));
    EXPECT_TRUE(whole({standby, primary, standby}));
    EXPECT_FALSE(whole({standby, standby}));
    EXPECT_FALSE(whole({primary, primary, standby}));
    EXPECT_FALSE(whole({primary, standby, {}}));
}

TEST(Progress, SaysWhatEachPartIsDoing) {
    const Plan plan{.dir = "/d", .nodes = 1};
    const PartReport up{.name = "n1", .state = PartState::running, .pid = 5};
    struct Row {
        PartReport part;
        MemberReport member;
        std::string text;
    };
    MemberReport copying{.answered = true, .state = "creating replica", .role = "replica"};
    MemberReport behind = standby;
    behind.replication = "";
    const Row rows[] = {
        {{.name = "n1"}, {}, "waiting for etcd"},
        {up, {}, "its agent is starting"},
        {up, copying, "creating replica"},
        {up, primary, "primary, timeline 2"},
        {up, behind, "standby, not streaming yet"},
        {up, standby, "standby, streaming"},
        {{.name = "n1", .state = PartState::restarting, .last_end = "exit status 1"},
         {},
         "its agent has ended (exit status 1), it is started again"},
    };
    for (const Row& row : rows) {
        Report report;
        report.parts = {{.name = "etcd", .state = PartState::running}, row.part};
        const auto lines = describe(plan, report, {row.member});
        ASSERT_EQ(lines.size(), 2u);
        EXPECT_EQ(lines[0], (ProgressLine{"etcd", "running"}));
        EXPECT_EQ(lines[1].text, row.text);
    }
    Report report;
    report.parts = {up};
    EXPECT_EQ(describe(plan, report, {{}}, {"n1"})[1].text, "its agent does not answer");
}

}  // namespace
}  // namespace castle::node
