// One server and its standby through their whole life, on the real thing.
#include <signal.h>

#include "core/cluster.hpp"
#include "postgres/files.hpp"
#include "postgres/test_server.hpp"
#include "postgres/timelines.hpp"

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
    ASSERT_OK(one.keep_slots({core::slot_name("two-b")}));

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
    ASSERT_OK(two.keep_slots({"one"}));
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
    ASSERT_OK(one.keep_slots({core::slot_name("two-b")}));
    verdict = world.run(two.instance->compare(one.address(), world.in(10s)));
    ASSERT_OK(verdict);
    EXPECT_EQ(*verdict, Divergence::none);
    ASSERT_OK(world.run(two.instance->start_standby(one.address(), {})));
    EXPECT_TRUE(two.eventually([&] { return two.view().streaming && two.view().timeline == Timeline{7}; }));
    if (HasFailure()) std::cerr << world.journal.all;
}

// What a promotion has written when it is cut short, step by step: the server is a standby like any other afterwards.
TEST(Lifecycle, APromotionThatWasCutShortIsForgottenOrRewound) {
    World world;
    Node one(world, "one"), two(world, "two");
    ASSERT_OK(one.open());
    ASSERT_OK(world.run(one.instance->bootstrap({})));
    ASSERT_EQ(one.sql("CREATE TABLE t (i int)"), "");
    ASSERT_OK(one.keep_slots({"two"}));
    ASSERT_OK(two.open());
    ASSERT_OK(world.run(two.instance->clone(one.address(), {})));
    const std::string& data = two.options.data_dir;
    const Owner owner = *find_owner(data);
    const auto start_and_stop_in_step = [&] {
        ASSERT_OK(world.run(two.instance->start_standby(one.address(), {})));
        ASSERT_EQ(one.sql("INSERT INTO t VALUES (1)"), "");
        one.look();
        ASSERT_TRUE(two.eventually([&] { return two.view().streaming && two.view().replayed == one.view().flushed; }))
            << world.journal.all;
        ASSERT_OK(two.stop(StopMode::immediate));
    };
    start_and_stop_in_step();

    // It had kept numbers free.
    ASSERT_OK(reserve_timelines(data, Timeline{1}, Timeline{4}, owner));
    start_and_stop_in_step();

    // It had written its history and copied what its segment begins with.
    ASSERT_OK(reserve_timelines(data, Timeline{1}, Timeline{3}, owner));
    const std::string end = two.view().replayed.text();
    const std::string segment = one.sql("SELECT pg_walfile_name('" + end + "')").substr(8);
    ASSERT_OK(
        write_file(history_file(data, Timeline{3}), "1\t" + end + "\tno recovery target specified\n", 0600, owner));
    auto begun = read_file(data + "/pg_wal/00000001" + segment, 1 << 30);
    ASSERT_OK(begun);
    const auto used = static_cast<std::size_t>(two.view().replayed.offset() % begun->size());
    begun->replace(used, begun->npos, begun->size() - used, '\0');
    ASSERT_OK(write_file(data + "/pg_wal/00000003" + segment, *begun, 0600, owner));
    start_and_stop_in_step();

    // It had written its first record, but no checkpoint, and not yet to the control file that it was primary.
    ASSERT_OK(world.run(two.instance->start_standby(one.address(), {})));
    const pid_t checkpointer =
        std::stoi(two.sql("SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'"));
    ASSERT_EQ(::kill(checkpointer, SIGSTOP), 0);
    const auto control = read_file(data + "/global/pg_control");
    ASSERT_OK(control);
    ASSERT_OK(world.run(two.instance->promote(Timeline{5}, {})));
    ASSERT_EQ(::kill(checkpointer, SIGKILL), 0);
    ASSERT_TRUE(two.eventually([&] { return two.view().process == ProcessState::stopped; }));
    ASSERT_OK(write_file(data + "/global/pg_control", *control, 0600, owner));
    ASSERT_OK(world.run(two.instance->start_standby(one.address(), {})));
    const auto verdict = world.run(two.instance->compare(one.address(), world.in(10s)));
    ASSERT_OK(verdict);
    EXPECT_EQ(*verdict, Divergence::diverged);
    ASSERT_OK(two.stop());
    ASSERT_OK(world.run(two.instance->rewind(one.address(), {})));
    start_and_stop_in_step();

    // Another member's was cut short, and its history had been sent to a standby that runs.
    ASSERT_OK(world.run(two.instance->start_standby(one.address(), {})));
    ASSERT_TRUE(two.eventually([&] { return two.view().streaming; }));
    const Timeline here = two.view().timeline, nobodys{number(here) + 1};
    ASSERT_OK(write_file(history_file(data, nobodys),
                         std::to_string(number(here)) + "\t" + two.view().replayed.text() + "\tcut short\n", 0600,
                         owner));
    ASSERT_OK(one.stop());
    ASSERT_OK(world.run(one.instance->start_primary({})));
    ASSERT_TRUE(two.eventually([&] {
        const auto seen = world.run(two.instance->compare(one.address(), world.in(10s)));
        return seen && *seen == Divergence::diverged;
    }));
    ASSERT_OK(two.stop());
    start_and_stop_in_step();
    if (HasFailure()) std::cerr << world.journal.all;
}

