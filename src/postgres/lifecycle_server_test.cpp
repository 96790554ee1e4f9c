// One server and its standby through their whole life, on the real thing.
#include <signal.h>

#include "core/cluster.hpp"
#include "postgres/files.hpp"
#include "postgres/test_server.hpp"

namespace castle::postgres {
namespace {

using namespace test;
using core::DataDir;
using core::ProcessState;
using ports::StopMode;
using Divergence = ports::Server::Divergence;

TEST(Lifecycle, PrimaryStandbyPromoteAndRewind) {
    World world;
    Node one(world, "one"), two(world, "two-b");
    ASSERT_OK(one.open());
    EXPECT_EQ(one.view().data, DataDir::empty);
    ASSERT_OK(world.run(one.instance->bootstrap({})));
    EXPECT_TRUE(one.view().accepting);
    EXPECT_TRUE(one.view().running_primary());
    EXPECT_EQ(one.view().timeline, Timeline{1});
    EXPECT_TRUE(one.view().control->checksums);
    EXPECT_EQ(one.view().server_version / 10'000, one.instance->version().major());
    EXPECT_TRUE(core::valid_system_id(one.view().control->system_id));
    EXPECT_EQ(
        one.sql("SELECT string_agg(rolname, ',' ORDER BY rolname) FROM pg_roles WHERE rolname IN ('repl', 'rewinder')"),
        "repl,rewinder");
    EXPECT_EQ(one.sql("SELECT rolsuper FROM pg_roles WHERE rolname = 'boss'"), "t");
    EXPECT_EQ(one.sql("SELECT current_setting('cluster_name')"), "demo");
    EXPECT_EQ(one.sql("CREATE TABLE t (i int)"), "");
    ASSERT_OK(world.run(one.instance->keep_slots({core::slot_name("two-b")}, true)));

    ASSERT_OK(two.open());
    ASSERT_OK(world.run(two.instance->clone(one.address(), {})));
    EXPECT_EQ(two.view().data, DataDir::present);
    ASSERT_OK(world.run(two.instance->start_standby(one.address(), {})));
    ASSERT_TRUE(two.eventually([&] { return two.view().streaming; })) << world.journal.all;
    EXPECT_TRUE(two.view().running_standby());
    EXPECT_TRUE(two.view().follows(one.address()));
    EXPECT_EQ(one.sql("INSERT INTO t VALUES (1)"), "");
    ASSERT_TRUE(one.eventually([&] {
        return one.view().walsenders.size() == 1 && one.view().slots.contains("two_b") &&
               one.view().slots.at("two_b").active;
    }));
    EXPECT_EQ(one.view().walsenders[0].application_name, "two-b");
    ASSERT_TRUE(two.eventually([&] { return two.view().replayed == one.view().flushed; }));

    // The crash of the old primary with a tail that nobody received, and a promotion.
    ASSERT_OK(two.stop());
    EXPECT_EQ(two.view().process, ProcessState::stopped);
    EXPECT_FALSE(two.view().ended_by_itself);
    EXPECT_EQ(two.view().control->state, core::ControlState::shut_down_in_recovery);
    EXPECT_EQ(one.sql("INSERT INTO t SELECT generate_series(2, 1000)"), "");
    ::kill(one.view().postmaster_pid, SIGKILL);
    ASSERT_TRUE(one.eventually([&] { return one.view().process == ProcessState::stopped; }));
    EXPECT_TRUE(one.view().ended_by_itself);
    ASSERT_OK(world.run(two.instance->start_standby(std::nullopt, {})));
    ASSERT_OK(world.run(two.instance->promote(Timeline{0}, {})));
    EXPECT_TRUE(two.view().running_primary());
    EXPECT_EQ(two.view().timeline, Timeline{2});
    EXPECT_EQ(two.view().history.size(), 1u);
    EXPECT_EQ(two.sql("INSERT INTO t VALUES (-1)"), "");

    auto verdict = world.run(one.instance->compare(two.address(), world.in(10s)));
    ASSERT_OK(verdict);
    EXPECT_EQ(*verdict, Divergence::diverged);
    ASSERT_OK(world.run(one.instance->rewind(two.address(), {})));
    EXPECT_FALSE(file_exists(one.options.data_dir + ".rewinding"));
    ASSERT_OK(world.run(two.instance->keep_slots({"one"}, true)));
    ASSERT_OK(world.run(one.instance->start_standby(two.address(), {})));
    ASSERT_TRUE(one.eventually([&] { return one.view().streaming && one.view().timeline == Timeline{2}; }))
        << world.journal.all;
    ASSERT_TRUE(one.eventually([&] { return one.sql("SELECT count(*) FROM t WHERE i < 2") == "2"; }));
    EXPECT_EQ(one.sql("SELECT count(*) FROM t"), "2");
    verdict = world.run(one.instance->compare(two.address(), world.in(10s)));
    ASSERT_OK(verdict);
    EXPECT_EQ(*verdict, Divergence::none);

    // A planned stop of the primary leaves nothing behind that its successor lacks.
    ASSERT_OK(two.stop());
    // Numbers up to 6 may have been used by members that are gone; standbys on older timelines get over the gap.
    ASSERT_OK(world.run(one.instance->promote(Timeline{7}, {})));
    ASSERT_OK(world.run(one.instance->keep_slots({core::slot_name("two-b")}, true)));
    verdict = world.run(two.instance->compare(one.address(), world.in(10s)));
    ASSERT_OK(verdict);
    EXPECT_EQ(*verdict, Divergence::none);
    ASSERT_OK(world.run(two.instance->start_standby(one.address(), {})));
    EXPECT_TRUE(two.eventually([&] { return two.view().streaming && two.view().timeline == Timeline{7}; }));
    if (HasFailure()) std::cerr << world.journal.all;
}

}  // namespace
}  // namespace castle::postgres
