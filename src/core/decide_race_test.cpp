// The decision table of a cluster without a leader.
#include "core/decide_fixture.hpp"

namespace castle::core {
namespace {

TEST(Decide, NobodyLeads) {
    const Row rows[] = {
        {"fenced lapse, healthiest", [](Case&) {}, Reason::racing, Kind::take_lock},
        {"asks first", [](Case& c) { c.s.findings.reset(); }, Reason::investigating, Kind::investigate},
        {"another has more WAL", [](Case& c) { c.s.findings->peers[0].position = Lsn{9001}; }, Reason::not_healthiest},
        {"one who is ahead does not answer", [](Case& c) { c.s.findings->peers[0].reached = false; }, Reason::racing,
         Kind::take_lock},
        {"lags too far", [](Case& c) { c.cluster.status.optime = Lsn{9000 + (1 << 20) + 1}; }, Reason::not_healthiest},
        {"nofailover", [](Case& c) { c.s.tags.nofailover = true; }, Reason::not_allowed_to_promote},
        {"a required watchdog cannot be used", [](Case& c) { c.s.watchdog_problem = "no device"; },
         Reason::watchdog_unusable},
        {"... and I am a primary",
         [](Case& c) {
             c.s.watchdog_problem = "no device";
             c.s.instance.in_recovery = false;
             c.s.me = "n1";
         },
         Reason::watchdog_unusable, Kind::demote},
        {"... and I am a primary in pause",
         [](Case& c) {
             c.s.watchdog_problem = "no device";
             c.s.instance.in_recovery = false;
             c.s.me = "n1";
             c.s.settings.pause = true;
         },
         Reason::running_primary_takes_lock, Kind::take_lock},
        {"its pre_promote command failed less than ttl ago",
         [](Case& c) {
             c.s.memory.pre_promote_failed = Revision{9};
             c.s.memory.pre_promote_failed_at = now - 29s;
         },
         Reason::pre_promote_failed},
        {"... ttl ago",
         [](Case& c) {
             c.s.memory.pre_promote_failed = Revision{9};
             c.s.memory.pre_promote_failed_at = now - 30s;
         },
         Reason::racing, Kind::take_lock},
        {"the local server does not answer", [](Case& c) { c.s.instance.read_failed = true; }, Reason::not_healthiest},
        {"the lease has not ended: deleted by hand", [](Case& c) { c.s.findings->lease_ended = false; },
         Reason::waiting_for_evidence},
        {"... until the old leader answers",
         [](Case& c) {
             c.s.findings->lease_ended = false;
             c.s.findings->peers.push_back(answer("n1", 8000));
         },
         Reason::racing, Kind::take_lock},
        {"... unless it answers that it may write",
         [](Case& c) {
             auto alive = answer("n1", 8000);
             alive.surely_not_primary = false;
             c.s.findings->peers.push_back(alive);
         },
         Reason::waiting_for_evidence},
        {"... or its life has passed",
         [](Case& c) {
             c.s.findings->lease_ended = false;
             c.s.now.boot = now + 30s;
         },
         Reason::racing, Kind::take_lock},
        {"the lease ended before it could run out: revoked by hand", [](Case& c) { c = race_after(now + 20s); },
         Reason::waiting_for_evidence},
        {"... and the life that it may have had left has passed",
         [](Case& c) {
             c = race_after(now + 20s);
             c.s.now.boot = now + 29s;
         },
         Reason::racing, Kind::take_lock},
        {"the store has another leader since it told when the lease runs out",
         [](Case& c) { c.s.findings->store_term = 2; }, Reason::waiting_for_evidence},
        {"its fence was off: a lapse proves nothing",
         [](Case& c) {
             c.cluster.last_leadership->fence = Leadership::Fence::off;
             c.see();
             c.s.now.boot = now + 1h;
         },
         Reason::waiting_for_evidence},
        {"its fence was off, and an operator insists",
         [](Case& c) {
             c.cluster.last_leadership->fence = Leadership::Fence::off;
             c.see();
             c.cluster.failover = FailoverRequest{.candidate = "n2"};
         },
         Reason::racing, Kind::take_lock},
        {"released",
         [](Case& c) {
             c.cluster.last_leadership->fence = Leadership::Fence::released;
             c.see();
             c.s.findings->lease_ended = false;
         },
         Reason::racing, Kind::take_lock},
        {"another was asked for",
         [](Case& c) { c.cluster.failover = FailoverRequest{.leader = "n1", .candidate = "n3"}; },
         Reason::failover_to_other},
        {"another was asked for and does not answer",
         [](Case& c) {
             c.cluster.failover = FailoverRequest{.leader = "n1", .candidate = "n3"};
             c.s.findings->peers.clear();
         },
         Reason::racing, Kind::take_lock},
        {"a switchover to anybody: the one who has all of the leader's WAL goes first",
         [](Case& c) { switched_over(c, Lsn{9001}); }, Reason::backing_off},
        {"... that is me", [](Case& c) { switched_over(c, Lsn{9000}); }, Reason::racing, Kind::take_lock},
        {"... a moment later",
         [](Case& c) {
             switched_over(c, Lsn{9001});
             c.s.now.boot = now + 5s;
         },
         Reason::racing, Kind::take_lock},
        {"the old leader shut down, and all of its WAL is here: nobody needs to be asked",
         [](Case& c) { shut_down_at(c, Lsn{8999}); }, Reason::racing, Kind::take_lock},
        {"... or some of it is missing", [](Case& c) { shut_down_at(c, Lsn{9000}); }, Reason::investigating,
         Kind::investigate},
        {"... or it is of another timeline",
         [](Case& c) {
             shut_down_at(c, Lsn{8999});
             c.s.instance.timeline = Timeline{2};
         },
         Reason::investigating, Kind::investigate},
        {"... but another is to go first",
         [](Case& c) {
             shut_down_at(c, Lsn{8999});
             c.cluster.members.at("n3").tags.failover_priority = 2;
         },
         Reason::investigating, Kind::investigate},
        {"... which may not lead",
         [](Case& c) {
             shut_down_at(c, Lsn{8999});
             c.cluster.members.at("n3").tags = {.nofailover = true, .failover_priority = 2};
         },
         Reason::racing, Kind::take_lock},
        {"... but another was asked for",
         [](Case& c) {
             shut_down_at(c, Lsn{8999});
             c.cluster.failover = FailoverRequest{.leader = "n1", .candidate = "n3"};
         },
         Reason::investigating, Kind::investigate},
        {"... and I was asked for",
         [](Case& c) {
             shut_down_at(c, Lsn{8999});
             c.cluster.failover = FailoverRequest{.leader = "n1", .candidate = "n2"};
         },
         Reason::racing, Kind::take_lock},
        {"... but the store was replaced: somebody else may lead",
         [](Case& c) {
             c.cluster.incarnation = 2;
             c.see();
             shut_down_at(c, Lsn{8999});
         },
         Reason::investigating, Kind::investigate},
        {"a primary is alive", [](Case& c) { c.s.findings->peers[0].in_recovery = false; }, Reason::not_healthiest},
        {"server down: comes up to take part", [](Case& c) { c.s.instance.process = ProcessState::stopped; },
         Reason::starting_standby, Kind::start_standby},
        {"I am a primary, and led last",
         [](Case& c) {
             c.s.instance.in_recovery = false;
             c.s.me = "n1";
         },
         Reason::running_primary_takes_lock, Kind::take_lock},
        {"I am a primary of an older timeline",
         [](Case& c) {
             c.s.instance.in_recovery = false;
             c.s.me = "n1";
             c.cluster.history->push_back({Timeline{1}, Lsn{1}, "", "", ""});
         },
         Reason::primary_without_lock_outdated, Kind::demote},
    };
    check(race, rows);
}

// Nobody has led for a second; loop_wait 10 s, primary_race_backoff 30 s.
TEST(Decide, TheRaceWaitsWhileWalStillArrives) {
    const auto with_backoff = [] {
        Case c = race();
        c.s.settings.primary_race_backoff = 30s;
        c.s.memory.last_position = Lsn{9000};
        return c;
    };
    const Row rows[] = {
        {"the first loop_wait tells", [](Case&) {}, Reason::race_backoff},
        {"nothing moved in it", [](Case& c) { c.s.now.boot = now + 9s; }, Reason::racing, Kind::take_lock},
        {"something moved",
         [](Case& c) {
             c.s.now.boot = now + 9s;
             c.s.memory.position_moved_at = now;
         },
         Reason::race_backoff},
        {"... a loop_wait ago",
         [](Case& c) {
             c.s.now.boot = now + 10s;
             c.s.memory.position_moved_at = now;
         },
         Reason::racing, Kind::take_lock},
        {"... and the connection has ended since",
         [](Case& c) {
             c.s.now.boot = now + 9s;
             c.s.memory.position_moved_at = now;
             c.s.instance.streaming = false;
         },
         Reason::racing, Kind::take_lock},
        {"it goes on moving",
         [](Case& c) {
             c.s.now.boot = now + 28s;
             c.s.memory.position_moved_at = now + 28s;
         },
         Reason::race_backoff},
        {"... for too long",
         [](Case& c) {
             c.s.now.boot = now + 29s;
             c.s.memory.position_moved_at = now + 29s;
         },
         Reason::racing, Kind::take_lock},
        {"off", [](Case& c) { c.s.settings.primary_race_backoff = 0s; }, Reason::racing, Kind::take_lock},
        {"a candidate was named", [](Case& c) { c.cluster.failover = FailoverRequest{.candidate = "n2"}; },
         Reason::racing, Kind::take_lock},
        {"the old leader has shut down",
         [](Case& c) {
             c.cluster.last_leadership->fence = Leadership::Fence::released;
             c.see();
         },
         Reason::racing, Kind::take_lock},
        {"just started: nothing to compare with", [](Case& c) { c.s.memory.last_position = Lsn{}; }, Reason::racing,
         Kind::take_lock},
        {"standby cluster", [](Case& c) { c.s.settings.standby_cluster.emplace(); }, Reason::racing, Kind::take_lock},
        {"a running primary has nobody to wait for",
         [](Case& c) {
             c.s.instance.in_recovery = false;
             c.s.me = "n1";
         },
         Reason::running_primary_takes_lock, Kind::take_lock},
    };
    check(+with_backoff, rows);
}

// n2's agent has just started; n1, who led last, is not up.
TEST(Decide, WhoeverComesUpWaitsAMomentForTheLastLeader) {
    const auto just_started = [] {
        Case c = race();
        c.s.started = now - 4s;
        return c;
    };
    const Row rows[] = {
        {"not up yet", [](Case&) {}, Reason::waiting_for_last_leader},
        {"not up, and we have waited", [](Case& c) { c.s.started = now - 5s; }, Reason::racing, Kind::take_lock},
        {"... no longer than a loop_wait", [](Case& c) { c.s.settings.loop_wait = 4s; }, Reason::racing,
         Kind::take_lock},
        {"up, with no more than we have", [](Case& c) { c.s.findings->peers.push_back(answer("n1", 9000)); },
         Reason::racing, Kind::take_lock},
        {"up, with more", [](Case& c) { c.s.findings->peers.push_back(answer("n1", 9001)); }, Reason::not_healthiest},
        {"its agent answers, its server is still in crash recovery",
         [](Case& c) {
             auto starting = answer("n1", 0);
             starting.reached = starting.running = false;
             c.s.findings->peers.push_back(starting);
             c.s.started = now - 14s;
         },
         Reason::waiting_for_last_leader},
        {"... for too long",
         [](Case& c) {
             auto starting = answer("n1", 0);
             starting.reached = starting.running = false;
             c.s.findings->peers.push_back(starting);
             c.s.started = now - 15s;
         },
         Reason::racing, Kind::take_lock},
        {"it shut down, and we have all of it",
         [](Case& c) {
             c.cluster.last_leadership->fence = Leadership::Fence::released;
             c.see();
         },
         Reason::racing, Kind::take_lock},
        {"it shut down, and we have not all of it",
         [](Case& c) {
             c.cluster.last_leadership->fence = Leadership::Fence::released;
             c.see();
             c.cluster.status.optime = Lsn{9001};
         },
         Reason::waiting_for_last_leader},
        {"it was I", [](Case& c) { c.s.me = "n1"; }, Reason::racing, Kind::take_lock},
        {"an operator insists", [](Case& c) { c.cluster.failover = FailoverRequest{.candidate = "n2"}; },
         Reason::racing, Kind::take_lock},
    };
    check(+just_started, rows);
}

TEST(Decide, AStandbyInAStoreThatKnowsNothing) {
    Case c = standby();
    c.cluster = Cluster{};
    c.s.memory = Memory{};
    c.see();
    EXPECT_EQ(name_of(c.decide().reason), "standby_of_unknown");
    c.s.instance.process = ProcessState::stopped;  // everything was stopped, and the keys are gone: whoever comes first
    EXPECT_EQ(static_cast<int>(c.decide().action.kind), static_cast<int>(Kind::write_initialize));
}

}  // namespace
}  // namespace castle::core
