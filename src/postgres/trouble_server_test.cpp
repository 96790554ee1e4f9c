// What goes wrong with one server, and how it is told and mended. Real servers.
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include <fstream>

#include "postgres/files.hpp"
#include "postgres/test_server.hpp"
#include "postgres/wal_end.hpp"

namespace castle::postgres {
namespace {

using namespace test;
using core::DataDir;
using core::ProcessState;
using ports::StopMode;

void write(const std::string& path, const std::string& content) {
    std::ofstream(path) << content;
}

std::vector<std::string> beside(const std::string& data_dir, const std::string& mark) {
    std::vector<std::string> found;
    const std::filesystem::path path(data_dir);
    for (const auto& entry : std::filesystem::directory_iterator(path.parent_path()))
        if (entry.path().filename().string().starts_with(path.filename().string() + mark))
            found.push_back(entry.path());
    return found;
}

// pg_controldata is PostgreSQL's own reader of the file that we read.
TEST(Trouble, OurReadingOfPgControlIsPostgresqls) {
    World world;
    Node one(world, "one");
    ASSERT_OK(one.open());
    ASSERT_OK(world.run(one.instance->bootstrap({})));
    ASSERT_OK(one.stop());
    const DataDirState files = read_data_dir(one.options.data_dir);
    ASSERT_TRUE(files.control);
    const InstanceOptions& options = one.options;
    Programs programs(world.loop, options, one.instance->owner());
    auto said = world.run(programs.must(Command{.argv = {*programs.path("pg_controldata"), "-D", options.data_dir}}));
    ASSERT_OK(said);
    const auto line = [&](const std::string& label) {
        const auto at = said->find(label + ":");
        if (at == said->npos) return std::string("missing");
        const auto start = said->find_first_not_of(' ', at + label.size() + 1);
        return said->substr(start, said->find('\n', start) - start);
    };
    const wire::ControlData& control = *files.control;
    EXPECT_EQ(line("Database system identifier"), std::to_string(control.system_id));
    EXPECT_EQ(line("pg_control version number"), std::to_string(control.control_version));
    EXPECT_EQ(line("Database cluster state"), wire::text_of(control.state));
    EXPECT_EQ(line("Latest checkpoint location"), control.checkpoint.text());
    EXPECT_EQ(line("Latest checkpoint's REDO location"), control.redo.text());
    EXPECT_EQ(line("Latest checkpoint's TimeLineID"), std::to_string(number(control.timeline)));
    EXPECT_EQ(line("Minimum recovery ending location"), control.min_recovery_end.text());
    EXPECT_EQ(line("wal_log_hints setting"), control.wal_log_hints ? "on" : "off");
    EXPECT_EQ(line("max_connections setting"), std::to_string(control.max_connections));
    EXPECT_EQ(line("max_worker_processes setting"), std::to_string(control.max_worker_processes));
    EXPECT_EQ(line("max_wal_senders setting"), std::to_string(control.max_wal_senders));
    EXPECT_EQ(line("max_prepared_xacts setting"), std::to_string(control.max_prepared_transactions));
    EXPECT_EQ(line("max_locks_per_xact setting"), std::to_string(control.max_locks_per_transaction));
    EXPECT_EQ(line("Bytes per WAL segment"), std::to_string(control.wal_segment_bytes));
    EXPECT_EQ(line("Data page checksum version"), std::to_string(control.checksum_version));

    // The last record of a server that was shut down cleanly is its shutdown checkpoint.
    auto end = world.run(one.instance->last_record(world.in(10s)));
    ASSERT_OK(end);
    EXPECT_GT(*end, control.checkpoint);
    EXPECT_LT(lag_bytes(*end, control.checkpoint), 300u);
    Site site{world.loop,
              world.journal,
              one.options,
              Programs(world.loop, one.options, *find_owner(one.options.data_dir)),
              {}};
    auto last = world.run(wal_end(site, control.timeline, *end, *end, control.wal_segment_bytes, world.in(10s)));
    ASSERT_OK(last);
    EXPECT_EQ(*last, *end) << "nothing follows";
    EXPECT_FALSE(world.run(wal_end(site, Timeline{9}, *end, *end, control.wal_segment_bytes, world.in(10s))));
}

// Ends its server as a crash does, with what was seen last still in view.
void crash(Node& node) {
    node.look();
    ::kill(node.view().postmaster_pid, SIGKILL);
    ASSERT_TRUE(node.eventually([&] { return node.view().process == ProcessState::stopped; }));
}

// As a disk that becomes full in the middle of a record leaves it: a part of it flushed, and no segment after that.
TEST(Trouble, TheLastRecordIsTheLastWholeOne) {
    World world;
    Node one(world, "one");
    ASSERT_OK(one.open());
    ASSERT_OK(world.run(one.instance->bootstrap({})));
    const std::string message = "SELECT pg_logical_emit_message(true, 'test', repeat('x', 1500000))";
    auto before = Lsn::parse(one.sql(message));
    ASSERT_OK(before);
    auto after = Lsn::parse(one.sql(message));
    ASSERT_OK(after);
    one.sql("SELECT pg_switch_wal()");
    ASSERT_EQ(one.sql("CREATE TABLE in_the_next_segment (i int)"), "");
    ASSERT_NO_FATAL_FAILURE(crash(one));
    auto last = world.run(one.instance->last_record(world.in(30s)));
    ASSERT_OK(last);
    EXPECT_GE(*last, one.view().flushed);

    // A disk that cannot be read is not where the log ends.
    const std::string wal = one.options.data_dir + "/pg_wal/";
    const std::string segment = wal + "000000010000000000000001", next = wal + "000000010000000000000002";
    std::filesystem::remove(next);
    std::filesystem::create_directory(next);
    last = world.run(one.instance->last_record(world.in(30s)));
    EXPECT_FALSE(last);

    auto bytes = read_file(segment, 1 << 30);
    ASSERT_OK(bytes);
    ASSERT_LT(after->offset(), 2 * bytes->size()) << "both messages are in one segment";
    const std::size_t torn = (before->offset() + 1'200'000) % bytes->size();
    bytes->replace(torn, bytes->npos, bytes->size() - torn, '\0');
    ASSERT_OK(write_file(segment, *bytes, 0600, *find_owner(one.options.data_dir)));
    std::filesystem::remove(next);
    last = world.run(one.instance->last_record(world.in(30s)));
    ASSERT_OK(last);
    EXPECT_GE(*last, *before);
    EXPECT_LT(lag_bytes(*last, *before), 1000u) << "what a server at rest writes now and then";
}

// Its control file still names the redo point on the old timeline, which the new one has no segments for.
TEST(Trouble, TheLastRecordOfAServerThatCrashedBeforeItsFirstCheckpointAsPrimary) {
    World world;
    Node one(world, "one"), two(world, "two");
    ASSERT_OK(one.open());
    ASSERT_OK(world.run(one.instance->bootstrap({})));
    ASSERT_OK(one.keep_slots({"two"}));
    ASSERT_OK(two.open());
    ASSERT_OK(world.run(two.instance->clone(one.address(), {})));
    ASSERT_OK(world.run(two.instance->start_standby(one.address(), {})));
    for (int segments = 0; segments < 2; ++segments) {
        ASSERT_EQ(one.sql("CREATE TABLE t" + std::to_string(segments) + " AS SELECT 1 AS i"), "");
        one.sql("SELECT pg_switch_wal()");
    }
    one.look();
    ASSERT_TRUE(two.eventually([&] { return two.view().replayed == one.view().flushed; }));
    const pid_t checkpointer =
        std::stoi(two.sql("SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'"));
    ASSERT_EQ(::kill(checkpointer, SIGSTOP), 0);
    ASSERT_OK(world.run(two.instance->promote(Timeline{2}, {})));
    ASSERT_EQ(two.sql("CREATE TABLE written AS SELECT 1 AS i"), "");
    ASSERT_NO_FATAL_FAILURE(crash(two));
    ::kill(checkpointer, SIGKILL);
    EXPECT_EQ(two.view().control->timeline, Timeline{1}) << "no checkpoint since the promotion";
    auto last = world.run(two.instance->last_record(world.in(30s)));
    ASSERT_OK(last);
    EXPECT_GE(*last, two.view().flushed);
}

TEST(Trouble, CrashRecoveryAfterKillEvenWithABusyBackendLeft) {
    World world;
    Node one(world, "one");
    ASSERT_OK(one.open());
    ASSERT_OK(world.run(one.instance->bootstrap({})));
    EXPECT_EQ(one.sql("CREATE TABLE t AS SELECT 1 AS i"), "");
    auto busy = world.run(one.instance->connect_local("busy", world.in(5s)));
    ASSERT_OK(busy);
    // Never waits, so it does not see that its postmaster is gone.
    auto endless = world.run(
        (*busy)->query("SET statement_timeout = 0; DO $$ BEGIN LOOP PERFORM 1; END LOOP; END $$", world.in(300ms)));
    EXPECT_EQ(endless.error().code, Errc::timed_out);
    const int pid = one.view().postmaster_pid;
    ASSERT_NO_FATAL_FAILURE(crash(one));
    EXPECT_TRUE(one.view().ended_by_itself);
    EXPECT_FALSE(one.view().accepting);
    EXPECT_EQ(one.view().control->state, core::ControlState::in_production);
    EXPECT_FALSE(orphans_of(one.options.data_dir, 0).empty());
    ASSERT_OK(world.run(one.instance->start_primary({})));
    EXPECT_NE(one.view().postmaster_pid, pid);
    EXPECT_TRUE(one.view().running_primary());
    EXPECT_FALSE(one.view().ended_by_itself);
    EXPECT_EQ(one.view().timeline, Timeline{1});
    EXPECT_EQ(one.sql("SELECT i FROM t"), "1");
    EXPECT_TRUE(world.journal.has("outlived their postmaster"));
}

TEST(Trouble, StopEscalatesUntilNothingIsLeft) {
    World world;
    Node one(world, "one");
    ASSERT_OK(one.open());
    ASSERT_OK(world.run(one.instance->bootstrap({})));
    const int pid = one.view().postmaster_pid;
    ::kill(pid, SIGSTOP);
    const BootTime began = world.loop.now();
    ASSERT_OK(world.run(one.instance->stop(StopMode::fast, world.in(200ms))));
    EXPECT_LT(world.loop.now() - began, 12s);
    EXPECT_EQ(one.view().process, ProcessState::stopped);
    EXPECT_FALSE(one.view().ended_by_itself);
    EXPECT_TRUE(orphans_of(one.options.data_dir, 0).empty());
}

TEST(Trouble, ACancelledCloneLeavesNothingAndTheNextOneWorks) {
    World world;
    Node one(world, "one"), two(world, "two");
    ASSERT_OK(one.open());
    ASSERT_OK(world.run(one.instance->bootstrap({})));
    two.policy.basebackup_options.push_back("--max-rate=2M");
    ASSERT_OK(two.open());

    CancelSource cancel;
    const Timer timer(world.loop, world.in(2s), [&] { cancel.cancel(); });
    auto cloned = world.run(two.instance->clone(one.address(), cancel.token()));
    ASSERT_FALSE(cloned);
    EXPECT_EQ(cloned.error().code, Errc::cancelled) << cloned.error().message;
    EXPECT_EQ(two.view().data, DataDir::empty);
    EXPECT_TRUE(std::filesystem::is_empty(two.options.data_dir));

    // As a killed agent leaves it: everything but the control file.
    write(two.options.data_dir + "/PG_VERSION", "15\n");
    write(two.options.data_dir + "/backup_label", "x");
    two.look();
    EXPECT_EQ(two.view().data, DataDir::empty);
    EXPECT_NE(two.view().data_problem.find("unfinished"), std::string::npos);
    two.policy.basebackup_options.pop_back();
    ASSERT_OK(two.open());
    ASSERT_OK(world.run(two.instance->clone(one.address(), {})));
    EXPECT_TRUE(beside(two.options.data_dir, ".aside").empty());

    // A good directory is not given up before the copy is complete.
    two.options.replication.password = "wrong";
    ASSERT_OK(two.open());
    cloned = world.run(two.instance->clone(one.address(), {}));
    ASSERT_FALSE(cloned);
    EXPECT_NE(cloned.error().message.find("password authentication failed for user \"repl\""), std::string::npos)
        << cloned.error().message;
    EXPECT_EQ(cloned.error().message.find("wrong"), std::string::npos);
    EXPECT_EQ(beside(two.options.data_dir, ".aside").size(), 1u);
    two.options.replication.password = one.options.replication.password;
    ASSERT_OK(two.open());
    ASSERT_OK(world.run(two.instance->clone(one.address(), {})));
    EXPECT_TRUE(beside(two.options.data_dir, ".aside").empty());
    ASSERT_OK(world.run(two.instance->start_standby(one.address(), {})));
}

TEST(Trouble, DataDirectoriesThatAreNotOursAreLeftAlone) {
    World world;
    Node one(world, "one");
    std::filesystem::create_directory(one.options.data_dir);
    write(one.options.data_dir + "/letter.txt", "dear all");
    ASSERT_OK(one.open());
    EXPECT_EQ(one.view().data, DataDir::foreign);
    EXPECT_NE(one.view().data_problem.find("PG_VERSION is missing"), std::string::npos);
    EXPECT_FALSE(world.run(one.instance->bootstrap({})));
    EXPECT_FALSE(world.run(one.instance->clone({"x", "127.0.0.1", 1}, {})));
    EXPECT_TRUE(std::filesystem::exists(one.options.data_dir + "/letter.txt"));

    write(one.options.data_dir + "/PG_VERSION", "15\n");
    one.look();
    EXPECT_EQ(one.view().data, DataDir::unreadable);
    std::filesystem::create_directory(one.options.data_dir + "/global");
    write(one.options.data_dir + "/global/pg_control", std::string(8192, 'x'));
    one.look();
    EXPECT_EQ(one.view().data, DataDir::unreadable);
    EXPECT_NE(one.view().data_problem.find("pg_control"), std::string::npos) << one.view().data_problem;
    EXPECT_FALSE(world.run(one.instance->start_primary({})));

    write(one.options.data_dir + "/PG_VERSION", "12\n");
    one.look();
    EXPECT_NE(one.view().data_problem.find("belongs to PostgreSQL 12, but the programs in"), std::string::npos)
        << one.view().data_problem;
    EXPECT_NE(one.view().data_problem.find("are version"), std::string::npos) << one.view().data_problem;
    one.options.bin_dir = "/nowhere";
    auto opened = one.open();
    ASSERT_FALSE(opened);
    EXPECT_NE(opened.error().message.find("postgresql.bin_dir"), std::string::npos);
}

TEST(Trouble, AFailedBootstrapIsMovedAsideAndCanBeRepeated) {
    World world;
    Node one(world, "one");
    one.options.bootstrap.post_bootstrap = "sh -c 'echo no luck >&2; exit 3'";
    ASSERT_OK(one.open());
    auto made = world.run(one.instance->bootstrap({}));
    ASSERT_FALSE(made);
    EXPECT_NE(made.error().message.find("no luck"), std::string::npos) << made.error().message;
    EXPECT_EQ(one.view().process, ProcessState::stopped);
    EXPECT_EQ(one.view().data, DataDir::empty);
    EXPECT_TRUE(std::filesystem::exists(one.options.data_dir + ".failed/PG_VERSION"));
    one.options.bootstrap.post_bootstrap =
        "sh -c 'psql -Atqc \"select current_user\" \"$0\" > " + world.scratch.path() + "/who'";
    ASSERT_OK(one.open());
    ASSERT_OK(world.run(one.instance->bootstrap({})));
    EXPECT_EQ(*read_file(world.scratch.path() + "/who"), "boss\n");
}

TEST(Trouble, SettingsThatCannotBeUsedAreLeftOutAndOthersWaitForARestart) {
    World world;
    Node one(world, "one");
    one.policy.parameters.base["no_such_thing"] = "1";
    one.policy.parameters.base["wal_writer_delay"] = "1h";
    one.policy.parameters.base["my.own"] = "kept";
    one.policy.callbacks["on_reload"] = "sh -c 'echo \"$@\" >> " + world.scratch.path() + "/calls' --";
    ASSERT_OK(one.open());
    ASSERT_OK(world.run(one.instance->bootstrap({})));
    EXPECT_TRUE(world.journal.has("no_such_thing: this version of PostgreSQL has no such parameter"));
    EXPECT_EQ(one.sql("SHOW wal_writer_delay"), "10s");
    EXPECT_EQ(one.sql("SHOW my.own"), "kept");

    one.policy.parameters.base["work_mem"] = "7MB";
    one.policy.parameters.base["max_connections"] = "150";
    ASSERT_OK(world.run(one.instance->configure("{\"x\": 1}", false)));
    EXPECT_EQ(one.sql("SHOW work_mem"), "7MB");
    EXPECT_EQ(*read_file(one.options.data_dir + "/patroni.dynamic.json"), "{\"x\": 1}");
    EXPECT_EQ(one.sql("SHOW max_connections"), "100");
    ASSERT_TRUE(one.view().pending_restart.contains("max_connections"));
    EXPECT_EQ(one.view().pending_restart.at("max_connections").old_value, "100");
    EXPECT_EQ(one.view().pending_restart.at("max_connections").new_value, "150");
    const std::string calls = world.scratch.path() + "/calls";
    ASSERT_TRUE(one.eventually([&] { return read_file(calls) && !read_file(calls)->empty(); }));
    EXPECT_EQ(*read_file(calls), "on_reload primary demo\n");

    // A change by somebody else shows as well.
    EXPECT_EQ(one.sql("ALTER SYSTEM SET max_files_per_process = 2000"), "");
    EXPECT_EQ(one.sql("SELECT pg_reload_conf()"), "t");
    ASSERT_TRUE(one.eventually([&] { return one.view().pending_restart.contains("max_files_per_process"); }));
    EXPECT_EQ(one.view().pending_restart.at("max_files_per_process").new_value, "2000");

    ASSERT_OK(one.stop());
    ASSERT_OK(world.run(one.instance->start_primary({})));
    EXPECT_TRUE(one.view().pending_restart.empty());
    EXPECT_EQ(one.sql("SHOW max_connections"), "150");

    // A file that the server cannot read: told in its own words.
    ASSERT_OK(one.stop());
    std::ofstream(one.options.data_dir + "/postgresql.auto.conf", std::ios::app) << "foo = bar\n";
    const BootTime began = world.loop.now();
    auto started = world.run(one.instance->start_primary({}));
    ASSERT_FALSE(started);
    EXPECT_NE(started.error().message.find("unrecognized configuration parameter \"foo\""), std::string::npos)
        << started.error().message;
    EXPECT_LT(world.loop.now() - began, 5s);
    EXPECT_EQ(one.view().process, ProcessState::stopped);
}

TEST(Trouble, AServerThatSomebodyElseStartedIsNoticedAndServed) {
    World world;
    Node one(world, "one");
    ASSERT_OK(one.open());
    ASSERT_OK(world.run(one.instance->bootstrap({})));
    ASSERT_OK(one.stop());
    Programs programs(world.loop, one.options, one.instance->owner());
    const auto seen = one.instance->changed().count();
    Command command{.argv = {*programs.path("pg_ctl"), "-D", one.options.data_dir, "-l",
                             world.scratch.path() + "/else.log", "-w", "start"}};
    ASSERT_OK(world.run(programs.must(std::move(command), world.in(20s))));
    EXPECT_TRUE(world.run(wait_past(world.loop, one.instance->changed(), seen, world.in(2s))));
    ASSERT_TRUE(one.eventually([&] { return one.view().running_primary() && one.view().accepting; }));
    EXPECT_FALSE(one.view().under_fence);
    // The next agent finds it, too, and can stop it.
    ASSERT_OK(one.open());
    EXPECT_EQ(one.view().process, ProcessState::running);
    ASSERT_OK(one.stop());
    EXPECT_EQ(one.view().control->state, core::ControlState::shut_down);
}

TEST(Trouble, AWrongSuperuserPasswordIsNoReasonToThinkTheServerDead) {
    World world;
    Node one(world, "one");
    ASSERT_OK(one.open());
    ASSERT_OK(world.run(one.instance->bootstrap({})));
    one.options.superuser.password = "wrong";
    ASSERT_OK(one.open());
    one.look();
    EXPECT_EQ(one.view().process, ProcessState::running);
    EXPECT_TRUE(one.view().read_failed);
    EXPECT_FALSE(one.view().in_recovery);  // the control file says so
    EXPECT_TRUE(world.journal.has("password authentication failed for user \"boss\"")) << world.journal.all;
    EXPECT_FALSE(world.journal.has("wrong"));
}

TEST(Trouble, CustomMethodsMakeAClusterAndAReplica) {
    World world;
    Node one(world, "one"), two(world, "two");
    const std::string make = world.scratch.path() + "/make.sh", copy = world.scratch.path() + "/copy.sh";
    write(make, "#!/bin/sh\nfor a; do case $a in --datadir=*) d=${a#*=};; --extra=*) echo \"$@\" >&2;; esac; done\n" +
                    bin_dir() + "/initdb -D $d -U boss --no-sync\n");
    write(copy,
          "#!/bin/sh\nfor a; do case $a in --datadir=*) d=${a#*=};; --connstring=*) c=${a#*=};; esac; done\n"
          "exec " +
              bin_dir() + "/pg_basebackup -D $d -X stream -c fast --no-sync -d \"$c dbname=postgres\"\n");
    one.options.bootstrap.method = "mine";
    one.options.bootstrap.custom = {.command = "sh " + make, .options = {"--extra=1"}};
    ASSERT_OK(one.open());
    ASSERT_OK(world.run(one.instance->bootstrap({})));
    EXPECT_TRUE(world.journal.has("--scope=demo --datadir=" + one.options.data_dir + " --extra=1"));
    EXPECT_TRUE(one.view().running_primary());
    EXPECT_EQ(one.sql("SELECT 1"), "1");
    two.policy.create_replica_methods = {"broken", "mine"};
    two.policy.replica_methods["broken"] = {.command = "sh -c 'exit 7'"};
    two.policy.replica_methods["mine"] = {.command = "sh " + copy};
    ASSERT_OK(two.open());
    ASSERT_OK(world.run(two.instance->clone(one.address(), {})));
    ASSERT_OK(world.run(two.instance->start_standby(one.address(), {})));
    EXPECT_TRUE(two.view().running_standby());
}

TEST(Trouble, AnInterruptedRewindIsNeverStarted) {
    World world;
    Node one(world, "one");
    ASSERT_OK(one.open());
    ASSERT_OK(world.run(one.instance->bootstrap({})));
    ASSERT_OK(one.stop());
    write(one.options.data_dir + ".rewinding", "");
    ASSERT_OK(one.open());
    EXPECT_EQ(one.view().data, DataDir::empty);
    EXPECT_EQ(beside(one.options.data_dir, ".aside").size(), 1u);
    EXPECT_TRUE(beside(one.options.data_dir, ".rewinding").empty());
}

// The same as an ordinary user, which is how most people try it first.
TEST(Trouble, AnOrdinaryUserCanRunIt) {
    const passwd* user = ::getpwnam("postgres");
    if (::geteuid() != 0 || !user) GTEST_SKIP() << "is one already";
    const pid_t child = ::fork();
    if (child == 0) {
        int status = 1;
        if (::setgid(user->pw_gid) == 0 && ::setuid(user->pw_uid) == 0) {
            World world;
            Node one(world, "one");
            const bool fine = one.open() && world.run(one.instance->bootstrap({})) && one.stop() &&
                              world.run(one.instance->start_primary({})) && one.view().accepting && one.stop();
            status = fine ? 0 : 2;
        }
        ::_exit(status);
    }
    int status = -1;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
}  // namespace castle::postgres
