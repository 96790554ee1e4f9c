// The decision table: from one healthy situation of each kind, every row changes what its rule is about.
#include "core/decide.hpp"

#include <gtest/gtest.h>

namespace castle::core {
namespace {

using namespace std::chrono_literals;
using Kind = Action::Kind;

constexpr BootTime now{1000s};
constexpr const char* system_id = "7277694203142172922";

Member member(std::string name, std::string role, std::uint64_t position) {
    Member m;
    m.name = name;
    m.conn_url = "postgres://10.0.0." + name.substr(1) + ":5432/postgres";
    m.api_url = "http://10.0.0." + name.substr(1) + ":8008/patroni";
    m.state = "running";
    m.role = std::move(role);
    m.position = Lsn{position};
    m.timeline = Timeline{1};
    m.is_castle = m.fenced = true;
    m.lease = LeaseId{name.back()};
    return m;
}

PeerStatus answer(std::string name, std::uint64_t position) {
    PeerStatus peer;
    peer.name = std::move(name);
    peer.reached = peer.answered = peer.running = true;
    peer.in_recovery = peer.surely_not_primary = true;
    peer.state = "running";
    peer.role = "replica";
    peer.timeline = Timeline{1};
    peer.position = Lsn{position};
    return peer;
}

// A situation, and the cluster in it still open to changes.
struct Case {
    Situation s;
    Cluster cluster;

