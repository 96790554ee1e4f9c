#include "api/health.hpp"

#include <gtest/gtest.h>

#include "api/test_world.hpp"

namespace castle::api {
namespace {

using View = core::AgentView;

core::Cluster& edit(View& view) {
    auto copy = std::make_shared<core::Cluster>(*view.cluster);
    auto& cluster = *copy;
    view.cluster = std::move(copy);
    return cluster;
}
void make_sync(View& view, core::SynchronousMode mode) {
    view.settings.synchronous_mode = mode;
    edit(view).sync = {.leader = "n1", .standbys = {"n2"}};
}
void make_standby_cluster(View& view) {
    view.settings.standby_cluster = core::StandbyCluster{.host = "remote"};
}
void lose_store(View& view) {
    view.store_ok = false;
}

struct Row {
    std::string_view rule;
    View (*node)();
    void (*change)(View&);
    std::string path;
    Query query;
    int expected;
};
View primary() {
    return test_primary();
}
View standby() {
    return test_standby();
}
void nothing(View&) {}

TEST(Health, EveryRowOfTheTable) {
    const Row rows[] = {
        {"the root means primary", primary, nothing, "/", {}, 200},
        {"the root on a standby", standby, nothing, "/", {}, 503},
        {"1 standby_leader of a normal cluster", primary, nothing, "/standby_leader", {}, 503},
        {"1 standby-leader by role replica",
         standby,
         [](View& v) { make_standby_cluster(v), v.leader_until = test_now + 1s; },
         "/standby-leader",
         {},
         200},
        {"1 standby_leader by its role",
         standby,
         [](View& v) { make_standby_cluster(v), v.leader_until = test_now + 1s, v.role = "standby_leader"; },
         "/standby_leader",
         {},
         200},
        {"1 standby_leader that is demoted",
         standby,
         [](View& v) { make_standby_cluster(v), v.leader_until = test_now + 1s, v.role = "demoted"; },
         "/standby_leader",
         {},
         503},
        {"2 leader", primary, nothing, "/leader", {}, 200},
        {"2 leader of a standby cluster",
         standby,
         [](View& v) { make_standby_cluster(v), v.leader_until = test_now + 1s; },
         "/leader",
         {},
         200},
        {"2 the lock has lapsed", primary, [](View& v) { v.leader_until = test_now; }, "/leader", {}, 503},
        {"2 leader ignores tags", primary, nothing, "/leader", {{"tag_a", "b"}}, 200},
        {"3 primary", primary, nothing, "/primary", {}, 200},
        {"3 master, as old checks say", primary, nothing, "/master", {}, 200},
        {"3 read-write", primary, nothing, "/read-write", {}, 200},
        {"3 by substring", primary, nothing, "/x/primary/y", {}, 200},
        {"3 primary during crash recovery",
         primary,
         [](View& v) { v.instance.process = core::ProcessState::starting, v.state = "starting"; },
         "/primary",
         {},
         200},
        {"3 primary of a standby cluster",
         standby,
         [](View& v) { make_standby_cluster(v), v.leader_until = test_now + 1s; },
         "/primary",
         {},
         503},
        {"3 primary on a standby", standby, nothing, "/primary", {}, 503},
        {"3 lock held, store out of reach", primary, lose_store, "/primary", {}, 200},
        {"3 no lock, store out of reach",
         primary,
         [](View& v) { lose_store(v), v.leader_until = {}; },
         "/primary",
         {},
         503},
        {"pause without store: by role",
         primary,
         [](View& v) { lose_store(v), v.settings.pause = true, v.leader_until = {}; },
         "/primary",
         {},
         200},
        {"pause without store: leader by role",
         primary,
         [](View& v) { lose_store(v), v.settings.pause = true, v.leader_until = {}; },
         "/leader",
         {},
         200},
        {"pause without store: a replica",
         standby,
         [](View& v) { lose_store(v), v.settings.pause = true; },
         "/primary",
         {},
         503},
        {"pause without store: standby_leader",
         standby,
         [](View& v) { lose_store(v), v.settings.pause = true, make_standby_cluster(v), v.role = "standby_leader"; },
         "/standby_leader",
         {},
         200},
        {"4 replica", standby, nothing, "/replica", {}, 200},
        {"4 replica on a primary", primary, nothing, "/replica", {}, 503},
        {"4 noloadbalance", standby, [](View& v) { v.tags["noloadbalance"] = true; }, "/replica", {}, 503},
        {"4 lag within", standby, nothing, "/replica", {{"lag", "96"}}, 200},
        {"4 lag beyond", standby, nothing, "/replica", {{"lag", "95"}}, 503},
        {"4 lag with unit", standby, nothing, "/replica", {{"lag", "1kB"}}, 200},
        {"4 lag unreadable is no limit", standby, nothing, "/replica", {{"lag", "much"}}, 200},
        {"4 lag empty is no limit", standby, nothing, "/replica", {{"lag", ""}}, 200},
        {"4 lag by what the receiver heard",
         standby,
         [](View& v) { v.instance.latest_end = Lsn{0x5000000}; },
         "/replica",
         {{"lag", "1kB"}},
         503},
        {"4 lag with nothing known of the leader",
         standby,
         [](View& v) { lose_store(v), v.instance.latest_end = Lsn{}; },
         "/replica",
         {{"lag", "0"}},
         200},
        {"4 starting", standby, [](View& v) { v.state = "starting"; }, "/replica", {}, 503},
        {"4 the server did not answer", standby, [](View& v) { v.instance.read_failed = true; }, "/replica", {}, 503},
        {"4 what is known is too old",
         standby,
         [](View& v) { v.instance.looked_at = test_now - 31s; },
         "/replica",
         {},
         503},
        {"4 replication_state as asked", standby, nothing, "/replica", {{"replication_state", "streaming"}}, 200},
        {"4 another replication_state",
         standby,
         nothing,
         "/replica",
         {{"replication_state", "in archive recovery"}},
         503},
        {"4 without the store", standby, lose_store, "/replica", {}, 200},
        {"4 the leader of a standby cluster",
         standby,
         [](View& v) { make_standby_cluster(v), v.leader_until = test_now + 1s; },
         "/replica",
         {},
         503},
        {"5 read-only on a primary", primary, nothing, "/read-only", {}, 200},
        {"5 read-only on a standby", standby, nothing, "/read-only", {}, 200},
        {"5 read-only on a lagging standby", standby, nothing, "/read-only", {{"lag", "1"}}, 503},
        {"5 read-only on nobody", primary, [](View& v) { v.leader_until = {}; }, "/read-only", {}, 503},
        {"6 health", standby, nothing, "/health", {}, 200},
        {"6 healthz too", primary, nothing, "/healthz", {}, 200},
        {"6 stopped",
         primary,
         [](View& v) { v.state = "stopped", v.instance.process = core::ProcessState::stopped; },
         "/health",
         {},
         503},
        {"6 running without answer", primary, [](View& v) { v.instance.read_failed = true; }, "/health", {}, 503},
        {"7 sync", standby, [](View& v) { make_sync(v, core::SynchronousMode::on); }, "/sync", {}, 200},
        {"7 synchronous", standby, [](View& v) { make_sync(v, core::SynchronousMode::on); }, "/synchronous", {}, 200},
        {"7 not a synchronous standby", standby, nothing, "/sync", {}, 503},
        {"7 only the very path", standby, [](View& v) { make_sync(v, core::SynchronousMode::on); }, "/sync/x", {}, 503},
        {"7 needs the store",
         standby,
         [](View& v) { make_sync(v, core::SynchronousMode::on), lose_store(v); },
         "/sync",
         {},
         503},
        {"7 is a quorum standby",
         standby,
         [](View& v) { make_sync(v, core::SynchronousMode::quorum); },
         "/sync",
         {},
         503},
        {"8 quorum", standby, [](View& v) { make_sync(v, core::SynchronousMode::quorum); }, "/quorum", {}, 200},
        {"8 is a synchronous standby",
         standby,
         [](View& v) { make_sync(v, core::SynchronousMode::on); },
         "/quorum",
         {},
         503},
        {"9 async", standby, nothing, "/async", {}, 200},
        {"9 asynchronous", standby, nothing, "/asynchronous", {}, 200},
        {"9 is synchronous", standby, [](View& v) { make_sync(v, core::SynchronousMode::on); }, "/async", {}, 503},
        {"9 is a quorum standby",
         standby,
         [](View& v) { make_sync(v, core::SynchronousMode::quorum); },
         "/async",
         {},
         503},
        {"9 needs the store", standby, lose_store, "/async", {}, 503},
        {"10 read-only-quorum on a primary", primary, nothing, "/read-only-quorum", {}, 200},
        {"10 read-only-quorum",
         standby,
         [](View& v) { make_sync(v, core::SynchronousMode::quorum); },
         "/read-only-quorum",
         {},
         200},
        {"10 not a quorum standby", standby, nothing, "/read-only-quorum", {}, 503},
        {"11 read-only-sync on a primary", primary, nothing, "/read-only-sync", {}, 200},
        {"11 read-only-synchronous",
         standby,
         [](View& v) { make_sync(v, core::SynchronousMode::on); },
         "/read-only-synchronous",
         {},
         200},
        {"11 not a synchronous standby", standby, nothing, "/read-only-sync", {}, 503},
        {"12 anything else", primary, nothing, "/unknown", {}, 503},
        {"12 liveness by another method", primary, nothing, "/liveness", {}, 503},
        {"tags: match", standby, [](View& v) { v.tags["zone"] = "eu"; }, "/replica", {{"tag_zone", "eu"}}, 200},
        {"tags: differ", standby, [](View& v) { v.tags["zone"] = "eu"; }, "/replica", {{"tag_zone", "us"}}, 503},
        {"tags: missing", standby, nothing, "/replica", {{"tag_zone", "us"}}, 503},
        {"tags: a boolean as text",
         standby,
         [](View& v) { v.tags["clonefrom"] = true; },
         "/health",
         {{"tag_clonefrom", "true"}},
         200},
        {"tags: a number as text",
         standby,
         [](View& v) { v.tags["weight"] = 1.4; },
         "/health",
         {{"tag_weight", "1.4"}},
         200},
        {"tags: all of them",
         standby,
         [](View& v) { v.tags["a"] = "1", v.tags["b"] = "2"; },
         "/replica",
         {{"tag_a", "1"}, {"tag_b", "3"}},
         503},
    };
    for (const Row& row : rows) {
        SCOPED_TRACE(row.rule);
        View view = row.node();
        row.change(view);
        EXPECT_EQ(health_code(standing(view, test_now), row.path, row.query), row.expected);
    }
}

TEST(Health, TheStoresViewHasABoundOnItsAge) {
    View view = test_standby();
    view.cluster_read_at = test_now - 30s;
    EXPECT_NE(standing(view, test_now).cluster, nullptr);
    view.cluster_read_at -= 1ms;
    EXPECT_EQ(standing(view, test_now).cluster, nullptr);
}

TEST(Liveness, FollowsThePlannedNextCycle) {
    View view = test_primary();
    view.next_run = test_now - 29s;
    EXPECT_EQ(liveness_code(standing(view, test_now)), 200);
    view.next_run = test_now - 30s;
    EXPECT_EQ(liveness_code(standing(view, test_now)), 503);
    View other = test_standby();
    other.next_run = test_now - 59s;
    EXPECT_EQ(liveness_code(standing(other, test_now)), 200);
    other.next_run = test_now - 60s;
    EXPECT_EQ(liveness_code(standing(other, test_now)), 503);
    other.settings.pause = true;
    EXPECT_EQ(liveness_code(standing(other, test_now)), 200);
}

TEST(Readiness, EveryRule) {
    struct ReadyRow {
        std::string_view rule;
        View (*node)();
        void (*change)(View&);
        Query query;
        int expected;
    };
    const ReadyRow rows[] = {
        {"leader", primary, nothing, {}, 200},
        {"streaming standby", standby, nothing, {}, 200},
        {"not running", standby, [](View& v) { v.state = "starting"; }, {}, 503},
        {"not streaming", standby, [](View& v) { v.replication_state = "in archive recovery"; }, {}, 503},
        {"nothing known of the leader",
         standby,
         [](View& v) { lose_store(v), v.instance.latest_end = Lsn{}; },
         {},
         503},
        {"... with failsafe active",
         standby,
         [](View& v) { lose_store(v), v.instance.latest_end = Lsn{}, v.failsafe_active = true; },
         {},
         200},
        {"the receiver knows the leader", standby, lose_store, {}, 200},
        {"lag over the default",
         standby,
         [](View& v) { v.instance.latest_end = Lsn{0x4000000 + (1 << 20) + 1}; },
         {},
         503},
        {"lag at the default", standby, [](View& v) { v.instance.latest_end = Lsn{0x4000000 + (1 << 20)}; }, {}, 200},
        {"lag as asked", standby, nothing, {{"lag", "10"}}, 503},
        {"by receipt", standby, nothing, {{"lag", "10"}, {"mode", "write"}}, 200},
        {"by replay, said", standby, nothing, {{"lag", "10"}, {"mode", "apply"}}, 503},
    };
    for (const ReadyRow& row : rows) {
        SCOPED_TRACE(row.rule);
        View view = row.node();
        row.change(view);
        EXPECT_EQ(readiness_code(standing(view, test_now), row.query), row.expected);
    }
}

}  // namespace
}  // namespace castle::api
