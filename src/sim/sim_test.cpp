// Whole clusters, one fault at a time. Every test is a sentence; its seed repeats it.
#include "sim/sim.hpp"

#include <gtest/gtest.h>

#include "sim/run.hpp"

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
    // Another leads while `old` is away, and it comes back as a standby.
    static void expect_replaced(Sim& sim, Node& old, Duration away, void (Sim::*comes_back)(Node&)) {
        sim.run(away);
        EXPECT_NE(&sim.leader(), &old);
        (sim.*comes_back)(old);
        sim.expect_healthy_within(60s);
        sim.expect_never_two_primaries();
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

TEST_F(Simulation, ASeedRepeatsToTheBit) {
    const RunResult first = run_seed(7, 2min), second = run_seed(7, 2min), other = run_seed(8, 2min);
    EXPECT_EQ(first.hash, second.hash);
    EXPECT_EQ(first.steps, second.steps);
    EXPECT_NE(first.hash, other.hash);
}

TEST_F(Simulation, AFrozenAgentLosesItsServerBeforeAnotherIsPromoted) {
    Sim sim{2, three()};
    sim.expect_healthy_within(60s);
    Node& old = sim.leader();
    sim.freeze(old);
    sim.run(60s);
    EXPECT_NE(&sim.leader(), &old);
    EXPECT_EQ(old.server().process(), core::ProcessState::stopped);
    sim.thaw(old);
    sim.expect_healthy_within(60s);
    sim.expect_never_two_primaries();
}

// Its fence stops the server in order a moment before the deadline: the WAL senders send what was acknowledged.
TEST_F(Simulation, AKilledOrFrozenAgentCostsNoAcknowledgedWrite) {
    for (std::uint64_t seed = 0; seed < 40; ++seed) {
        Sim sim{seed, three()};
        sim.expect_healthy_within(60s);
        Node& old = sim.leader();
        if (seed % 2 == 0)
            sim.freeze(old);
        else
            sim.crash_agent(old, 90s);
        std::function<void()> write = [&] {
            old.server().insert(sim.checker().next_write(), 300);
            sim.world().after(1ms, write);
        };
        write();
        const auto promoted = [&, before = sim.checker().promotions()] { return sim.checker().promotions() > before; };
        ASSERT_TRUE(sim.run_until(promoted, 60s)) << "seed " << seed;
        sim.run(5s);
        EXPECT_EQ(sim.checker().lost(), 0u) << "seed " << seed;
        sim.expect_never_two_primaries();
    }
}

TEST_F(Simulation, ACrashedServerIsStartedInPlace) {
    Sim sim{3, three()};
    sim.expect_healthy_within(60s);
    Node& leader = sim.leader();
    sim.crash_server(leader);
    sim.expect_healthy_within(15s);
    EXPECT_EQ(&sim.leader(), &leader);
    EXPECT_EQ(leader.server().timeline(), Timeline{1});
    sim.expect_never_two_primaries();
}

TEST_F(Simulation, AnAgentThatCrashesAdoptsItsServer) {
    Sim sim{4, three()};
    sim.expect_healthy_within(60s);
    Node& leader = sim.leader();
    const int pid = leader.server().pid();
    sim.crash_agent(leader, 2s);
    sim.run(30s);
    EXPECT_EQ(&sim.leader(), &leader);
    EXPECT_EQ(leader.server().pid(), pid);
    sim.expect_healthy_within(1s);
}

TEST_F(Simulation, ACrashedHostComesBackAsAStandby) {
    Sim sim{5, three()};
    sim.expect_healthy_within(60s);
    Node& old = sim.leader();
    sim.crash_host(old, 40s);
    sim.run(35s);
    EXPECT_NE(&sim.leader(), &old);
    sim.expect_healthy_within(60s);
    EXPECT_TRUE(old.server().in_recovery());
    EXPECT_EQ(old.server().disk.set_aside, 0);  // rewound or simply followed, not cloned
    sim.expect_never_two_primaries();
}

TEST_F(Simulation, ASwitchoverLosesNothing) {
    Options options = three();
    options.synchronous = true;
    Sim sim{6, options};
    sim.expect_healthy_within(60s);
    Node& old = sim.leader();
    sim.switchover(sim.follower(1).name());
    EXPECT_TRUE(sim.run_until([&] { return sim.healthy() && &sim.leader() != &old; }, 20s));
    EXPECT_EQ(sim.checker().lost(), 0u);
    sim.expect_never_two_primaries();
}

TEST_F(Simulation, APrimaryCutOffFromTheStoreStopsBeforeItsLeaseEnds) {
    Sim sim{7, three()};
    sim.expect_healthy_within(60s);
    Node& old = sim.leader();
    sim.cut_from_store(old);
    sim.run(60s);
    EXPECT_NE(&sim.leader(), &old);
    EXPECT_FALSE(old.server().writable());
    sim.mend_to_store(old);
    sim.expect_healthy_within(60s);
    sim.expect_never_two_primaries();
}

TEST_F(Simulation, AStaleStoreLeaderDoesNotKeepAPrimaryAlive) {
    Sim sim{8, three()};
    sim.expect_healthy_within(60s);
    for (int round = 0; round < 5; ++round) {
        sim.store().depose_unnoticed(30s);
        sim.run(50s);
    }
    sim.expect_healthy_within(60s);
    sim.expect_never_two_primaries();
}

TEST_F(Simulation, KeysDeletedByHandMakeNoSecondPrimary) {
    Sim sim{9, three()};
    sim.expect_healthy_within(60s);
    sim.store().erase({"leader"});
    sim.run(30s);
    sim.store().erase({"leader", "members/" + sim.leader().name()});
    sim.run(30s);
    sim.store().erase_all();
    sim.expect_healthy_within(60s);
    sim.expect_never_two_primaries();
}

TEST_F(Simulation, AHostThatWokeUpKillsItsServerFirst) {
    Sim sim{10, three()};
    sim.expect_healthy_within(60s);
    Node& old = sim.leader();
    sim.suspend_host(old);
    expect_replaced(sim, old, 60s, &Sim::resume_host);
}

// A deadline counted by a long lease must not outlive the leader key under a short one.
TEST_F(Simulation, AShorterTtlIsSafeWhileThePrimaryIsCutOff) {
    Options options = three();
    options.ttl = 30s;
    Sim sim{11, options};
    sim.expect_healthy_within(60s);
    sim.run(20s);
    sim.change_config(5s, 1s, 1s);
    sim.run(1s);
    Node& old = sim.leader();
    sim.isolate(old);
    expect_replaced(sim, old, 60s, &Sim::rejoin);
}

// The member that is promoted has never seen the timeline that the last leader began and died with.
TEST_F(Simulation, ATimelinesNumberIsNotUsedTwice) {
    Sim sim{12, members(2)};
    sim.expect_healthy_within(60s);
    Node& first = sim.leader();
    Node& second = sim.follower();
    sim.crash_host(first, 300s);
    EXPECT_TRUE(sim.run_until([&] { return second.server().writable(); }, 60s));
    EXPECT_EQ(second.server().timeline(), Timeline{2});
    sim.run(5s);
    sim.crash_host(second, 600s);
    first.boot_host();
    EXPECT_TRUE(sim.run_until([&] { return first.server().writable(); }, 90s));
    EXPECT_EQ(first.server().timeline(), Timeline{3});
    sim.run(5s);
    second.boot_host();
    sim.expect_healthy_within(90s);
    sim.expect_never_two_primaries();
}

// Nor is it while the agent that reserved it starts anew, before the server has begun it.
TEST_F(Simulation, AnAgentThatStartsAnewDoesNotWithdrawAReservedTimeline) {
    Sim sim{31, three()};
    sim.expect_healthy_within(60s);
    Node& old = sim.leader();
    sim.freeze(old);
    const auto record = [&] {
        core::Snapshot snapshot;
        if (const auto* stored = sim.store().key("castle/leader")) snapshot.keys["castle/leader"] = *stored;
        return core::read_cluster(snapshot).last_leadership.value_or(core::Leadership{});
    };
    ASSERT_TRUE(sim.run_until([&] { return record().name != old.name(); }, 60s));
    const Timeline reserved = record().timeline;
    EXPECT_EQ(reserved, Timeline{2});
    Node& next = sim.leader();
    ASSERT_TRUE(sim.run_until([&] { return next.fence().state().phase == fence::Phase::armed; }, 5s));
    EXPECT_FALSE(next.server().writable());
    sim.reexec_agent(next);
    bool withdrawn = false;
    for (int i = 0; i < 1000; ++i) {
        sim.run(1ms);
        withdrawn |= record().timeline < reserved;
    }
    EXPECT_FALSE(withdrawn);
    sim.thaw(old);
    sim.expect_healthy_within(60s);
}

// The key that says that somebody bootstraps has no lease.
TEST_F(Simulation, ABootstrapperThatDiesForGoodHoldsNobodyUp) {
    Sim sim{13, three()};
    Node* first = nullptr;
    EXPECT_TRUE(sim.run_until(
        [&] {
            for (Node* node : sim.nodes())
                if (node->server().disk.present) first = node;
            return first != nullptr;
        },
        30s));
    ASSERT_NE(first, nullptr);
    ASSERT_EQ(sim.leader_or_null(), nullptr);
    sim.crash_host(*first, 600s);
    EXPECT_TRUE(sim.run_until([&] { return sim.leader_or_null() && sim.leader().server().writable(); }, 60s));
    EXPECT_NE(sim.leader_or_null(), first);
    sim.expect_never_two_primaries();
}

// Its keys lapse while its server goes on: fence and agent of the leader stand still, and WAL still arrives.
TEST_F(Simulation, TheRaceWaitsWhileTheOldPrimaryStillSendsWal) {
    const auto taken_after = [](Duration backoff) {
        Options options = three();
        options.race_backoff = backoff;
        Sim sim{14, options};
        sim.expect_healthy_within(60s);
        Node& old = sim.leader();
        sim.run(10s);
        sim.freeze(old);
        old.fence().freeze();
        EXPECT_TRUE(sim.run_until([&] { return !sim.leader_or_null(); }, 60s));
        const BootTime lapsed = sim.now();
        EXPECT_TRUE(sim.run_until([&] { return sim.leader_or_null(); }, 60s));
        EXPECT_NE(sim.leader_or_null(), &old);
        return sim.now() - lapsed;
    };
    EXPECT_LT(taken_after(0s), 4s);
    EXPECT_GE(taken_after(15s), 15s);
    EXPECT_LT(taken_after(15s), 20s);
}

// Everybody loses power; the standbys are back first, and the leader has acknowledged what they never received.
TEST_F(Simulation, TheLastLeaderWithTheMostWalIsWaitedForWhenAllComeUp) {
    Sim sim{15, three()};
    sim.expect_healthy_within(60s);
    Node& old = sim.leader();
    sim.run(20s);
    sim.cut_from_peers(old);
    sim.run(2s);
    for (Node* node : sim.nodes()) sim.crash_host(*node, node == &old ? 64s : 60s);
    sim.mend_to_peers(old);
    EXPECT_TRUE(sim.run_until([&] { return !sim.leader_or_null(); }, 40s));
    EXPECT_TRUE(sim.run_until([&] { return sim.leader_or_null(); }, 60s));
    EXPECT_EQ(sim.leader_or_null(), &old);
    sim.expect_healthy_within(60s);
    EXPECT_EQ(sim.checker().lost(), 0u);
    sim.expect_never_two_primaries();
}

TEST_F(Simulation, AnEmptyStoreInPlaceOfTheOldOneKeepsThePrimary) {
    Sim sim{21, three()};
    sim.expect_healthy_within(60s);
    Node& leader = sim.leader();
    const int pid = leader.server().pid();
    sim.store().replace();
    sim.run(20s);
    EXPECT_EQ(&sim.leader(), &leader);
    EXPECT_EQ(leader.server().pid(), pid);
    sim.expect_healthy_within(5s);
    EXPECT_TRUE(sim.store().key("initialize"));
    EXPECT_TRUE(sim.store().key("config"));
    sim.expect_never_two_primaries();
}

TEST_F(Simulation, AStoreReplacedWhileThePrimaryIsCutOffWaitsForItsDeadline) {
    Sim sim{22, three()};
    sim.expect_healthy_within(60s);
    Node& old = sim.leader();
    sim.isolate(old);
    sim.store().replace();
    expect_replaced(sim, old, 90s, &Sim::rejoin);
}

// The backup says that somebody else leads, and that one is alive and holds the very lease.
TEST_F(Simulation, ABackupOfAnEarlierLeadershipDoesNotMakeASecondPrimary) {
    Sim sim{23, three()};
    sim.expect_healthy_within(60s);
    Node& before = sim.leader();
    sim.store().save();
    sim.switchover(sim.follower().name());
    EXPECT_TRUE(sim.run_until([&] { return sim.healthy() && &sim.leader() != &before; }, 30s));
    Node& leader = sim.leader();
    const int pid = leader.server().pid();
    sim.store().restore();
    sim.run(30s);
    EXPECT_EQ(&sim.leader(), &leader);
    EXPECT_EQ(leader.server().pid(), pid);
    sim.expect_healthy_within(30s);
    sim.expect_never_two_primaries();
}

// The store itself looks for leases that have run out every half second only.
TEST_F(Simulation, ALeaseThatHasRunOutIsNotWaitedFor) {
    int removed = 0;
    for (std::uint64_t seed = 41; seed < 46; ++seed) {
        SCOPED_TRACE(seed);
        Sim sim{seed, three()};
        sim.expect_healthy_within(60s);
        Node& old = sim.leader();
        sim.freeze(old);
        sim.run(5s);  // what it had sent has arrived
        const BootTime ends = sim.now() + sim.store().left(sim.store().key("leader")->lease);
        ASSERT_TRUE(sim.run_until([&] { return sim.leader_or_null() != &old; }, 60s));
        EXPECT_GE(sim.now(), ends);
        EXPECT_LE(sim.now(), ends + 200ms);
        removed += sim.store().removed();
        sim.thaw(old);
        sim.expect_healthy_within(60s);
        sim.expect_never_two_primaries();
    }
    EXPECT_GT(removed, 0);
}

// Who has no fence takes the lapse for the end of a leader that may still acknowledge.
TEST_F(Simulation, AMemberWithoutAFenceLeavesTheLeaseToTheStore) {
    Sim sim{47, three()};
    sim.expect_healthy_within(60s);
    sim.store().put("members/p1", R"({"role": "replica", "state": "running", "version": "4.1.5"})");
    sim.run(5s);
    Node& old = sim.leader();
    sim.freeze(old);
    ASSERT_TRUE(sim.run_until([&] { return sim.leader_or_null() && sim.leader_or_null() != &old; }, 60s));
    EXPECT_EQ(sim.store().removed(), 0);
    sim.expect_never_two_primaries();
}

// The server that shuts down waits for the standby that stands still; all of its WAL is elsewhere at once.
TEST_F(Simulation, AStandbyThatStandsStillDoesNotHoldASwitchoverUp) {
    Sim sim{46, three()};
    sim.expect_healthy_within(60s);
    Node& old = sim.leader();
    sim.freeze_server(sim.follower(1));
    sim.switchover(sim.follower(0).name());
    ASSERT_TRUE(sim.run_until([&] { return old.server().disk.state == core::ControlState::shut_down; }, 30s));
    EXPECT_TRUE(sim.run_until([&] { return sim.leader_or_null() && sim.leader_or_null() != &old; }, 300ms));
    EXPECT_EQ(old.server().process(), core::ProcessState::stopping);
    EXPECT_TRUE(sim.run_until([&] { return sim.leader().server().writable(); }, 5s));
    EXPECT_EQ(sim.checker().lost(), 0u);
    for (Node* node : sim.nodes())
        if (node->server().frozen()) sim.thaw_server(*node);
    sim.expect_healthy_within(120s);
    sim.expect_never_two_primaries();
}

// The position that it published last is that of a record which it never finished, and which no standby can have.
TEST_F(Simulation, ARecordThatAFullDiskCutShortHoldsNobodyUp) {
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
        Sim sim{seed, three()};
        sim.expect_healthy_within(60s);
        Node& old = sim.leader();
        sim.fill_disk(old, 3 << 20, sim.options().loop_wait + 1s);
        const auto another_leads = [&] {
            const Node* leader = sim.leader_or_null();
            return leader && leader != &old && leader->server().writable();
        };
        EXPECT_TRUE(sim.run_until(another_leads, 60s)) << "seed " << seed;
        EXPECT_EQ(sim.checker().lost(), 0u) << "seed " << seed;
        sim.empty_disk(old);
        sim.expect_healthy_within(60s);
        sim.expect_never_two_primaries();
    }
}

