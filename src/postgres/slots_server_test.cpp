// Replication slots on real servers.
#include <gtest/gtest.h>

#include "postgres/test_server.hpp"

namespace castle::postgres::test {
namespace {

Lsn lsn(Node& node, const std::string& expression) {
    const auto value = Lsn::parse(node.sql("SELECT " + expression));
    return value ? *value : Lsn{};
}

void write_some(Node& node) {
    ASSERT_EQ(node.sql("CREATE TABLE IF NOT EXISTS t (i int); INSERT INTO t VALUES (1)"), "");
}

TEST(Slots, AStandbyKeepsWalForAnotherMemberAndMovesTheSlotNoFurtherThanItHasReplayed) {
    World world;
    Node one(world, "one"), two(world, "two");
    ASSERT_OK(one.open());
    ASSERT_OK(world.run(one.instance->bootstrap({})));
    ASSERT_OK(one.keep_slots({"two"}));
    ASSERT_OK(two.open());
    ASSERT_OK(world.run(two.instance->clone(one.address(), {})));
    ASSERT_OK(world.run(two.instance->start_standby(one.address(), {})));
    ASSERT_TRUE(two.eventually([&] { return two.view().streaming; })) << world.journal.all;

    ASSERT_OK(two.keep_slots({"three"}));
    ASSERT_TRUE(two.view().slots.contains("three"));
    const Lsn first = two.view().slots.at("three").restart_lsn;
    ASSERT_TRUE(first.known()) << "it keeps WAL from the beginning";

    write_some(one);
    const Lsn middle = lsn(one, "pg_current_wal_flush_lsn()");
    write_some(one);
    const Lsn end = lsn(one, "pg_current_wal_flush_lsn()");
    ASSERT_TRUE(two.eventually([&] { return two.view().replayed >= end; }));
    const auto advance = [&](Lsn to) { return two.fulfil({{"three", {.expected_active = false, .advance_to = to}}}); };
    ASSERT_OK(advance(middle));
    EXPECT_EQ(two.view().slots.at("three").restart_lsn, middle);
    ASSERT_OK(advance(first));
    EXPECT_EQ(two.view().slots.at("three").restart_lsn, middle) << "never back";
    ASSERT_OK(advance(Lsn{end.offset() + (1 << 30)}));
    EXPECT_GE(two.view().slots.at("three").restart_lsn, end);
    EXPECT_LE(two.view().slots.at("three").restart_lsn, lsn(two, "pg_last_wal_replay_lsn()"));
    EXPECT_FALSE(two.view().slots.at("three").holds_xmin);
    if (HasFailure()) std::cerr << world.journal.all;
}

TEST(Slots, ThoseThatServeNobodyAnyMoreAreMadeAnew) {
    World world;
    Node one(world, "one"), two(world, "two");
    one.options.bootstrap.initdb_options.push_back("--wal-segsize=1");
    one.policy.parameters.base["wal_keep_size"] = "0";
    one.policy.parameters.base["max_slot_wal_keep_size"] = "1MB";
    two.policy.parameters.base["hot_standby_feedback"] = "on";
    two.policy.parameters.base["wal_receiver_status_interval"] = "1s";
    ASSERT_OK(one.open());
    ASSERT_OK(world.run(one.instance->bootstrap({})));
    ASSERT_OK(one.keep_slots({"two", "late"}));
    ASSERT_OK(two.open());
    ASSERT_OK(world.run(two.instance->clone(one.address(), {})));
    ASSERT_OK(world.run(two.instance->start_standby(one.address(), {})));
    ASSERT_TRUE(one.eventually([&] {
        return one.view().slots.at("two").active && one.view().slots.at("two").holds_xmin;
    })) << world.journal.all;
    ASSERT_OK(two.stop());
    ASSERT_TRUE(one.eventually([&] { return !one.view().slots.at("two").active; }));

    // Its standby may come back: it stays. It went to another upstream: nobody would move its horizon any more.
    ASSERT_OK(one.keep_slots({"two", "late"}));
    EXPECT_TRUE(one.view().slots.at("two").holds_xmin);
    ASSERT_OK(one.fulfil({{"two", {}}, {"late", {.expected_active = true, .advance_to = {}}}}));
    EXPECT_FALSE(one.view().slots.at("two").holds_xmin);
    EXPECT_TRUE(one.view().slots.at("two").restart_lsn.known());

    for (int segment = 0; segment < 6; ++segment) {
        write_some(one);
        one.sql("SELECT pg_switch_wal()");
    }
    ASSERT_OK(world.run(one.instance->checkpoint(world.in(10s))));
    one.look();
    ASSERT_TRUE(one.view().slots.at("late").lost);
    ASSERT_OK(one.keep_slots({"two", "late"}));
    EXPECT_FALSE(one.view().slots.at("late").lost);
    EXPECT_TRUE(one.view().slots.at("late").restart_lsn.known());
    EXPECT_TRUE(world.journal.has("dropped replication slot late: the WAL that it kept is gone"));

    // Somebody made one of the other kind under a member's name, and one that is nobody's.
    ASSERT_OK(one.keep_slots({"late"}));
    EXPECT_FALSE(one.view().slots.contains("two"));
    one.sql("SELECT pg_create_physical_replication_slot('lazy')");
    one.sql("SELECT pg_create_physical_replication_slot('mine')");
    core::Settings settings;
    settings.ignore_slots = {{.name = "mine", .type = "physical", .database = {}, .plugin = {}}};
    ASSERT_OK(one.fulfil({{"lazy", {.expected_active = true, .advance_to = {}}}}, settings));
    EXPECT_TRUE(one.view().slots.at("lazy").restart_lsn.known());
    EXPECT_TRUE(one.view().slots.contains("mine"));
    EXPECT_FALSE(one.view().slots.contains("late"));
    if (HasFailure()) std::cerr << world.journal.all;
}

}  // namespace
}  // namespace castle::postgres::test
