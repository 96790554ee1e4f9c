#include "core/cluster.hpp"

#include <gtest/gtest.h>

#include "core/peer.hpp"
#include "core/timestamp.hpp"

namespace castle::core {
namespace {

Cluster read(std::map<std::string, std::string> keys) {
    Snapshot snapshot;
    snapshot.revision = Revision{9};
    for (auto& [key, value] : keys) snapshot.keys[key] = StoredValue{value, Revision{3}, Revision{5}, LeaseId{7}};
    return read_cluster(snapshot);
}

TEST(Cluster, ReadsWhatTheContractShows) {
    const Cluster c = read({
        {"initialize", "7277694203142172922"},
        {"leader", "n1"},
        {"config", R"({"ttl":30})"},
        {"members/n1",
         R"({"conn_url":"postgres://10.0.0.1:5432/postgres","api_url":"http://10.0.0.1:8008/patroni","state":"running","role":"master","version":"3.0.2","xlog_location":67419584,"timeline":5,"checkpoint_after_promote":false})"},
        {"members/n2",
         R"({"role":"replica","tags":{"nofailover":"true","replicatefrom":"n1","zone":"eu"},"castle_version":"0.1.0","castle_fence":true})"},
        {"members/n3", "broken{"},
        {"members/n4", "postgres://h:5/x?application_name=http://h:8008/patroni"},
        {"members/x/y", "{}"},
        {"status", R"({"optime":67419584,"slots":{"n2":67419000},"retain_slots":["n2"]})"},
        {"failover", R"({"leader":"n1","member":"n2","scheduled_at":"2026-01-01T10:00:00+00:00"})"},
        {"sync", R"({"leader":"n1","quorum":1,"sync_standby":"n2, N3"})"},
        {"history", R"([[1,100,"no recovery target specified","2026-01-01T10:00:00+00:00","n1"],[2,200,"x"]])"},
        {"failsafe", R"({"n1":"http://a"})"},
        {"castle/leader", R"({"name":"n1","fence":"on","lease":7,"epoch":3})"},
        {"unknown/key", "kept by others"},
    });
    EXPECT_TRUE(c.initialized());
    EXPECT_EQ(c.leader->name, "n1");
    EXPECT_EQ(c.leader->created, Revision{3});
    EXPECT_EQ(c.members.size(), 4U);
    const Member& n1 = c.members.at("n1");
    EXPECT_EQ(n1.role, "primary");
    EXPECT_EQ(n1.position, Lsn{67419584});
    EXPECT_EQ(n1.checkpoint_after_promote, false);
    EXPECT_FALSE(n1.is_castle);
    const Member& n2 = c.members.at("n2");
    EXPECT_TRUE(n2.tags.nofailover);
    EXPECT_EQ(n2.tags.failover_priority, 0);
    EXPECT_EQ(n2.tags.replicatefrom, "n1");
    EXPECT_TRUE(n2.fenced);
    EXPECT_TRUE(c.members.at("n3").record.empty());
    EXPECT_EQ(c.members.at("n4").api_url, "http://h:8008/patroni");
    EXPECT_EQ(c.status.slots.at("n2"), Lsn{67419000});
    EXPECT_EQ(c.failover->candidate, "n2");
    EXPECT_TRUE(c.failover->scheduled_at.has_value());
    EXPECT_TRUE(c.sync.lists("n3"));
    EXPECT_FALSE(c.sync.lists("n1"));
    EXPECT_EQ(number(c.timeline()), 3U);
    EXPECT_EQ(c.last_leadership->fence, Leadership::Fence::on);
}

TEST(Cluster, BrokenAndOldValuesAreTreatedAsTheContractAsks) {
    EXPECT_FALSE(read({{"failover", "{}"}}).failover);
    EXPECT_FALSE(read({{"failover", R"({"scheduled_at":"2026-01-01T10:00:00Z"})"}}).failover);
    EXPECT_EQ(read({{"failover", "n1:n2"}}).failover->candidate, "n2");
    EXPECT_EQ(read({{"status", "12345"}}).status.optime, Lsn{12345});
    EXPECT_EQ(read({{"optime/leader", "12345"}}).status.optime, Lsn{12345});
    EXPECT_EQ(read({{"status", R"({"optime":1})"}, {"optime/leader", "12345"}}).status.optime, Lsn{1});
    EXPECT_EQ(read({{"status", "garbage"}}).status.optime, Lsn{});
    EXPECT_FALSE(read({{"history", "garbage"}}).history);
    // No position and no timeline can be that; written back they would be another, or no history at all.
    for (const char* line : {R"([[1,-5,"x"]])", R"([[-1,5,"x"]])", R"([[4294967296,5,"x"]])"})
        EXPECT_FALSE(read({{"history", line}}).history) << line;
    EXPECT_EQ(read({{"status", "18446744073709551615"}}).status.optime, Lsn{});
    EXPECT_EQ(number(read({{"history", "[]"}}).timeline()), 1U);
    EXPECT_EQ(number(read({}).timeline()), 0U);
    EXPECT_FALSE(read({{"initialize", ""}}).initialized());
    EXPECT_TRUE(read({{"leader", "ghost"}}).locked());
    EXPECT_EQ(read({{"castle/leader", R"({"name":"n1"})"}}).last_leadership->epoch, Revision{5});
}

TEST(Cluster, TheRecordOfALeadershipReadsAsItWasWritten) {
    const Leadership written{.name = "n1",
                             .fence = Leadership::Fence::released,
                             .epoch = Revision{7},
                             .lease = LeaseId{8},
                             .timeline = Timeline{3},
                             .life = std::chrono::seconds{30},
                             .shut_down = Leadership::ShutDown{Timeline{2}, Lsn{1u << 31}}};
    const auto seen = read({{"castle/leader", write_leadership(written)}}).last_leadership;
    ASSERT_TRUE(seen);
    EXPECT_EQ(seen->name, "n1");
    EXPECT_EQ(seen->fence, Leadership::Fence::released);
    EXPECT_EQ(seen->epoch, Revision{7});
    EXPECT_EQ(seen->lease, LeaseId{8});
    EXPECT_EQ(seen->timeline, Timeline{3});
    EXPECT_EQ(seen->life, std::chrono::seconds{30});
    EXPECT_EQ(seen->shut_down, written.shut_down);
    EXPECT_FALSE(read({{"castle/leader", write_leadership({.name = "n1"})}}).last_leadership->shut_down);
}

TEST(Cluster, WalBehindTheEndOfATimelineIsNobodys) {
    Cluster c;
    EXPECT_EQ(c.shared(Timeline{1}, Lsn{900}), Lsn{900});  // no history yet
    c.history = std::vector<HistoryLine>{{Timeline{2}, Lsn{300}, "", "", ""}, {Timeline{4}, Lsn{500}, "", "", ""}};
    EXPECT_EQ(c.shared(Timeline{5}, Lsn{900}), Lsn{900});
    EXPECT_EQ(c.shared(Timeline{4}, Lsn{900}), Lsn{500});
    EXPECT_EQ(c.shared(Timeline{4}, Lsn{400}), Lsn{400});
    EXPECT_EQ(c.shared(Timeline{3}, Lsn{900}), Lsn{300});  // it left 2, or another that had left 2
    EXPECT_EQ(c.shared(Timeline{1}, Lsn{900}), Lsn{300});  // its own line is not kept any more
}

TEST(Tags, TheBooleanWinsOverThePriority) {
    EXPECT_FALSE(read_tags({{"nofailover", false}, {"failover_priority", 0}}).nofailover);
    EXPECT_TRUE(read_tags({{"failover_priority", "0"}}).nofailover);
    EXPECT_EQ(read_tags({{"failover_priority", "3"}}).failover_priority, 3);
    EXPECT_TRUE(read_tags({{"nofailover", "on"}, {"failover_priority", 5}}).nofailover);
}

TEST(SlotName, IsTheContractsForm) {
    EXPECT_EQ(slot_name("Node-1.a"), "node_1_a");
    EXPECT_EQ(slot_name("a b"), "au0032b");
    EXPECT_EQ(slot_name("\xc3\xa9"), "u0233");
    EXPECT_EQ(slot_name(std::string(80, 'x')).size(), 63U);
}

TEST(Status, WritingAndReadingAgree) {
    ClusterStatus status{Lsn{5}, {{"n2", Lsn{4}}}, {"n2"}};
    EXPECT_EQ(write_status(status), R"({"optime":5,"slots":{"n2":4},"retain_slots":["n2"]})");
    const std::vector<HistoryLine> history{{Timeline{1}, Lsn{9}, "r", "t", "n"}};
    EXPECT_EQ(write_history(history), R"([[1,9,"r","t","n"]])");
}

TEST(Timestamp, NeedsAZone) {
    EXPECT_EQ(iso_utc(*parse_timestamp("2026-01-01T12:00:00+02:00")), "2026-01-01T10:00:00+00:00");
    EXPECT_EQ(iso_utc(*parse_timestamp("2026-01-01 10:00:00.25Z")), "2026-01-01T10:00:00.250000+00:00");
    EXPECT_EQ(parse_timestamp("2026-01-01T10:00").error().code, Errc::denied);
    for (const char* bad :
         {"", "now", "2026-13-01T00:00Z", "2026-02-30T00:00Z", "2026-01-01T25:00Z", "2026-01-01T10:00:00+1"})
        EXPECT_EQ(parse_timestamp(bad).error().code, Errc::invalid) << bad;
}

TEST(PeerStatus, OldMembersAreUnderstood) {
    const auto old =
        read_peer_status("n1", R"({"state":"running","role":"master","xlog":{"location":100},"timeline":2})");
    EXPECT_TRUE(old.reached);
    EXPECT_FALSE(old.in_recovery);
    EXPECT_FALSE(old.surely_not_primary);
    const auto replica = read_peer_status(
        "n2", R"({"state":"running","role":"replica","xlog":{"received_location":5,"replayed_location":7}})");
    EXPECT_EQ(replica.position, Lsn{7});
    EXPECT_TRUE(replica.surely_not_primary);
    const auto stopped = read_peer_status("n3", R"({"state":"stopped","role":"demoted"})");
    EXPECT_FALSE(stopped.reached);
    EXPECT_TRUE(stopped.answered);
    EXPECT_TRUE(stopped.surely_not_primary);
    EXPECT_FALSE(read_peer_status("n4", R"({"state":"stopping","role":"replica"})").surely_not_primary);
    EXPECT_FALSE(read_peer_status("n5", R"({"state":"stopped","castle":{"may_write":true}})").surely_not_primary);
    EXPECT_FALSE(read_peer_status("n6", "<html>").answered);
}

}  // namespace
}  // namespace castle::core