// It answered "the same" about what was there before that server wrote WAL of its own.
TEST_F(Simulation, AComparisonDoesNotCountForWhatAServerWroteMeanwhile) {
    int promoted = 0;
    for (Duration after = 0ms; after <= 1000ms; after += 50ms) {
        SCOPED_TRACE(after.count());
        Sim sim{48, three()};
        const auto step_until = [&](const std::function<bool()>& condition) {
            for (const BootTime end = sim.now() + 10s; !condition() && sim.now() < end;) sim.run(1ms);
            return condition();
        };
        sim.expect_healthy_within(60s);
        Node& old = sim.leader();
        sim.switchover(sim.follower(0).name());
        ASSERT_TRUE(step_until([&] { return sim.leader_or_null() && sim.leader_or_null() != &old; }));
        Node& leader = sim.leader();
        sim.slow_disk(leader, true);
        ASSERT_TRUE(step_until([&] { return leader.server().writable(); }));
        sim.run(after);
        for (Node* node : sim.nodes()) {
            Postgres& server = node->server();
            if (node == &old || node == &leader || !server.running()) continue;
            server.promote(Timeline{2});  // by hand
            ASSERT_TRUE(step_until([&] { return server.writable(); }));
            ++promoted;
            bool followed_with_it = false;
            for (int i = 0; i < 10'000; ++i) {
                sim.run(1ms);
                followed_with_it |= server.running() && server.in_recovery() && server.timeline() > Timeline{2};
            }
            EXPECT_FALSE(followed_with_it);
        }
        sim.slow_disk(leader, false);
        sim.expect_healthy_within(60s);
        EXPECT_EQ(&sim.leader(), &leader);
    }
    EXPECT_GT(promoted, 0);
}

