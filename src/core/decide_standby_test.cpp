// The decision table of whoever follows, or should.
#include "core/decide_fixture.hpp"

namespace castle::core {
namespace {

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
        {"... while it is compared with the leader",
         [](Case& c) {
             c.s.instance.in_recovery = false;
             c.s.activity = Activity::compare;
         },
         Reason::demoting_without_lock, Kind::demote},
        {"... while its files are replaced",
         [](Case& c) {
             c.s.instance.in_recovery = false;
             c.s.activity = Activity::rewind;
         },
         Reason::action_in_progress},
        {"a standby while it is compared", [](Case& c) { c.s.activity = Activity::compare; },
         Reason::action_in_progress},
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

}  // namespace
}  // namespace castle::core