    Decision decide() {
        s.cluster = std::make_shared<Cluster>(cluster);
        return core::decide(s);
    }
    void see() {
        s.memory.lineage.see(cluster, now - 1s);
        s.memory.bootstrap.see(cluster, now - 1s);
    }
};

// n1 leads (epoch 10), n2 and n3 follow; nobody asked for anything.
Case cluster_of_three() {
    Case c;
    c.cluster.revision = Revision{100};
    c.cluster.initialize = system_id;
    c.cluster.config = "{}";
    c.cluster.leader = LeaderKey{"n1", Revision{10}, LeaseId{'1'}};
    c.cluster.last_leadership = Leadership{"n1", Leadership::Fence::on, Revision{10}, LeaseId{'1'}, Revision{11}};
    c.cluster.history.emplace();
    c.cluster.status.optime = Lsn{9000};
    c.cluster.members = {{"n1", member("n1", "primary", 9000)},
                         {"n2", member("n2", "replica", 9000)},
                         {"n3", member("n3", "replica", 9000)}};
    c.s.now = {now, WallTime{}};
    c.s.store_ok = true;
    c.s.use_rewind = true;
    c.s.instance.data = DataDir::present;
    c.s.instance.control =
        ControlData{.system_id = system_id, .state = ControlState::in_production, .timeline = Timeline{1}};
    c.s.instance.process = ProcessState::running;
    c.s.instance.accepting = true;
    c.s.instance.timeline = Timeline{1};
    c.s.fence.attached = true;
    c.s.memory.must_compare = false;
    c.see();
    return c;
}

Case leader() {
    Case c = cluster_of_three();
    c.s.me = "n1";
    c.s.epoch = Revision{10};
    c.s.leader_until = now + 20s;
    c.s.fence.armed = c.s.fence.server_running = true;
    c.s.fence.epoch = Revision{10};
    c.s.instance.in_recovery = false;
    c.s.instance.flushed = Lsn{9000};
    c.s.memory.was_primary = true;
    return c;
}

// ... and has been promoting its server for a while.
void promotes(Case& c, Duration since) {
    c.s.instance.in_recovery = true;
    c.s.instance.received = c.s.instance.replayed = Lsn{9000};
    c.s.activity = Activity::promote;
    c.s.activity_since = now - since;
}

Case standby() {
    Case c = cluster_of_three();
    c.s.me = "n2";
    c.s.instance.in_recovery = true;
    c.s.instance.standby_signal = true;
    c.s.instance.control->state = ControlState::in_archive_recovery;
    c.s.instance.received = c.s.instance.replayed = Lsn{9000};
    c.s.instance.streaming = true;
    c.s.instance.upstream = Upstream{"n1", "10.0.0.1", 5432};
    c.s.memory.compared_with = Revision{10};
    return c;
}

// n1's lease ended and took both its keys; n2 has asked everybody.
Case race() {
    Case c = standby();
    c.cluster.leader.reset();
    c.cluster.members.erase("n1");
    c.see();
    c.s.findings = Findings{{answer("n3", 9000)}, true};
    return c;
}

// n1 was asked to hand over, and shut down with so much WAL.
void switched_over(Case& c, Lsn shut_down) {
    c.cluster.failover = FailoverRequest{.leader = "n1"};
    c.cluster.last_leadership->fence = Leadership::Fence::released;
    c.cluster.status.optime = shut_down;
    c.see();
}

struct Row {
    std::string_view rule;
    void (*change)(Case&);
    Reason reason;
    Kind kind = Kind::wait;
};

template <std::size_t count>
void check(Case (*start)(), const Row (&rows)[count]) {
    for (const Row& row : rows) {
        SCOPED_TRACE(row.rule);
        Case c = start();
        row.change(c);
        const Decision decision = c.decide();
        EXPECT_EQ(name_of(decision.reason), name_of(row.reason)) << decision.text;
        EXPECT_EQ(static_cast<int>(decision.action.kind), static_cast<int>(row.kind)) << decision.text;
        EXPECT_FALSE(decision.text.empty());
    }
}

TEST(Decide, TheLeader) {
    const Row rows[] = {
        {"healthy", [](Case&) {}, Reason::leading},
        {"not promoted yet", [](Case& c) { c.s.instance.in_recovery = true; }, Reason::promoting, Kind::promote},
        {"a required watchdog cannot be used", [](Case& c) { c.s.watchdog_problem = "no device"; },
         Reason::watchdog_unusable, Kind::release_lock},
        {"... nor could it after the promotion",
         [](Case& c) {
             c.s.watchdog_problem = "no device";
             c.s.instance.in_recovery = true;
         },
         Reason::watchdog_unusable, Kind::release_lock},
        {"... nor after a restart",
         [](Case& c) {
             c.s.watchdog_problem = "no device";
             c.s.instance.process = ProcessState::stopped;
         },
         Reason::watchdog_unusable, Kind::release_lock},
        {"... and is not needed in pause",
         [](Case& c) {
             c.s.watchdog_problem = "no device";
             c.s.settings.pause = true;
         },
         Reason::paused},
        {"not promoted and not confirmed",
         [](Case& c) {
             c.s.instance.in_recovery = true;
             c.s.leader_until = {};
         },
         Reason::lock_without_confirmation},
        {"promotion failed in this epoch",
         [](Case& c) {
             c.s.instance.in_recovery = true;
             c.s.memory.promote_failed = Revision{10};
         },
         Reason::promote_failed_releasing, Kind::release_lock},
        {"promotion failed, and the server is down",
         [](Case& c) {
             c.s.instance.process = ProcessState::stopped;
             c.s.instance.standby_signal = true;
             c.s.memory.promote_failed = Revision{10};
         },
         Reason::promote_failed_releasing, Kind::release_lock},
        {"promotion within its time", [](Case& c) { promotes(c, 29s); }, Reason::action_in_progress},
        {"promotion that still replays",
         [](Case& c) {
             promotes(c, 31s);
             c.s.memory.replay_moved_at = now - 29s;
         },
         Reason::action_in_progress},
        {"promotion over its time: asks", [](Case& c) { promotes(c, 31s); }, Reason::investigating, Kind::investigate},
        {"promotion over its time, another has it all",
         [](Case& c) {
             promotes(c, 31s);
             c.s.findings = Findings{{answer("n2", 9000)}, {}};
         },
         Reason::promote_stuck, Kind::cancel_activity},
        {"promotion over its time, nobody has it all",
         [](Case& c) {
             promotes(c, 31s);
             c.s.findings = Findings{{answer("n2", 8999)}, {}};
         },
         Reason::action_in_progress},
        {"the pre_promote command forbade it in this epoch",
         [](Case& c) {
             c.s.instance.in_recovery = true;
             c.s.memory.pre_promote_failed = c.s.memory.promote_failed = Revision{10};
         },
         Reason::pre_promote_failed, Kind::release_lock},
        {"... in an earlier one",
         [](Case& c) {
             c.s.instance.in_recovery = true;
             c.s.memory.pre_promote_failed = Revision{9};
         },
         Reason::promoting, Kind::promote},
        {"deadline passed", [](Case& c) { c.s.leader_until = now; }, Reason::demoting_without_lock, Kind::demote},
        {"another took the lock",
         [](Case& c) {
             c.cluster.leader = LeaderKey{"n2", Revision{20}, LeaseId{'2'}};
         },
         Reason::demoting_without_lock, Kind::demote},
        {"my name, another epoch", [](Case& c) { c.cluster.leader->created = Revision{20}; },
         Reason::demoting_without_lock, Kind::demote},
        {"switchover, nobody asked yet", [](Case& c) { c.cluster.failover = FailoverRequest{.leader = "n1"}; },
         Reason::investigating, Kind::investigate},
        {"switchover, a candidate is fine",
         [](Case& c) {
             c.cluster.failover = FailoverRequest{.leader = "n1"};
             c.s.findings = Findings{{answer("n2", 9000)}, {}};
         },
         Reason::switchover, Kind::demote},
        {"switchover to one who does not answer",
         [](Case& c) {
             c.cluster.failover = FailoverRequest{.leader = "n1", .candidate = "n3"};
             c.s.findings = Findings{{answer("n2", 9000)}, {}};
         },
         Reason::switchover_impossible, Kind::clear_request},
        {"switchover of another leader",
         [](Case& c) { c.cluster.failover = FailoverRequest{.leader = "n3", .candidate = "n2"}; },
         Reason::switchover_pointless, Kind::clear_request},
        {"switchover to me", [](Case& c) { c.cluster.failover = FailoverRequest{.candidate = "n1"}; },
         Reason::switchover_pointless, Kind::clear_request},
        {"switchover in an hour",
         [](Case& c) {
             c.cluster.failover = FailoverRequest{
                 .leader = "n1", .scheduled_at = WallTime{1h}, .scheduled_text = "1970-01-01T01:00:00Z"};
         },
         Reason::leading},
        {"switchover that was to be an hour ago",
         [](Case& c) {
             c.s.now.wall = WallTime{2h};
             c.cluster.failover = FailoverRequest{
                 .leader = "n1", .scheduled_at = WallTime{1h}, .scheduled_text = "1970-01-01T01:00:00Z"};
         },
         Reason::switchover_pointless, Kind::clear_request},
        {"the disk is full, not for long", [](Case& c) { c.s.memory.disk_full_since = now - 9s; }, Reason::leading},
        {"the disk is full: asks", [](Case& c) { c.s.memory.disk_full_since = now - 11s; }, Reason::investigating,
         Kind::investigate},
        {"the disk is full, another has room",
         [](Case& c) {
             c.s.memory.disk_full_since = now - 11s;
             c.s.findings = Findings{{answer("n2", 9000)}, {}};
         },
         Reason::disk_full, Kind::demote},
        {"the disk is full everywhere",
         [](Case& c) {
             c.s.memory.disk_full_since = now - 11s;
             c.s.findings = Findings{{answer("n2", 9000)}, {}};
             c.s.findings->peers[0].disk_full = true;
         },
         Reason::leading},
        {"data directory of another cluster", [](Case& c) { c.cluster.initialize = "7000000000000000000"; },
         Reason::wrong_cluster, Kind::exit},
        {"initialize key lost, as always led here", [](Case& c) { c.cluster.initialize.reset(); }, Reason::racing,
         Kind::write_initialize},
        {"initialize key left empty by somebody", [](Case& c) { c.cluster.initialize = ""; }, Reason::racing,
         Kind::write_initialize},
        {"data directory unreadable", [](Case& c) { c.s.instance.data = DataDir::unreadable; }, Reason::data_unreadable,
         Kind::release_lock},
    };
    check(leader, rows);
}

TEST(Decide, TheLeadersServerIsDown) {
    const auto crashed = [] {
        Case c = leader();
        c.s.instance.process = ProcessState::stopped;
        c.s.instance.ended_by_itself = true;
        c.s.memory.crashed_at = now - 1s;
        return c;
    };
    const Row rows[] = {
        {"restarted in place", [](Case&) {}, Reason::restarting_after_failure, Kind::start_primary},
        {"not without confirmation", [](Case& c) { c.s.leader_until = {}; }, Reason::lock_without_confirmation},
        {"a start failed", [](Case& c) { c.s.memory.failed_starts = 1; }, Reason::start_failed_releasing,
         Kind::release_lock},
        {"timeout 0: first the last record", [](Case& c) { c.s.settings.primary_start_timeout = 0s; },
         Reason::investigating, Kind::crash_end},
        {"timeout 0: then the members",
         [](Case& c) {
             c.s.settings.primary_start_timeout = 0s;
             c.s.memory.crash_end = Lsn{9000};
         },
         Reason::investigating, Kind::investigate},
        {"timeout 0: one has it all",
         [](Case& c) {
             c.s.settings.primary_start_timeout = 0s;
             c.s.memory.crash_end = Lsn{9000};
             c.s.findings = Findings{{answer("n2", 9000)}, {}};
         },
         Reason::crash_handover, Kind::release_lock},
        {"timeout 0: nobody has it all",
         [](Case& c) {
             c.s.settings.primary_start_timeout = 0s;
             c.s.memory.crash_end = Lsn{9001};
             c.s.findings = Findings{{answer("n2", 9000)}, {}};
         },
         Reason::restarting_after_failure, Kind::start_primary},
        {"recovery within the timeout", [](Case& c) { c.s.activity = Activity::start_primary; },
         Reason::action_in_progress},
        {"recovery over the timeout, one has it all",
         [](Case& c) {
             c.s.activity = Activity::start_primary;
             c.s.memory.crashed_at = now - 301s;
             c.s.memory.crash_end = Lsn{9000};
             c.s.findings = Findings{{answer("n2", 9000)}, {}};
         },
         Reason::crash_handover, Kind::cancel_activity},
        {"recovery over the timeout: first the last record",
         [](Case& c) {
             c.s.activity = Activity::start_primary;
             c.s.memory.crashed_at = now - 301s;
         },
         Reason::investigating, Kind::crash_end},
        {"recovery over the timeout, nobody has it all",
         [](Case& c) {
             c.s.activity = Activity::start_primary;
             c.s.memory.crashed_at = now - 301s;
             c.s.memory.crash_end = Lsn{9001};
             c.s.findings = Findings{{answer("n2", 9000)}, {}};
         },
         Reason::action_in_progress},
        {"recovery over the timeout, alone",
         [](Case& c) {
             c.s.activity = Activity::start_primary;
             c.s.memory.crashed_at = now - 301s;
             std::erase_if(c.cluster.members, [](const auto& m) { return m.first != "n1"; });
         },
         Reason::action_in_progress},
        {"a start after a restart of the agent, over the timeout",
         [](Case& c) {
             c.s.activity = Activity::start_primary;
             c.s.memory.crashed_at.reset();
             c.s.activity_since = now - 301s;
         },
         Reason::investigating, Kind::crash_end},
        {"the third crash in a row: first the last record", [](Case& c) { c.s.memory.crashes = 3; },
         Reason::investigating, Kind::crash_end},
        {"the third crash in a row, one has it all",
         [](Case& c) {
             c.s.memory.crashes = 3;
             c.s.memory.crash_end = Lsn{9000};
             c.s.findings = Findings{{answer("n2", 9000)}, {}};
         },
         Reason::crash_handover, Kind::release_lock},
        {"the third crash in a row, nobody has it all",
         [](Case& c) {
             c.s.memory.crashes = 3;
             c.s.memory.crash_end = Lsn{9001};
             c.s.findings = Findings{{answer("n2", 9000)}, {}};
         },
         Reason::restarting_after_failure, Kind::start_primary},
        {"recovery, and the lock is lost",
         [](Case& c) {
             c.s.activity = Activity::start_primary;
             c.cluster.leader.reset();
         },
         Reason::demoting_without_lock, Kind::cancel_activity},
        {"a standby that took the lock and crashed",
         [](Case& c) {
             c.s.instance.standby_signal = true;
             c.s.memory.crashed_at.reset();
         },
         Reason::starting_standby, Kind::start_standby},
    };
    check(+crashed, rows);
}

TEST(Decide, AStandby) {
    const Row rows[] = {
        {"healthy", [](Case&) {}, Reason::following},
        {"another upstream", [](Case& c) { c.s.instance.upstream->port = 5433; }, Reason::changing_upstream,
         Kind::follow},
        {"replicatefrom", [](Case& c) { c.s.tags.replicatefrom = "n3"; }, Reason::changing_upstream, Kind::follow},
        {"replay is paused",
         [](Case& c) {
             c.s.instance.replay_paused = true;
             c.s.instance.server_version = 140'000;
         },
         Reason::resuming_replay, Kind::resume_replay},
        {"... and nobody leads",
         [](Case& c) {
             c.s.instance.replay_paused = true;
             c.s.instance.server_version = 140'000;
             c.cluster.leader.reset();
         },
         Reason::resuming_replay, Kind::resume_replay},
        {"... which 13 does on request only",
         [](Case& c) {
             c.s.instance.replay_paused = true;
             c.s.instance.server_version = 130'000;
         },
         Reason::following},
        {"... in pause",
         [](Case& c) {
             c.s.instance.replay_paused = c.s.settings.pause = true;
             c.s.instance.server_version = 140'000;
         },
         Reason::paused},
        {"replicatefrom a member that is not there", [](Case& c) { c.s.tags.replicatefrom = "n9"; }, Reason::following},
        {"a new leader is compared with", [](Case& c) { c.cluster.leader->created = Revision{20}; },
         Reason::comparing_with_leader, Kind::compare},
        {"nothing arrives: compared again", [](Case& c) { c.s.instance.streaming = false; },
         Reason::comparing_with_leader, Kind::compare},
        {"... but not at once",
         [](Case& c) {
             c.s.instance.streaming = false;
             c.s.memory.compared_at = now - 5s;
         },
         Reason::following},
        {"... nor where nothing is meant to arrive",
         [](Case& c) {
             c.s.instance.streaming = false;
             c.s.tags.nostream = true;
         },
         Reason::following},
        {"shutting down for somebody else",
         [](Case& c) {
             c.s.instance.process = ProcessState::stopping;
             c.s.memory.stopping_since = now - 29s;
         },
         Reason::server_stopping},
        {"... for too long",
         [](Case& c) {
             c.s.instance.process = ProcessState::stopping;
             c.s.memory.stopping_since = now - 30s;
         },
         Reason::ending_stuck_stop, Kind::demote},
        {"... once it is a primary",
         [](Case& c) {
             c.cluster.leader->created = Revision{20};
             c.cluster.members["n1"].role = "replica";
         },
         Reason::following},
        {"diverged", [](Case& c) { c.s.memory.diverged = true; }, Reason::diverged, Kind::demote},
        {"diverged, and nothing may be done about it",
         [](Case& c) {
             c.s.memory.diverged = true;
             c.s.use_rewind = false;
         },
         Reason::following},
        {"stopped", [](Case& c) { c.s.instance.process = ProcessState::stopped; }, Reason::starting_standby,
         Kind::start_standby},
        {"stopped, and the last start failed",
         [](Case& c) {
             c.s.instance.process = ProcessState::stopped;
             c.s.memory.failed_starts = 1;
             c.s.memory.last_failed_start = now - 1s;
         },
         Reason::start_backoff},
        {"running as a primary", [](Case& c) { c.s.instance.in_recovery = false; }, Reason::demoting_without_lock,
         Kind::demote},
        {"empty data directory", [](Case& c) { c.s.instance.data = DataDir::empty; }, Reason::cloning, Kind::clone},
        {"empty, and the leader is no primary yet",
         [](Case& c) {
             c.s.instance.data = DataDir::empty;
             c.cluster.members["n1"].role = "replica";
         },
         Reason::waiting_for_primary},
        {"paused",
         [](Case& c) {
             c.s.settings.pause = true;
             c.s.instance.process = ProcessState::stopped;
         },
         Reason::paused},
    };
    check(standby, rows);
}

TEST(Decide, AStandbyThatDoesNotStart) {
    const auto down = [] {
        Case c = standby();
        c.s.instance.process = ProcessState::stopped;
        c.s.memory.failed_starts = 1;
        c.s.memory.last_failed_start = now - 5s;
        c.s.memory.must_compare = false;
        return c;
    };
    const Row rows[] = {
        {"its WAL may be the reason", [](Case&) {}, Reason::comparing_with_leader, Kind::compare},
        {"that was looked into: again", [](Case& c) { c.s.memory.compared_at = now - 4s; }, Reason::starting_standby,
         Kind::start_standby},
        {"the leader cannot tell yet", [](Case& c) { c.cluster.members["n1"].role = "replica"; },
         Reason::starting_standby, Kind::start_standby},
        {"it was the reason",
         [](Case& c) {
             c.s.memory.diverged = true;
             c.s.use_rewind = true;
         },
         Reason::rewinding, Kind::rewind},
    };
    check(+down, rows);
}

TEST(Decide, AnOldPrimaryRejoins) {
    const auto demoted = [] {
        Case c = cluster_of_three();
        c.s.me = "n3";
        c.s.instance.process = ProcessState::stopped;
        c.s.instance.control->state = ControlState::shut_down;
        c.s.memory.must_compare = true;
        return c;
    };
    const Row rows[] = {
        {"compares first", [](Case&) {}, Reason::comparing_with_leader, Kind::compare},
        {"waits for the leader's promotion", [](Case& c) { c.cluster.members["n1"].role = "replica"; },
         Reason::waiting_for_primary},
        {"not diverged: follows", [](Case& c) { c.s.memory.compared_with = Revision{10}; }, Reason::starting_standby,
         Kind::start_standby},
        {"diverged: rewinds",
         [](Case& c) {
             c.s.memory.compared_with = Revision{10};
             c.s.memory.diverged = true;
         },
         Reason::rewinding, Kind::rewind},
        {"... after the source's checkpoint",
         [](Case& c) {
             c.s.memory.diverged = true;
             c.cluster.members["n1"].checkpoint_after_promote = false;
         },
         Reason::waiting_for_primary},
        {"rewind impossible, may be replaced",
         [](Case& c) { c.s.memory.diverged = c.s.memory.rewind_impossible = c.s.replace_diverged = true; },
         Reason::recloning, Kind::set_aside},
        {"rewind impossible, may not be replaced",
         [](Case& c) { c.s.memory.diverged = c.s.memory.rewind_impossible = true; }, Reason::diverged,
         Kind::start_standby},
    };
    check(+demoted, rows);
}

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