// Somebody promoted it while its agent was away; to configure it would take up to two seconds here.
TEST_F(Simulation, AServerThatMustNotRunIsEndedBeforeItIsConfigured) {
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
        Sim sim{seed, three()};
        sim.expect_healthy_within(60s);
        Node& node = sim.follower(0);
        sim.crash_agent(node, 10s);
        Postgres& server = node.server();
        server.promote(Timeline{2});
        ASSERT_TRUE(sim.run_until([&] { return server.writable(); }, 9s));
        sim.slow_disk(node, true);
        ASSERT_TRUE(sim.run_until([&] { return node.agent_running(); }, 10s));
        EXPECT_TRUE(sim.run_until([&] { return !server.writable(); }, 300ms)) << "seed " << seed;
        sim.slow_disk(node, false);
        sim.expect_healthy_within(120s);
    }
}

// Both keys vanish in one revision, as if the lease had run out; but the frozen leader's deadline is far away.
TEST_F(Simulation, ALeaseRevokedByHandIsNoLapse) {
    Options options = three();
    options.ttl = 30s;
    Sim sim{24, options};
    sim.expect_healthy_within(60s);
    sim.run(15s);
    Node& old = sim.leader();
    sim.freeze(old);
    sim.store().revoke(sim.store().key("leader")->lease);
    expect_replaced(sim, old, 90s, &Sim::thaw);
}

}  // namespace
}  // namespace castle::sim
