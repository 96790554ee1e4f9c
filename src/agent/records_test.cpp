#include "agent/records.hpp"

#include <gtest/gtest.h>

namespace castle::agent {
namespace {

core::AgentView running_standby() {
    core::AgentView view;
    view.state = "running";
    view.role = "replica";
    view.replication_state = "streaming";
    view.instance.process = core::ProcessState::running;
    view.instance.received = Lsn{90};
    view.instance.replayed = Lsn{80};
    view.instance.timeline = Timeline{5};
    return view;
}

Options options() {
    Options o;
    o.name = "n2";
    o.conn_url = "postgres://10.0.0.2:5432/postgres";
    o.api_url = "http://10.0.0.2:8008/patroni";
    o.tags = {{"nosync", true}, {"sync_priority", "2"}};
    return o;
}

TEST(MemberRecord, ShowsWhatTheContractAsks) {
    EXPECT_EQ(
        member_record(options(), running_standby(), std::nullopt),
        R"({"conn_url":"postgres://10.0.0.2:5432/postgres","api_url":"http://10.0.0.2:8008/patroni","state":"running","role":"replica",)"
        R"("version":"4.1.4","castle_version":"0.1.0","castle_fence":true,"tags":{"nosync":true,"sync_priority":"2"},)"
        R"("xlog_location":90,"receive_lsn":90,"replay_lsn":80,"replication_state":"streaming","timeline":5})");
}

TEST(MemberRecord, HidesPositionsWhileSomethingLongRuns) {
    core::AgentView view = running_standby();
    view.long_action = "reinitialize";
    EXPECT_EQ(member_record(options(), view, std::nullopt).find("xlog_location"), std::string::npos);
    view.long_action = "promote";
    EXPECT_NE(member_record(options(), view, false).find("xlog_location"), std::string::npos);
    EXPECT_NE(member_record(options(), view, false).find(R"("checkpoint_after_promote":false)"), std::string::npos);
}

struct History : ::testing::Test {
    core::Cluster cluster;
    core::Instance instance;
    std::optional<std::vector<core::HistoryLine>> write(std::int64_t most = 0) {
        return history_to_write(cluster, instance, "n2", WallTime{std::chrono::seconds{1'700'000'000}}, most);
    }
};

TEST_F(History, TheFirstTimelineNeedsNone) {
    instance.timeline = Timeline{1};
    EXPECT_FALSE(write());
    cluster.history = {{Timeline{1}, Lsn{5}, "", "", ""}};
    ASSERT_TRUE(write());
    EXPECT_TRUE(write()->empty());
}

TEST_F(History, ANewTimelineIsStampedAndOldLinesAreKept) {
    instance.timeline = Timeline{3};
    instance.history = {{Timeline{1}, Lsn{100}}, {Timeline{2}, Lsn{200}}};
    cluster.history = {{Timeline{1}, Lsn{100}, "why", "then", "n1"}};
    const auto lines = write();
    ASSERT_TRUE(lines);
    ASSERT_EQ(lines->size(), 2U);
    EXPECT_EQ(lines->at(0).new_leader, "n1");
    EXPECT_EQ(lines->at(1).new_leader, "n2");
    EXPECT_EQ(lines->at(1).timestamp, "2023-11-14T22:13:20+00:00");
    // A number between was taken by a member whose timeline is not continued.
    core::Instance gap = instance;
    gap.timeline = Timeline{5};
    const auto bridged = history_to_write(cluster, gap, "n2", WallTime{std::chrono::seconds{1'700'000'000}}, 0);
    ASSERT_TRUE(bridged);
    EXPECT_EQ(bridged->back().timeline, Timeline{4});
    EXPECT_EQ(bridged->back().switchpoint, Lsn{200});
    EXPECT_EQ(bridged->back().new_leader, "n2");
    cluster.history = *lines;
    EXPECT_FALSE(write());
    cluster.history->pop_back();
    EXPECT_EQ(write(1)->size(), 1U);
}

}  // namespace
}  // namespace castle::agent