Task<> store(Task<Status> task, std::optional<Status>* result) {
    *result = co_await std::move(task);
}

// A standby that has asked for a walreceiver, shortly after the last one ended, takes the request to be promoted and
// goes on with its pause between two attempts; if the walreceiver was not there yet, nobody ends the pause.
TEST(Lifecycle, APromotionDoesNotWaitForTheNextAttemptToStream) {
    World world;
    Node one(world, "one"), two(world, "two");
    ASSERT_OK(one.open());
    ASSERT_OK(world.run(one.instance->bootstrap({})));
    two.policy.parameters.base["wal_retrieve_retry_interval"] = "1h";
    ASSERT_OK(two.open());
    ASSERT_OK(world.run(two.instance->clone(one.address(), {})));
    ASSERT_OK(one.keep_slots({"two"}));
    ASSERT_OK(world.run(two.instance->start_standby(one.address(), {})));
    ASSERT_TRUE(two.eventually([&] { return two.view().streaming; })) << world.journal.all;
    auto connection = world.run(two.instance->connect_local("test", world.in(10s)));
    ASSERT_OK(connection);
    const auto startup = [&](const std::string& column) {
        const auto rows = world.run(
            (*connection)
                ->query("SELECT " + column + " FROM pg_stat_activity WHERE backend_type = 'startup'", world.in(10s)));
        return rows ? rows->text(0, 0) : "error: " + rows.error().message;
    };
    const auto waits_for = [&](const std::string& event) {
        return two.eventually([&] { return startup("wait_event") == event; });
    };
    const pid_t postmaster = two.view().postmaster_pid, recovery = std::stoi(startup("pid"));

    ASSERT_OK(one.stop());
    ASSERT_TRUE(waits_for("RecoveryRetrieveRetryInterval")) << world.journal.all;
    ASSERT_EQ(::kill(postmaster, SIGSTOP), 0);  // it starts no walreceiver
    EXPECT_EQ(::kill(recovery, SIGHUP), 0);
    EXPECT_TRUE(waits_for("RecoveryWalStream"));

    CancelSource cancel;
    const Timer timer(world.loop, world.in(60s), [&] { cancel.cancel(); });
    std::optional<Status> promoted;
    Scope beside(world.loop);
    beside.spawn(store(two.instance->promote(Timeline{0}, cancel.token()), &promoted));
    EXPECT_TRUE(two.eventually([&] { return file_exists(two.options.data_dir + "/promote"); }));
    EXPECT_EQ(::kill(recovery, SIGUSR2), 0);  // as the postmaster passes it on
    EXPECT_TRUE(waits_for("RecoveryRetrieveRetryInterval"));
    EXPECT_EQ(::kill(postmaster, SIGCONT), 0);
    world.run(beside.drained());
    ASSERT_TRUE(promoted);
    EXPECT_TRUE(*promoted) << promoted->error().message;
    EXPECT_TRUE(two.view().running_primary());
    EXPECT_FALSE(file_exists(two.options.data_dir + "/promote"));
}

