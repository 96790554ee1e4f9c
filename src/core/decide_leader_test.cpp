// The decision table of the member with the lock.
#include "core/decide_fixture.hpp"

namespace castle::core {
namespace {

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

// The crashed server's last record ends there; n2 has the WAL up to 9000.
void last_record_and_answer(Case& c, Lsn end) {
    c.s.memory.crash_end = end;
    c.s.findings = Findings{{answer("n2", 9000)}, {}};
}
void recovers_since(Case& c, Duration time) {
    c.s.activity = Activity::start_primary;
    c.s.memory.crashed_at = now - time;
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
        {"a start failed: first the last record", [](Case& c) { c.s.memory.failed_starts = 1; }, Reason::investigating,
         Kind::crash_end},
        {"a start failed",
         [](Case& c) {
             c.s.memory.failed_starts = 1;
             c.s.memory.crash_end = Lsn{9000};
         },
         Reason::start_failed_releasing, Kind::release_lock},
        {"a start failed, alone",
         [](Case& c) {
             c.s.memory.failed_starts = 1;
             std::erase_if(c.cluster.members, [](const auto& m) { return m.first != "n1"; });
         },
         Reason::start_failed_releasing, Kind::release_lock},
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
             last_record_and_answer(c, Lsn{9000});
         },
         Reason::crash_handover, Kind::release_lock},
        {"timeout 0: nobody has it all",
         [](Case& c) {
             c.s.settings.primary_start_timeout = 0s;
             last_record_and_answer(c, Lsn{9001});
         },
         Reason::restarting_after_failure, Kind::start_primary},
        {"recovery within the timeout", [](Case& c) { c.s.activity = Activity::start_primary; },
         Reason::action_in_progress},
        {"recovery over the timeout, one has it all",
         [](Case& c) {
             recovers_since(c, 301s);
             last_record_and_answer(c, Lsn{9000});
         },
         Reason::crash_handover, Kind::cancel_activity},
        {"recovery over the timeout: first the last record", [](Case& c) { recovers_since(c, 301s); },
         Reason::investigating, Kind::crash_end},
        {"recovery over the timeout, nobody has it all",
         [](Case& c) {
             recovers_since(c, 301s);
             last_record_and_answer(c, Lsn{9001});
         },
         Reason::action_in_progress},
        {"recovery over twice the timeout, and nobody will ever have it all",
         [](Case& c) {
             recovers_since(c, 601s);
             last_record_and_answer(c, Lsn{9001});
         },
         Reason::crash_handover, Kind::cancel_activity},
        {"recovery over twice the timeout, the others lag too far behind",
         [](Case& c) {
             recovers_since(c, 601s);
             last_record_and_answer(c, Lsn{9001 + (1 << 20)});
         },
         Reason::action_in_progress},
        {"recovery over twice the timeout, and what the other has is of an ended timeline",
         [](Case& c) {
             recovers_since(c, 601s);
             last_record_and_answer(c, Lsn{9001});
             c.s.findings->peers.front().timeline = Timeline{number(c.s.instance.timeline) - 1};
         },
         Reason::action_in_progress},
        {"recovery over the timeout, alone",
         [](Case& c) {
             recovers_since(c, 301s);
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
             last_record_and_answer(c, Lsn{9000});
         },
         Reason::crash_handover, Kind::release_lock},
        {"the third crash in a row, nobody has it all",
         [](Case& c) {
             c.s.memory.crashes = 3;
             last_record_and_answer(c, Lsn{9001});
         },
         Reason::restarting_after_failure, Kind::start_primary},
        {"the third time, but it was the fence that ended it",
         [](Case& c) {
             c.s.memory.crashes = 3;
             c.s.fence.fired = true;
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

TEST(Decide, WhatALeaderWhoseServerCrashedPublishes) {
    EXPECT_EQ(end_to_publish(Lsn{9000}, std::nullopt), Lsn{9000}) << "nobody has looked";
    EXPECT_EQ(end_to_publish(Lsn{9000}, Lsn{8000}), Lsn{8000}) << "the rest is of a record that was not finished";
    EXPECT_EQ(end_to_publish(Lsn{9000}, Lsn{9500}), Lsn{9000}) << "nobody is held to what was not published";
    EXPECT_EQ(end_to_publish(Lsn{}, Lsn{9500}), Lsn{}) << "nor was anything";
}

}  // namespace
}  // namespace castle::core
