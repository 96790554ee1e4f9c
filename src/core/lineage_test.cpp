#include "core/lineage.hpp"

#include <gtest/gtest.h>

#include <set>

#include "core/evidence.hpp"

namespace castle::core {
namespace {

using namespace std::chrono_literals;

Cluster led_by(const std::string& name, std::int64_t epoch) {
    Cluster cluster;
    cluster.leader = LeaderKey{name, Revision{epoch}, LeaseId{7}};
    Member member;
    member.name = name;
    member.api_url = "http://" + name + "/patroni";
    cluster.members[name] = member;
    return cluster;
}

EvidenceInput input(const Lineage& lineage, BootTime now) {
    return {.last = lineage.last(), .me = "n2", .lease_ended = std::nullopt, .life = 30s, .now = now};
}

TEST(Lineage, RemembersWhoLedAndHowTheFenceWasPublished) {
    Lineage lineage;
    Cluster cluster = led_by("n1", 10);
    lineage.see(cluster, BootTime{1s});
    EXPECT_FALSE(lineage.last().published);
    cluster.last_leadership = Leadership{"n1", Leadership::Fence::on, Revision{10}, LeaseId{7}, Revision{11}};
    lineage.see(cluster, BootTime{2s});
    EXPECT_TRUE(lineage.last().published);
    cluster.leader.reset();
    cluster.members.clear();
    lineage.see(cluster, BootTime{3s});
    lineage.see(cluster, BootTime{4s});
    EXPECT_EQ(lineage.last().unlocked_since, BootTime{3s});
    EXPECT_TRUE(lineage.last().member_key_gone);
    EXPECT_EQ(lineage.last().api_url, "http://n1/patroni");
    EXPECT_EQ(lineage.last().fence, Leadership::Fence::on);
}

TEST(Lineage, APublicationOfAnotherLeadershipDoesNotCount) {
    Lineage lineage;
    Cluster cluster = led_by("n1", 20);
    cluster.last_leadership = Leadership{"n1", Leadership::Fence::released, Revision{10}, LeaseId{7}, Revision{11}};
    lineage.see(cluster, BootTime{1s});
    cluster.leader.reset();
    lineage.see(cluster, BootTime{2s});
    EXPECT_FALSE(lineage.last().published);
}

TEST(Lineage, AfterARestartTheStoresRecordsTell) {
    Lineage lineage;
    Cluster cluster;
    cluster.last_leadership = Leadership{"n1", Leadership::Fence::released, Revision{10}, LeaseId{7}, Revision{11}};
    lineage.see(cluster, BootTime{1s});
    EXPECT_EQ(lineage.last().name, "n1");
    EXPECT_EQ(weigh(input(lineage, BootTime{1s}))->kind(), Evidence::Kind::released);
}

// Its key was deleted by hand, and its deadline was counted by a lease from before ttl became shorter.
TEST(Lineage, ALongerLifeThanTodaysIsWaitedFor) {
    Lineage lineage;
    Cluster cluster = led_by("n1", 10);
    cluster.last_leadership = Leadership{
        .name = "n1", .fence = Leadership::Fence::on, .epoch = Revision{10}, .lease = LeaseId{7}, .life = 40s};
    lineage.see(cluster, BootTime{1s});
    cluster.leader.reset();
    lineage.see(cluster, BootTime{2s});
    EXPECT_FALSE(weigh(input(lineage, BootTime{41s})));
    EXPECT_EQ(weigh(input(lineage, BootTime{42s}))->kind(), Evidence::Kind::waited);
}

TEST(Lineage, ALeadershipBetweenTwoViewsIsNotOverlooked) {
    Lineage lineage;
    Cluster cluster = led_by("n1", 10);
    cluster.last_leadership = Leadership{"n1", Leadership::Fence::on, Revision{10}, LeaseId{7}, Revision{11}};
    lineage.see(cluster, BootTime{1s});
    cluster.leader.reset();
    cluster.members.clear();
    lineage.see(cluster, BootTime{2s});
    // n3 has taken the lock and its keys are gone again, all of it while our watch was away.
    cluster.last_leadership = Leadership{"n3", Leadership::Fence::on, Revision{20}, LeaseId{8}, Revision{21}};
    lineage.see(cluster, BootTime{9s});
    EXPECT_EQ(lineage.last().name, "n3");
    EXPECT_EQ(lineage.last().lease, LeaseId{8});
    EXPECT_EQ(lineage.last().unlocked_since, BootTime{9s});
}

// n1 led, lost its key by hand, led once more under another lease, and then all keys were deleted, the record with
// them.
TEST(Lineage, ALeadershipThatADeletionOfAllKeysHidesIsNotOverlooked) {
    Lineage lineage;
    Cluster cluster = led_by("n1", 10);
    cluster.last_leadership = Leadership{"n1", Leadership::Fence::on, Revision{10}, LeaseId{7}, Revision{11}};
    cluster.leadership_modified = Revision{11};
    lineage.see(cluster, BootTime{1s});
    cluster.leader.reset();
    cluster.members.clear();
    lineage.see(cluster, BootTime{2s});
    lineage.see(Cluster{}, BootTime{9s});
    EvidenceInput weighed = input(lineage, BootTime{38s});
    weighed.lease_ended = true;  // of the lease that we know of
    EXPECT_FALSE(weigh(weighed));
    weighed.now = BootTime{39s};
    EXPECT_EQ(weigh(weighed)->kind(), Evidence::Kind::waited);
}

// n1 gave the lock back, somebody took it, and then all keys were deleted.
TEST(Lineage, AReleaseDoesNotOutliveADeletionOfAllKeys) {
    Lineage lineage;
    Cluster cluster;
    cluster.last_leadership = Leadership{"n1", Leadership::Fence::released, Revision{10}, LeaseId{7}, Revision{11}};
    cluster.leadership_modified = Revision{11};
    lineage.see(cluster, BootTime{1s});
    EXPECT_EQ(weigh(input(lineage, BootTime{1s}))->kind(), Evidence::Kind::released);
    lineage.see(Cluster{}, BootTime{9s});
    EXPECT_FALSE(weigh(input(lineage, BootTime{38s})));
    EXPECT_EQ(weigh(input(lineage, BootTime{39s}))->kind(), Evidence::Kind::waited);
}

TEST(Lineage, AnotherKindOfMemberThatLedAfterUsIsNotOverlooked) {
    Lineage lineage;
    Cluster cluster;
    cluster.last_leadership = Leadership{"n1", Leadership::Fence::released, Revision{10}, LeaseId{7}, Revision{11}};
    cluster.history = {{Timeline{1}, Lsn{1}, "", "2026-01-01", "n3"}};
    cluster.history_modified = Revision{20};
    lineage.see(cluster, BootTime{1s});
    EXPECT_EQ(lineage.last().name, "n3");
    EXPECT_FALSE(weigh(input(lineage, BootTime{1s})));
    EXPECT_EQ(weigh(input(lineage, BootTime{31s}))->kind(), Evidence::Kind::waited);
}

TEST(Lineage, AHistoryThatIsOlderThanTheRecordIsNotTheLastWord) {
    Lineage lineage;
    Cluster cluster;
    cluster.last_leadership = Leadership{"n1", Leadership::Fence::on, Revision{30}, LeaseId{7}, Revision{31}};
    cluster.history = {{Timeline{1}, Lsn{1}, "", "2026-01-01", "n3"}};
    cluster.history_modified = Revision{20};
    lineage.see(cluster, BootTime{1s});
    EXPECT_EQ(lineage.last().name, "n1");
}

TEST(Lineage, AKeyDeletedByHandIsNoLapseEvenIfTheLeaseIsRevokedLater) {
    Lineage lineage;
    Cluster cluster = led_by("n1", 10);
    lineage.see(cluster, BootTime{1s});
    cluster.leader.reset();
    lineage.see(cluster, BootTime{2s});
    cluster.members.clear();
    lineage.see(cluster, BootTime{3s});
    EXPECT_TRUE(lineage.last().vanished_alone);
}

TEST(Lineage, WhatTheStoreToldOfALeaseHoldsForThatLeaseOnly) {
    Lineage lineage;
    Cluster cluster = led_by("n1", 10);
    lineage.see(cluster, BootTime{1s});
    lineage.see_lease(LeaseId{8}, {.lapses_from = BootTime{30s}, .asked = BootTime{1s}});
    EXPECT_FALSE(lineage.last().told);
    lineage.see_lease(LeaseId{7}, {.lapses_from = BootTime{30s}, .asked = BootTime{1s}});
    lineage.see_lease(LeaseId{7}, {.lapses_from = BootTime{29s}, .asked = BootTime{2s}});  // rounded down
    ASSERT_TRUE(lineage.last().told);
    EXPECT_EQ(lineage.last().told->lapses_from, BootTime{30s});
    EXPECT_EQ(lineage.last().told->asked, BootTime{2s});
    cluster.leader->lease = LeaseId{8};
    lineage.see(cluster, BootTime{3s});
    EXPECT_FALSE(lineage.last().told);
}

// The store tells whole seconds. Answers that follow each other closely, the last of them soon after a second's
// beginning, tell the end to the time between them.
TEST(Lineage, AnswersThatTheLeaseWasNotRenewedBetweenSpeakOfTheSameEnd) {
    // Answered 10 ms after it was asked, of a lease of 5 s.
    const auto told = [](Duration asked, Duration left, std::uint64_t term = 1) {
        return LeaseTold::heard(BootTime{asked}, BootTime{asked + 10ms}, left, 5s, term);
    };
    struct Row {
        std::string_view what;
        LeaseTold first, second;
        Duration from, before;
        std::optional<Duration> out_by;
    };
    const Row rows[] = {
        {"the last second began between them", told(13s, 1s), told(13'100ms, 0s), 14s, 14'110ms, 14'160ms},
        {"both in the last second", told(13'100ms, 0s), told(13'900ms, 0s), 13'900ms, 14'110ms, 14'160ms},
        {"it may have been renewed in between", told(13'100ms, 0s), told(17s, 0s), 17s, 18'010ms, 18'060ms},
        {"it was renewed in between", told(13'100ms, 0s), told(13'200ms, 4s), 17'200ms, 18'210ms, {}},
        {"another leader of the store said the second", told(13'100ms, 0s), told(13'900ms, 0s, 2), 13'900ms, 14'910ms,
         14'960ms},
        {"before its last second it is not known so well", told(12s, 2s), told(13s, 1s), 14s, 15'010ms, {}},
    };
    for (const Row& row : rows) {
        SCOPED_TRACE(row.what);
        Lineage lineage;
        lineage.see(led_by("n1", 10), BootTime{1s});
        lineage.see_lease(LeaseId{7}, row.first);
        lineage.see_lease(LeaseId{7}, row.second);
        ASSERT_TRUE(lineage.last().told);
        EXPECT_EQ(lineage.last().told->lapses_from, BootTime{row.from});
        EXPECT_EQ(lineage.last().told->lapses_before, BootTime{row.before});
        EXPECT_EQ(lineage.last().told->out_by, row.out_by ? std::optional(BootTime{*row.out_by}) : std::nullopt);
    }
}

// n1 led with an armed fence, n3 followed; then the store is another one.
Lineage replaced(Cluster now) {
    Lineage lineage;
    Cluster before = led_by("n1", 100);
    before.incarnation = 1;
    before.initialize = "7277694203142172922";
    before.last_leadership =
        Leadership{"n1", Leadership::Fence::on, Revision{100}, LeaseId{7}, Revision{101}, Timeline{4}};
    before.members["n3"].name = "n3";
    before.members["n3"].api_url = "http://n3/patroni";
    lineage.see(before, BootTime{1s});
    now.incarnation = 2;
    lineage.see(now, BootTime{100s});
    return lineage;
}
EvidenceInput input_elsewhere(const Lineage& lineage, BootTime now, const PeerStatus* of_n1 = nullptr,
                              const PeerStatus* of_n3 = nullptr) {
    EvidenceInput in = input(lineage, now);
    in.lease_ended = true;  // of course: the new store has never heard of it
    for (const LastLeader& before : lineage.elsewhere())
        in.elsewhere.push_back({&before, before.name == "n1" ? of_n1 : of_n3});
    return in;
}

TEST(Lineage, AReplacedStoreSaysNothingAboutWhoLedBefore) {
    PeerStatus done, unsure;
    done.answered = done.surely_not_primary = true;
    unsure.answered = true;
    const Lineage lineage = replaced({});
    EXPECT_EQ(lineage.system_id(), "7277694203142172922");
    EXPECT_EQ(lineage.newest_timeline(), Timeline{4});
    EXPECT_TRUE(lineage.may_have_missed());
    ASSERT_EQ(lineage.elsewhere().size(), 2u);
    EXPECT_FALSE(weigh(input_elsewhere(lineage, BootTime{101s})));
    EXPECT_FALSE(weigh(input_elsewhere(lineage, BootTime{101s}, &done)));  // n3 may have followed before the end
    EXPECT_FALSE(weigh(input_elsewhere(lineage, BootTime{101s}, &done, &unsure)));
    EXPECT_EQ(weigh(input_elsewhere(lineage, BootTime{101s}, &done, &done))->kind(), Evidence::Kind::answered);
    EXPECT_EQ(weigh(input_elsewhere(lineage, BootTime{130s}))->kind(), Evidence::Kind::waited);
    EXPECT_FALSE(weigh(input_elsewhere(lineage, BootTime{130s}, &unsure)));
}

TEST(Lineage, TheLockTakenInTheNewStoreEndsTheDoubt) {
    Cluster left = led_by("n3", 50);
    left.revision = Revision{60};
    left.leader->modified = Revision{50};
    Lineage lineage = replaced(left);
    EXPECT_TRUE(lineage.left_over(*left.leader));
    EXPECT_FALSE(lineage.elsewhere().empty());
    Cluster again = led_by("n1", 61);
    again.incarnation = 2;
    again.leader->modified = Revision{61};
    lineage.see(again, BootTime{101s});
    EXPECT_FALSE(lineage.left_over(*again.leader));
    EXPECT_TRUE(lineage.elsewhere().empty());

    // Taken and gone again between two looks.
    Lineage late = replaced({});
    Cluster gone;
    gone.incarnation = 2;
    gone.last_leadership = Leadership{"n3", Leadership::Fence::on, Revision{5}, LeaseId{9}, Revision{6}};
    gone.leadership_modified = Revision{6};
    late.see(gone, BootTime{140s});
    EXPECT_TRUE(late.elsewhere().empty());
    EXPECT_FALSE(weigh(input(late, BootTime{141s})));
}

// It registered again before our first look at the new store, and led there until its key was deleted by hand.
TEST(Lineage, AKeyThatWasThereAtTheFirstLookMayHaveBeenTakenInThisStore) {
    Cluster again = led_by("n1", 60);
    again.revision = Revision{61};
    again.leader->modified = Revision{60};
    Lineage lineage = replaced(again);
    again.incarnation = 2;
    again.leader.reset();
    lineage.see(again, BootTime{150s});
    EXPECT_FALSE(weigh(input_elsewhere(lineage, BootTime{151s})));
    EXPECT_EQ(waited_at(input_elsewhere(lineage, BootTime{151s})), BootTime{180s});
    EXPECT_EQ(weigh(input_elsewhere(lineage, BootTime{180s}))->kind(), Evidence::Kind::waited);
}

// Its agent was started anew while the store was empty, and then that store was replaced, too: there may be others.
TEST(Lineage, WhoeverKnowsNobodyWaits) {
    Cluster empty;
    empty.incarnation = 1;
    empty.members["n2"].name = "n2";
    empty.members["n2"].api_url = "http://n2/patroni";
    Lineage lineage;
    lineage.see(empty, BootTime{1s});
    empty.incarnation = 2;
    lineage.see(empty, BootTime{10s});
    EXPECT_FALSE(weigh(input_elsewhere(lineage, BootTime{39s})));
    EXPECT_EQ(weigh(input_elsewhere(lineage, BootTime{40s}))->kind(), Evidence::Kind::waited);
}

TEST(Lineage, EachMemberInDoubtHasATimelineOfItsOwn) {
    std::set<Timeline> timelines;
    for (std::uint32_t newest = 4; newest < 14; ++newest) {  // each has seen something else
        Cluster left;
        left.members["n9"].timeline = Timeline{newest};
        const Lineage lineage = replaced(left);
        ASSERT_EQ(lineage.newest_timeline(), Timeline{newest});
        const Timeline own = lineage.timeline_in_doubt("pg-node-" + std::to_string(newest % 10));
        EXPECT_GT(own, Timeline{newest + 1});
        EXPECT_LT(own, Timeline{newest + 8 + 97}) << "every standby fetches a file for each number that is left out";
        timelines.insert(own);
    }
    EXPECT_EQ(timelines.size(), 10u);
}

TEST(Evidence, EachKindNeedsWhatItSays) {
    LastLeader last{.name = "n1",
                    .epoch = Revision{10},
                    .lease = LeaseId{7},
                    .fence = Leadership::Fence::on,
                    .published = true,
                    .member_key_gone = true,
                    .seen_leading = true,
                    .unlocked_since = BootTime{100s},
                    .told = LeaseTold{.lapses_from = BootTime{99s},
                                      .lapses_before = BootTime{100s},
                                      .asked = BootTime{95s},
                                      .life = 30s,
                                      .term = 3}};
    PeerStatus stopped;
    stopped.answered = stopped.surely_not_primary = true;
    PeerStatus unsure;
    unsure.answered = true;
    const auto kind = [&](auto change) -> std::string {
        LastLeader l = last;
        EvidenceInput in{.last = l,
                         .me = "n2",
                         .lease_ended = true,
                         .store_term = 3,
                         .told_max = 21s,
                         .life = 30s,
                         .now = BootTime{101s}};
        change(l, in);
        const auto evidence = weigh(in);
        return evidence ? std::string(name_of(evidence->kind())) : "none";
    };
    const auto ends_from = [](LastLeader& l, Duration at) {
        l.told->lapses_from = BootTime{at};
        l.told->lapses_before = BootTime{at + 1s};
    };
    EXPECT_EQ(kind([](auto&, auto&) {}), "fenced lapse");
    // Revoked by hand: gone before it can have run out. Then its deadline counts, and the last renewal may have been
    // just now.
    EXPECT_EQ(kind([&](LastLeader& l, auto&) { ends_from(l, 102s); }), "none");
    EXPECT_EQ(kind([&](LastLeader& l, EvidenceInput& in) {
                  ends_from(l, 102s);
                  in.now = BootTime{129s};
              }),
              "none");
    EXPECT_EQ(kind([&](LastLeader& l, EvidenceInput& in) {
                  ends_from(l, 102s);
                  in.now = BootTime{130s};
              }),
              "waited for its life");
    EXPECT_EQ(kind([&](LastLeader& l, auto&) { ends_from(l, 101s); }),
              "fenced lapse");                                                             // clocks differ a little
    EXPECT_EQ(kind([](LastLeader& l, auto&) { l.told.reset(); }), "none");                 // the store has not told
    EXPECT_EQ(kind([](LastLeader& l, auto&) { l.told->asked = BootTime{78s}; }), "none");  // too long ago
    EXPECT_EQ(kind([](LastLeader& l, auto&) { l.told->term = 2; }), "none");  // another leads the store since
    // Of a short life the store tells whole seconds only: it may have lived almost one more, unless more is known.
    EXPECT_EQ(kind([&](LastLeader& l, EvidenceInput& in) {
                  l.told->life = 5s;
                  ends_from(l, 100s);
                  in.now = BootTime{100'700ms};
              }),
              "none");
    EXPECT_EQ(kind([&](LastLeader& l, EvidenceInput& in) {
                  l.told->life = 5s;
                  ends_from(l, 100s);
                  in.now = BootTime{100'800ms};
              }),
              "fenced lapse");
    EXPECT_EQ(kind([](LastLeader& l, EvidenceInput& in) {
                  l.told->life = 5s;
                  l.told->lapses_from = BootTime{99'900ms};
                  l.told->lapses_before = BootTime{100s};
                  in.now = BootTime{100s};
              }),
              "fenced lapse");
    EXPECT_EQ(kind([](LastLeader& l, auto&) { l.published = false; }), "bare lapse");
    EXPECT_EQ(kind([](LastLeader& l, auto&) { l.member_key_gone = false; }), "none");
    EXPECT_EQ(kind([](LastLeader& l, auto&) { l.vanished_alone = true; }), "none");
    EXPECT_EQ(kind([](auto&, EvidenceInput& in) { in.lease_ended = false; }), "none");
    EXPECT_EQ(kind([](auto&, EvidenceInput& in) { in.lease_ended = std::nullopt; }), "none");
    EXPECT_EQ(kind([](LastLeader& l, auto&) { l.fence = Leadership::Fence::off; }), "none");
    EXPECT_EQ(kind([](LastLeader& l, EvidenceInput& in) {
                  l.fence = Leadership::Fence::off;
                  in.now = BootTime{9999s};
              }),
              "none");
    EXPECT_EQ(kind([](LastLeader& l, EvidenceInput& in) {
                  l.fence = Leadership::Fence::off;
                  in.forced = true;
              }),
              "forced by an operator");
    EXPECT_EQ(kind([](LastLeader& l, auto&) {
                  l.fence = Leadership::Fence::released;
                  l.member_key_gone = false;
              }),
              "released");
    EXPECT_EQ(kind([&](auto&, EvidenceInput& in) {
                  in.last_leader_answer = &stopped;
                  in.lease_ended = false;
              }),
              "old leader answered");
    EXPECT_EQ(kind([&](auto&, EvidenceInput& in) { in.last_leader_answer = &unsure; }), "none");
    EXPECT_EQ(kind([](auto&, EvidenceInput& in) {
                  in.lease_ended = false;
                  in.now = BootTime{130s};
              }),
              "waited for its life");
    // How long that is, its record tells, if its fence is on; no deadline is counted by more.
    const auto waits = [&](Duration told, Duration now, Leadership::Fence fence = Leadership::Fence::on) {
        return kind([&](LastLeader& l, EvidenceInput& in) {
            l.life = told;
            l.fence = fence;
            in.lease_ended = false;
            in.now = BootTime{now};
        });
    };
    EXPECT_EQ(waits(5s, 104'999ms), "none");
    EXPECT_EQ(waits(5s, 105s), "waited for its life");
    EXPECT_EQ(waits(5s, 105s, Leadership::Fence::off), "none");
    EXPECT_EQ(waits(60s, 130s), "none");
    EXPECT_EQ(waits(0s, 129s), "none");
    EXPECT_EQ(kind([](LastLeader& l, EvidenceInput& in) {
                  l.life = 5s;
                  l.published = false;  // it spoke of another leadership
                  in.lease_ended = false;
                  in.now = BootTime{129s};
              }),
              "none");
    EXPECT_EQ(kind([](LastLeader& l, auto&) { l.name = "n2"; }), "own leadership");
    // All keys were deleted, and we were restarted: somebody may lead whom nothing speaks of.
    const auto nobody = [](LastLeader& l) { l = {.member_key_gone = true, .unlocked_since = BootTime{100s}}; };
    EXPECT_EQ(kind([&](LastLeader& l, EvidenceInput& in) {
                  nobody(l);
                  in.lease_ended = std::nullopt;
              }),
              "none");
    EXPECT_EQ(kind([&](LastLeader& l, EvidenceInput& in) {
                  nobody(l);
                  in.lease_ended = std::nullopt;
                  in.now = BootTime{130s};
              }),
              "waited for its life");
    EXPECT_EQ(kind([&](LastLeader& l, EvidenceInput& in) {
                  nobody(l);
                  in.running_primary_here = true;
              }),
              "own leadership");
}

}  // namespace
}  // namespace castle::core