TEST(Lifecycle, AStandbyChangesItsUpstreamWithoutARestartAndObeysItsPrimarysMinimums) {
    World world;
    Node one(world, "one"), two(world, "two"), three(world, "three");
    one.policy.parameters.base["max_connections"] = "120";
    one.policy.callbacks["on_role_change"] = "sh -c 'sleep 30; echo late >> " + world.scratch.path() + "/calls' --";
    ASSERT_OK(one.open());
    ASSERT_OK(world.run(one.instance->bootstrap({})));
    ASSERT_OK(one.keep_slots({"two", "three"}));
    ASSERT_OK(two.open());
    ASSERT_OK(world.run(two.instance->clone(one.address(), {})));
    ASSERT_OK(world.run(two.instance->start_standby(one.address(), {})));
    // It is configured with less than its primary has, gets as much, and says that this is not what was asked for.
    EXPECT_EQ(two.sql("SHOW max_connections"), "120");
    ASSERT_TRUE(two.view().pending_restart.contains("max_connections"));
    EXPECT_EQ(two.view().pending_restart.at("max_connections").new_value, "100");

    ASSERT_OK(two.keep_slots({"three"}));
    ASSERT_OK(three.open());
    ASSERT_OK(world.run(three.instance->clone(two.address(), {})));
    ASSERT_OK(world.run(three.instance->start_standby(two.address(), {})));
    ASSERT_TRUE(three.eventually([&] { return three.view().streaming; })) << world.journal.all;
    const int pid = three.view().postmaster_pid;
    ASSERT_OK(world.run(three.instance->follow(one.address())));
    ASSERT_TRUE(three.eventually([&] { return three.view().follows(one.address()) && three.view().streaming; }));
    ASSERT_TRUE(one.eventually([&] { return one.view().walsenders.size() == 2; }));
    EXPECT_EQ(three.view().postmaster_pid, pid);

    // The next agent takes it over as it is: nothing about whom it follows changes by reading the configuration.
    ASSERT_OK(three.open());
    three.look();
    ASSERT_OK(world.run(three.instance->configure("{}", true)));
    EXPECT_EQ(three.sql("SHOW primary_slot_name"), "three");
    EXPECT_TRUE(three.view().follows(one.address()));

    // A new callback ends the one before.
    one.instance->callback("on_role_change", "primary");
    one.policy.callbacks["on_role_change"] = "sh -c 'echo \"$@\" >> " + world.scratch.path() + "/calls' --";
    ASSERT_OK(world.run(one.instance->configure("{}", false)));
    one.instance->callback("on_role_change", "promoted");
    const std::string calls = world.scratch.path() + "/calls";
    ASSERT_TRUE(one.eventually([&] { return read_file(calls) && !read_file(calls)->empty(); }));
    EXPECT_EQ(*read_file(calls), "on_role_change primary demo\n");

    // A slot that nobody wants goes; one that is in use stays and is told of.
    ASSERT_OK(two.stop());
    ASSERT_TRUE(one.eventually([&] { return one.view().walsenders.size() == 1; }));
    ASSERT_OK(one.keep_slots({}));
    one.look();
    EXPECT_FALSE(one.view().slots.contains("two"));
    EXPECT_TRUE(one.view().slots.contains("three"));
    EXPECT_TRUE(world.journal.has("replication slot three should go (nobody needs it), but somebody uses it"));
}

}  // namespace
}  // namespace castle::postgres
