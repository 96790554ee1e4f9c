#include "core/slots.hpp"

#include <gtest/gtest.h>

namespace castle::core {
namespace {

using Kind = SlotStep::Kind;

// n1 leads; n2 and n3 stream from it, n4 from n2, n5 from a member that is gone; n6 has its WAL from elsewhere.
struct Slots : testing::Test {
    Cluster cluster;
    Settings settings;

    Slots() {
        for (const char* name : {"n1", "n2", "n3", "n4", "n5", "n6"}) {
            Member& member = cluster.members[name];
            member.name = name;
            member.record["version"] = "4.1.4";
            member.position = Lsn{900};
        }
        cluster.members["n4"].tags.replicatefrom = "n2";
        cluster.members["n5"].tags.replicatefrom = "gone";
        cluster.members["n6"].tags.nostream = true;
        cluster.leader = LeaderKey{.name = "n1", .created = Revision{7}, .lease = {}};
        cluster.status.slots = {
            {"n1", Lsn{1000}}, {"n2", Lsn{800}}, {"n3", Lsn{700}}, {"n5", Lsn{600}}, {"away", Lsn{500}}};
    }
    SlotWishes wanted(const char* name, bool nofailover = false) const {
        Tags tags = cluster.member(name)->tags;
        tags.nofailover = nofailover;
        return wanted_slots(cluster, settings,
                            {.name = name, .tags = tags, .leader = cluster.leader && cluster.leader->name == name});
    }
    static std::vector<std::string> names(const SlotWishes& wishes) {
        std::vector<std::string> names;
        for (const auto& [name, wish] : wishes) names.push_back(name);
        return names;
    }
    using Names = std::vector<std::string>;
};

TEST_F(Slots, TheLeaderKeepsOneForEverybodyAndMovesThoseOfCascadedMembersOnly) {
    const SlotWishes expected{{"n2", {true, {}}}, {"n3", {true, {}}}, {"n4", {false, Lsn{900}}}, {"n5", {true, {}}}};
    EXPECT_EQ(wanted("n1"), expected);
}

TEST_F(Slots, WhoeverCanLeadKeepsOneForEverybodyElse) {
    const SlotWishes expected{
        {"n1", {false, Lsn{1000}}}, {"n3", {false, Lsn{700}}}, {"n4", {true, {}}}, {"n5", {false, Lsn{900}}}};
    EXPECT_EQ(wanted("n2"), expected);
    EXPECT_EQ(wanted("n3").at("n4"), (SlotWish{false, Lsn{900}}));
}

TEST_F(Slots, WhoeverTakesOverKeepsTheWalSinceItsLastRestartpoint) {
    cluster.leader.reset();
    cluster.members.erase("n4");
    cluster.members.erase("n5");
    cluster.members.erase("n1");
    cluster.status.retain_slots = {"n1", "n3"};
    settings.permanent_slots["theirs"] = {.kind = PermanentSlot::Kind::physical};
    const auto slot = [](const char* name, std::uint64_t restart, bool active) {
        return Slot{.name = name, .physical = true, .active = active, .restart_lsn = Lsn{restart}};
    };
    const std::map<std::string, Slot> found{
        {"n1", slot("n1", 1000, false)}, {"n3", slot("n3", 700, false)}, {"theirs", slot("theirs", 1000, false)}};
    const auto steps = [&](Lsn redo) {
        const auto wishes = wanted_slots(cluster, settings, {.name = "n2", .tags = {}, .leader = true, .redo = redo});
        std::vector<std::pair<Kind, std::string>> kinds;
        for (const SlotStep& step : slot_steps(wishes, found, settings, false))
            kinds.emplace_back(step.kind, step.name);
        return kinds;
    };
    using Steps = std::vector<std::pair<Kind, std::string>>;
    EXPECT_EQ(steps(Lsn{800}), (Steps{{Kind::drop, "n1"}, {Kind::create, "n1"}}));
    EXPECT_EQ(steps(Lsn{1000}), Steps{});
    EXPECT_EQ(steps({}), Steps{});
}

TEST_F(Slots, OthersKeepThemForTheirDirectClientsOnly) {
    EXPECT_EQ(names(wanted("n2", true)), Names{"n4"});
    EXPECT_TRUE(wanted("n3", true).empty());
    settings.member_slots_ttl = Duration{0};
    EXPECT_EQ(names(wanted("n1")), (Names{"n2", "n3", "n5"}));
    EXPECT_EQ(names(wanted("n2")), Names{"n4"});
    EXPECT_TRUE(wanted("n3").empty());
    EXPECT_EQ(names(wanted("n1", true)), (Names{"n2", "n3", "n5"})) << "it leads, whatever its tag says";
}

TEST_F(Slots, AnOldLeaderOfThePeerDoesNotTellHowFarTheOthersAre) {
    cluster.members["n1"].record["version"] = "3.3.2";
    cluster.status.slots.clear();
    EXPECT_EQ(wanted("n2").at("n3"), (SlotWish{false, Lsn{900}}));
}

TEST_F(Slots, NothingIsMovedWhileNobodyLeads) {
    cluster.leader.reset();
    for (const auto& [name, wish] : wanted("n2")) EXPECT_FALSE(wish.advance_to.known()) << name;
}

TEST_F(Slots, OfTwoMembersThatShareANameTheOneThatIsBehindCounts) {
    cluster.members["N-3"] = cluster.members["n3"];
    cluster.members["N-3"].name = "N-3";
    cluster.members["n.3"] = cluster.members["N-3"];
    cluster.members["n.3"].tags.replicatefrom = "n2";
    cluster.members["n.3"].position = Lsn{300};
    EXPECT_EQ(wanted("n2").at("n_3"), (SlotWish{true, {}}));
}

TEST_F(Slots, MembersThatAreGoneKeepTheirsForAWhile) {
    cluster.status.retain_slots = {"away", "n2", "n3"};
    EXPECT_EQ(wanted("n1").at("away"), (SlotWish{true, {}})) << "it stays where it is";
    EXPECT_EQ(wanted("n2").at("away"), (SlotWish{false, Lsn{500}}));
    EXPECT_FALSE(wanted("n2").contains("n2"));
    EXPECT_FALSE(wanted("n2", true).contains("away"));
    settings.member_slots_ttl = Duration{0};
    EXPECT_FALSE(wanted("n1").contains("away"));
}

TEST_F(Slots, PermanentPhysicalOnesAreKeptByAllThatCanLead) {
    settings.permanent_slots = {{"backup", {}}, {"n2", {}}, {"standby_only", {.where = PermanentSlot::Where::standby}}};
    settings.permanent_slots["logical"] = {.kind = PermanentSlot::Kind::logical, .database = "db", .plugin = "p"};
    cluster.status.slots["backup"] = Lsn{400};
    EXPECT_EQ(wanted("n1").at("backup"), (SlotWish{true, {}}));
    EXPECT_EQ(wanted("n3").at("backup"), (SlotWish{false, Lsn{400}}));
    EXPECT_FALSE(wanted("n2").contains("n2")) << "never one named like oneself";
    EXPECT_FALSE(wanted("n3", true).contains("backup"));
    EXPECT_FALSE(wanted("n1").contains("standby_only"));
    EXPECT_FALSE(wanted("n1").contains("logical"));
    settings.standby_cluster.emplace();
    EXPECT_TRUE(wanted("n1").contains("standby_only"));
}

TEST_F(Slots, StepsMakeWhatIsThereWhatIsWanted) {
    const Slot good{.name = "s", .restart_lsn = Lsn{100}, .confirmed_flush = {}, .plugin = {}, .database = {}};
    struct Row {
        std::string_view rule;
        void (*change)(SlotWish&, Slot&);
        std::vector<SlotStep> expected;
    };
    const SlotStep create{Kind::create, "s", {}, {}};
    const auto drop = [](const char* why) { return SlotStep{Kind::drop, "s", {}, why}; };
    const char* const logical = "it is a logical one, and its name is needed for a physical one";
    const Row rows[] = {
        {"as it should be", [](SlotWish&, Slot&) {}, {}},
        {"further on", [](SlotWish& w, Slot&) { w.advance_to = Lsn{101}; }, {{Kind::advance, "s", Lsn{101}, {}}}},
        {"never back", [](SlotWish& w, Slot&) { w.advance_to = Lsn{99}; }, {}},
        {"in use", [](SlotWish& w, Slot& s) { w.advance_to = Lsn{101}, s.active = true; }, {}},
        {"vacuum is held back for one that may come",
         [](SlotWish& w, Slot& s) { w.expected_active = true, w.advance_to = Lsn{101}, s.holds_xmin = true; },
         {}},
        {"vacuum is held back for nobody",
         [](SlotWish&, Slot& s) { s.holds_xmin = true; },
         {drop("it holds back vacuum for nobody"), create}},
        {"vacuum is held back by one in use", [](SlotWish&, Slot& s) { s.holds_xmin = s.active = true; }, {}},
        {"keeps nothing", [](SlotWish&, Slot& s) { s.restart_lsn = {}; }, {drop("it keeps no WAL"), create}},
        {"lost", [](SlotWish&, Slot& s) { s.lost = true; }, {drop("the WAL that it kept is gone"), create}},
        {"another kind", [](SlotWish&, Slot& s) { s.physical = false; }, {drop(logical), create}},
        {"another kind in use",
         [](SlotWish&, Slot& s) { s.physical = false, s.active = true; },
         {{Kind::blocked, "s", {}, logical}}},
        {"another kind that the server carries over",
         [](SlotWish&, Slot& s) { s.physical = false, s.failover = true; },
         {{Kind::blocked, "s", {}, logical}}},
    };
    for (const Row& row : rows) {
        SCOPED_TRACE(row.rule);
        SlotWish wish;
        Slot slot = good;
        row.change(wish, slot);
        EXPECT_EQ(slot_steps({{"s", wish}}, {{"s", slot}}, settings, true), row.expected);
    }
    EXPECT_EQ(slot_steps({{"s", {}}}, {}, settings, true), std::vector<SlotStep>{create});
}

TEST_F(Slots, UnknownOnesGoUnlessSomebodyElseCaresForThem) {
    const auto steps = [&](const Slot& slot, bool drop_unknown = true) {
        return slot_steps({}, {{slot.name, slot}}, settings, drop_unknown);
    };
    Slot slot{.name = "x", .restart_lsn = Lsn{100}, .confirmed_flush = {}, .plugin = {}, .database = {}};
    EXPECT_EQ(steps(slot), (std::vector<SlotStep>{{Kind::drop, "x", {}, "nobody needs it"}}));
    EXPECT_TRUE(steps(slot, false).empty()) << "in pause";
    slot.active = true;
    EXPECT_EQ(steps(slot)[0].kind, Kind::blocked);
    slot.active = false;
    settings.ignore_slots = {{.name = "x", .type = "logical", .database = {}, .plugin = {}}};
    EXPECT_FALSE(steps(slot).empty()) << "all that is said must fit";
    settings.ignore_slots = {{.name = "x", .type = "physical", .database = {}, .plugin = {}}};
    EXPECT_TRUE(steps(slot).empty());
    settings.ignore_slots.clear();
    slot.failover = true;
    EXPECT_TRUE(steps(slot).empty());
    slot.failover = slot.physical = false;
    settings.permanent_slots["x"] = {.kind = PermanentSlot::Kind::logical, .database = "db", .plugin = "p"};
    EXPECT_TRUE(steps(slot).empty());
    slot.physical = true;
    EXPECT_FALSE(steps(slot).empty());
}

TEST_F(Slots, TheLeaderPublishesThoseOfMembersAndThePermanentOnes) {
    Instance instance;
    instance.flushed = Lsn{2000};
    instance.slots["n2"] = {.name = "n2", .restart_lsn = Lsn{800}, .confirmed_flush = {}, .plugin = {}, .database = {}};
    instance.slots["other"] = instance.slots["n2"];
    instance.slots["n3"] = {.name = "n3", .restart_lsn = {}, .confirmed_flush = {}, .plugin = {}, .database = {}};
    instance.slots["lg"] = {.name = "lg",
                            .physical = false,
                            .restart_lsn = Lsn{1},
                            .confirmed_flush = Lsn{2},
                            .plugin = {},
                            .database = {}};
    settings.permanent_slots["lg"] = {.kind = PermanentSlot::Kind::logical, .database = "db", .plugin = "p"};
    const auto wishes = wanted("n1");
    using Published = std::map<std::string, Lsn>;
    EXPECT_EQ(published_slots(wishes, instance, settings, "n1"),
              (Published{{"lg", Lsn{2}}, {"n1", Lsn{2000}}, {"n2", Lsn{800}}}));
    settings.member_slots_ttl = Duration{0};
    EXPECT_EQ(published_slots(wishes, instance, settings, "n1"), (Published{{"lg", Lsn{2}}, {"n1", Lsn{2000}}}));
    settings.permanent_slots.clear();
    EXPECT_TRUE(published_slots(wishes, instance, settings, "n1").empty());
}

TEST_F(Slots, TheLeaderRemembersWhoWasThere) {
    using namespace std::chrono_literals;
    SlotRetention retention;
    settings.permanent_slots["n5"] = {};
    const auto at = [](Duration time) { return BootTime{time}; };
    retention.see(cluster, settings, Revision{7}, at(0s));
    EXPECT_EQ(retention.names(settings), (Names{"n1", "n2", "n3", "n4"}));
    cluster.members.erase("n3");
    cluster.members["n4"].tags.nostream = true;
    retention.see(cluster, settings, Revision{7}, at(settings.member_slots_ttl - 1s));
    EXPECT_EQ(retention.names(settings), (Names{"n1", "n2", "n3"}));
    retention.see(cluster, settings, Revision{7}, at(settings.member_slots_ttl));
    EXPECT_EQ(retention.names(settings), (Names{"n1", "n2"}));

    // The next leader gives those that are gone the whole time anew.
    cluster.status.retain_slots = {"n1", "n2", "n3"};
    SlotRetention next;
    next.see(cluster, settings, Revision{9}, at(5000s));
    EXPECT_EQ(next.names(settings), (Names{"n1", "n2", "n3"}));
    settings.member_slots_ttl = 0s;
    EXPECT_TRUE(next.names(settings).empty());
}

}  // namespace
}  // namespace castle::core
