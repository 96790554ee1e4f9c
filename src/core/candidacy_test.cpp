#include "core/candidacy.hpp"

#include <gtest/gtest.h>

namespace castle::core {
namespace {

PeerStatus peer(std::string name, std::uint32_t timeline, std::uint64_t position) {
    PeerStatus status;
    status.name = std::move(name);
    status.reached = status.answered = status.running = true;
    status.timeline = Timeline{timeline};
    status.position = Lsn{position};
    return status;
}

TEST(Candidacy, FirstRuleThatAppliesGivesTheAnswer) {
    const Race healthy{.me = "n2",
                       .timeline = Timeline{3},
                       .position = Lsn{9'000},
                       .shared = Lsn{9'000},
                       .others = {peer("n3", 3, 8'000)},
                       .leader_last_seen = Lsn{9'000},
                       .lag_bytes_max = 500,
                       .cluster_timeline = Timeline{3}};
    struct Row {
        std::string_view rule;
        void (*change)(Race&);
        Candidacy expected;
    };
    const Row rows[] = {
        {"nothing against it", [](Race&) {}, Candidacy::may_run},
        {"nofailover", [](Race& r) { r.tags.nofailover = true; }, Candidacy::tagged_nofailover},
        {"lag at the limit", [](Race& r) { r.leader_last_seen = Lsn{9'500}; }, Candidacy::may_run},
        {"lag one byte over", [](Race& r) { r.leader_last_seen = Lsn{9'501}; }, Candidacy::lags_too_far},
        {"WAL behind the fork makes up for no lag",
         [](Race& r) {
             r.leader_last_seen = Lsn{9'500};
             r.shared = Lsn{8'999};
         },
         Candidacy::lags_too_far},
        {"lag does not count by hand",
         [](Race& r) {
             r.leader_last_seen = Lsn{99'999};
             r.check_lag = false;
         },
         Candidacy::may_run},
        {"cluster's timeline, when asked for",
         [](Race& r) {
             r.check_timeline = true;
             r.cluster_timeline = Timeline{4};
         },
         Candidacy::old_timeline},
        {"timeline before WAL", [](Race& r) { r.others[0].timeline = Timeline{4}; }, Candidacy::old_timeline},
        {"other received more", [](Race& r) { r.others[0].position = Lsn{9'001}; }, Candidacy::more_wal},
        {"other received the same", [](Race& r) { r.others[0].position = Lsn{9'000}; }, Candidacy::may_run},
        {"same WAL, higher priority",
         [](Race& r) {
             r.others[0].position = Lsn{9'000};
             r.others[0].tags.failover_priority = 2;
         },
         Candidacy::higher_priority},
        {"higher priority, less WAL", [](Race& r) { r.others[0].tags.failover_priority = 2; }, Candidacy::may_run},
        {"higher priority does not bind the former leader",
         [](Race& r) {
             r.others[0].position = Lsn{9'000};
             r.others[0].tags.failover_priority = 2;
             r.former_leader = "n2";
         },
         Candidacy::may_run},
        {"old timeline's WAL", [](Race& r) { r.others[0] = peer("n3", 2, 9'999); }, Candidacy::may_run},
        {"more WAL, but nofailover",
         [](Race& r) {
             r.others[0].position = Lsn{9'001};
             r.others[0].tags.nofailover = true;
         },
         Candidacy::may_run},
        {"more WAL, but a failed watchdog",
         [](Race& r) {
             r.others[0].position = Lsn{9'001};
             r.others[0].watchdog_failed = true;
         },
         Candidacy::may_run},
        {"more WAL, but no answer",
         [](Race& r) {
             r.others[0].position = Lsn{9'001};
             r.others[0].reached = false;
         },
         Candidacy::may_run},
        {"a primary", [](Race& r) { r.others[0].in_recovery = false; }, Candidacy::primary_alive},
        {"a primary tagged nofailover",
         [](Race& r) {
             r.others[0].in_recovery = false;
             r.others[0].tags.nofailover = true;
         },
         Candidacy::primary_alive},
        {"my own answer", [](Race& r) { r.others[0] = peer("n2", 4, 99'999); }, Candidacy::may_run},
    };
    for (const Row& row : rows) {
        SCOPED_TRACE(row.rule);
        Race race = healthy;
        row.change(race);
        EXPECT_EQ(name_of(judge(race).candidacy), name_of(row.expected));
    }
}

TEST(HandOver, NeedsOneWhoCan) {
    const HandOver healthy{
        .others = {peer("n2", 1, 900)}, .leader_position = Lsn{1000}, .lag_bytes_max = 100, .timeline = Timeline{1}};
    struct Row {
        std::string_view rule;
        void (*change)(HandOver&);
        bool expected;
    };
    const Row rows[] = {
        {"within the lag", [](HandOver&) {}, true},
        {"a byte too far", [](HandOver& h) { h.leader_position = Lsn{1001}; }, false},
        {"has what must not be lost",
         [](HandOver& h) {
             h.at_least = Lsn{900};
             h.leader_position = Lsn{9999};
         },
         true},
        {"lacks a byte of it", [](HandOver& h) { h.at_least = Lsn{901}; }, false},
        {"has as much, of a timeline that ended",
         [](HandOver& h) {
             h.at_least = Lsn{900};
             h.timeline = Timeline{2};
         },
         false},
        {"another is asked for", [](HandOver& h) { h.candidate = "n3"; }, false},
        {"it is asked for", [](HandOver& h) { h.candidate = "n2"; }, true},
        {"nofailover", [](HandOver& h) { h.others[0].tags.nofailover = true; }, false},
        {"not reached", [](HandOver& h) { h.others[0].reached = false; }, false},
        {"a primary already", [](HandOver& h) { h.others[0].in_recovery = false; }, false},
        {"older timeline, if that counts",
         [](HandOver& h) {
             h.check_timeline = true;
             h.timeline = Timeline{2};
         },
         false},
        {"nobody there", [](HandOver& h) { h.others.clear(); }, false},
    };
    for (const Row& row : rows) {
        SCOPED_TRACE(row.rule);
        HandOver hand_over = healthy;
        row.change(hand_over);
        EXPECT_EQ(possible(hand_over), row.expected);
    }
}

TEST(Successors, AreThoseThatNobodyIsPreferredTo) {
    const auto add = [](Cluster& cluster, std::string name, Tags tags) {
        Member& member = cluster.members[name];
        member.name = name;
        member.api_url = "http://" + name + ":8008/patroni";
        member.tags = std::move(tags);
    };
    Cluster healthy;
    for (const char* name : {"n1", "n2", "n3"}) add(healthy, name, {});
    struct Row {
        std::string_view rule;
        void (*change)(Cluster&);
        std::vector<std::string> expected;
    };
    const Row rows[] = {
        {"all the others", [](Cluster&) {}, {"n2", "n3"}},
        {"nofailover", [](Cluster& c) { c.members["n2"].tags = {.nofailover = true, .failover_priority = 0}; }, {"n3"}},
        {"a higher priority", [](Cluster& c) { c.members["n3"].tags.failover_priority = 2; }, {"n3"}},
        {"a lower priority", [](Cluster& c) { c.members["n2"].tags.failover_priority = 2; }, {"n2"}},
        {"the leader's own does not matter",
         [](Cluster& c) { c.members["n1"].tags.failover_priority = 9; },
         {"n2", "n3"}},
        {"asked for",
         [](Cluster& c) {
             c.members["n2"].tags.failover_priority = 2;
             c.failover = FailoverRequest{.leader = "n1", .candidate = "n3"};
         },
         {"n3"}},
        {"asked for, and not there", [](Cluster& c) { c.failover = FailoverRequest{.candidate = "n4"}; }, {}},
        {"cannot be asked", [](Cluster& c) { c.members["n2"].api_url.clear(); }, {"n3"}},
    };
    for (const Row& row : rows) {
        SCOPED_TRACE(row.rule);
        Cluster cluster = healthy;
        row.change(cluster);
        std::vector<std::string> names;
        for (const Member& member : successors(cluster, "n1")) names.push_back(member.name);
        EXPECT_EQ(names, row.expected);
    }
}

}  // namespace
}  // namespace castle::core
