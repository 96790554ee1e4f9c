// The decision table of new clusters and of a silent store, and what decisions are made of.
#include "core/decide_fixture.hpp"

namespace castle::core {
namespace {

TEST(Decide, ANewCluster) {
    const auto empty = [] {
        Case c;
        c.s.me = "n1";
        c.s.now = {now, WallTime{}};
        c.s.store_ok = true;
        c.see();
        return c;
    };
    const Row rows[] = {
        {"race for the bootstrap", [](Case&) {}, Reason::bootstrap_race, Kind::take_initialize},
        {"somebody bootstraps", [](Case& c) { c.cluster.initialize = ""; }, Reason::waiting_for_bootstrap},
        {"... and its key says so",
         [](Case& c) {
             c.cluster.initialize = "";
             c.cluster.members = {{"n2", member("n2", "uninitialized", 0)}};
             c.cluster.members["n2"].state = "initializing new cluster";
             c.see();
             c.s.now.boot = now + 1h;
         },
         Reason::waiting_for_bootstrap},
        {"... and is gone: it gets the life of a lease",
         [](Case& c) {
             c.cluster.initialize = "";
             c.see();
             c.s.now.boot = now + 28s;
         },
         Reason::waiting_for_bootstrap},
        {"... and is gone for good",
         [](Case& c) {
             c.cluster.initialize = "";
             c.see();
             c.s.now.boot = now + 29s;
         },
         Reason::bootstrap_abandoned, Kind::clear_initialize},
        {"... and is gone for good; who else is there only waits, too",
         [](Case& c) {
             c.cluster.initialize = "";
             c.cluster.members = {{"n2", member("n2", "uninitialized", 0)}};
             c.cluster.members["n2"].state = "stopped";
             c.see();
             c.s.now.boot = now + 29s;
         },
         Reason::bootstrap_abandoned, Kind::clear_initialize},
        {"... and has been followed by another",
         [](Case& c) {
             c.cluster.initialize = "";
             c.see();
             c.cluster.initialize_modified = Revision{7};
             c.s.now.boot = now + 29s;
             c.s.memory.bootstrap.see(c.cluster, c.s.now.boot);
         },
         Reason::waiting_for_bootstrap},
        {"initialized, and nobody leads", [](Case& c) { c.cluster.initialize = system_id; },
         Reason::waiting_for_bootstrap},
        {"nofailover does not bootstrap", [](Case& c) { c.s.tags.nofailover = true; }, Reason::waiting_for_bootstrap},
        {"a required watchdog cannot be used", [](Case& c) { c.s.watchdog_problem = "no device"; },
         Reason::waiting_for_bootstrap},
        {"no bootstrap section", [](Case& c) { c.s.can_bootstrap = false; }, Reason::waiting_for_bootstrap},
        {"bootstrap running, initdb half way",
         [](Case& c) {
             c.s.activity = Activity::bootstrap;
             c.s.instance.data = DataDir::unreadable;
         },
         Reason::action_in_progress},
        {"bootstrap running", [](Case& c) { c.s.activity = Activity::bootstrap; }, Reason::action_in_progress},
    };
    check(+empty, rows);
}

TEST(Decide, TheStoreDoesNotAnswer) {
    const auto blind = [] {
        Case c = leader();
        c.s.store_ok = false;
        return c;
    };
    const Row rows[] = {
        {"the lock holds on", [](Case&) {}, Reason::store_lost_holding},
        {"the deadline is near", [](Case& c) { c.s.leader_until = now + 1s; }, Reason::store_lost_demoting,
         Kind::demote},
        {"alone",
         [](Case& c) {
             c.s.fence.armed = false;
             c.s.leader_until = now - 1h;
         },
         Reason::store_lost_alone},
        {"a standby waits", [](Case& c) { c.s.instance.in_recovery = true; }, Reason::store_lost_waiting},
        {"a crashed primary waits for the store while its lease lasts",
         [](Case& c) { c.s.instance.process = ProcessState::stopped; }, Reason::store_lost_waiting},
        {"a demoted primary serves reads",
         [](Case& c) {
             c.s.instance.process = ProcessState::stopped;
             c.s.leader_until = now;
         },
         Reason::store_lost_standby_start, Kind::start_standby},
        {"paused",
         [](Case& c) {
             c.s.settings.pause = true;
             c.s.leader_until = now;
         },
         Reason::store_lost_waiting},
    };
    check(+blind, rows);
}

TEST(Lease, TheMarginIsATenthAndNeverBelow300Milliseconds) {
    EXPECT_EQ(lease_margin(30s), 3s);
    EXPECT_EQ(lease_margin(2s), 300ms);
    EXPECT_EQ(lease_margin(30s, 5s), 5300ms) << "the fence kills before the watchdog resets the machine";
    EXPECT_EQ(lease_margin(30s, -1s), 15300ms);
}

TEST(Lease, TheFenceStopsTheServerLaterThanALivingAgent) {
    EXPECT_EQ(stop_before_deadline(30s), 500ms);
    for (const Duration ttl : {Duration{1s}, Duration{5s}, Duration{20s}, Duration{300s}})
        EXPECT_GT(now - stop_before_deadline(ttl), demote_at(now, ttl));
}

TEST(Upstream, IsReadFromTheConnectionUrl) {
    Member m;
    m.name = "n1";
    const auto read = [&](std::string url) {
        m.conn_url = std::move(url);
        return upstream_of_member(m);
    };
    EXPECT_EQ(read("postgres://10.0.0.1:5433/postgres"), (Upstream{"n1", "10.0.0.1", 5433}));
    EXPECT_EQ(read("postgres://[fe80::1]:5433/postgres"), (Upstream{"n1", "fe80::1", 5433}));
    EXPECT_EQ(read("postgres://db1/postgres"), (Upstream{"n1", "db1", 5432}));
    for (const char* bad :
         {"", "postgres", "postgres://:5432/x", "postgres://h:0/x", "postgres://h:x/x", "postgres://[fe80::1/x"})
        EXPECT_FALSE(read(bad)) << bad;
}

}  // namespace
}  // namespace castle::core
