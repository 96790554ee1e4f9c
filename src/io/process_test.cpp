#include "io/process.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include "io/files.hpp"
#include "io/ready.hpp"

namespace castle::io {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr Duration patience = 10s;

SpawnOptions shell(std::string script) {
    return {.argv = {"/bin/sh", "-c", std::move(script)}};
}

Task<Result<Finished>> run(Loop& loop, SpawnOptions options, Duration time = patience) {
    RunLimits limits{.deadline = loop.now() + time, .grace = 200ms};
    co_return co_await run_program(loop, std::move(options), std::move(limits));
}

Task<Status> end_of(Loop& loop, pid_t pid) {
    co_return co_await watch_pid(loop, pid, loop.now() + patience);
}

bool alive(pid_t pid) {
    return ::kill(pid, 0) == 0;
}

// In one round of the loop `first` and `second` are readable; before the turn of `second`, who waited for `first`
// closes it and waits for a process.
Task<Status> end_while_others_close(Loop& loop, pid_t pid) {
    int first[2], second[2];
    if (::pipe(first) != 0 || ::pipe(second) != 0) co_return Error{Errc::failed, "pipe"};
    FdWatch watch_first(loop, first[0]);
    auto watch_second = std::make_unique<FdWatch>(loop, second[0]);
    if (::write(first[1], "x", 1) != 1 || ::write(second[1], "x", 1) != 1) co_return Error{Errc::failed, "write"};
    CASTLE_CO_CHECK(co_await watch_first.ready(Want::read, loop.now() + patience));
    watch_second.reset();
    const Status ended = co_await watch_pid(loop, pid, loop.now() + 200ms);
    for (const int fd : {first[0], first[1], second[0], second[1]}) ::close(fd);
    co_return ended;
}

TEST(Process, IsNotOverWhenAnotherDescriptorWas) {
    Loop loop;
    const Status ended = run_to_end(loop, end_while_others_close(loop, ::getpid()));
    ASSERT_FALSE(ended) << "it lives";
    EXPECT_EQ(ended.error().code, Errc::timed_out);
}

TEST(Process, TellsStatusAndOutput) {
    Loop loop;
    auto finished = run_to_end(loop, run(loop, shell("echo out; echo err >&2; exit 3")));
    ASSERT_TRUE(finished) << finished.error().message;
    EXPECT_EQ(finished->status.code, 3);
    EXPECT_EQ(finished->status.text(), "exit status 3");
    EXPECT_EQ(finished->out, "out\n");
    EXPECT_EQ(finished->err, "err\n");
}

TEST(Process, TellsTheSignalThatKilledIt) {
    Loop loop;
    auto finished = run_to_end(loop, run(loop, shell("kill -9 $$")));
    ASSERT_TRUE(finished);
    EXPECT_EQ(finished->status.signal, 9);
    EXPECT_FALSE(finished->status.success());
}

Task<Result<ExitStatus>> run_into_file(Loop& loop, std::string script, std::string file) {
    SpawnOptions options = shell(std::move(script));
    options.output_file = std::move(file);
    options.new_session = true;
    auto process = co_await Process::start(loop, std::move(options));
    if (!process) co_return std::move(process).error();
    co_return co_await (*process)->wait(loop.now() + patience);
}

TEST(Process, AppendsItsOutputToAFileFromASessionOfItsOwn) {
    Loop loop;
    std::string file = "/tmp/castle-output-XXXXXX";
    ::close(::mkstemp(file.data()));
    for (const char* word : {"one", "two"}) {
        auto ended = run_to_end(
            loop, run_into_file(loop,
                                "read -r _ _ _ _ group session _ </proc/$$/stat; [ $session = $$ ] && echo " +
                                    std::string(word) + "; echo err >&2",
                                file));
        EXPECT_TRUE(ended && ended->success());
    }
    auto content = read_file(file);
    ::unlink(file.c_str());
    ASSERT_TRUE(content);
    EXPECT_EQ(*content, "one\nerr\ntwo\nerr\n");
}

TEST(Process, GetsInputEnvironmentAndDirectory) {
    Loop loop;
    SpawnOptions options = shell("cat; pwd; echo $CASTLE_A-$HOME");
    options.input = std::string(300'000, 'z') + "\n";
    options.cwd = "/";
    options.env = {{"CASTLE_A", "a"}, {"HOME", std::nullopt}};
    auto finished = run_to_end(loop, run(loop, options));
    ASSERT_TRUE(finished) << finished.error().message;
    EXPECT_EQ(finished->out, options.input + "/\na-\n");
}

TEST(Process, AProgramThatDoesNotReadItsInputIsNoProblem) {
    Loop loop;
    SpawnOptions options = shell("exit 0");
    options.input = std::string(1'000'000, 'z');
    auto finished = run_to_end(loop, run(loop, options));
    ASSERT_TRUE(finished) << finished.error().message;
    EXPECT_TRUE(finished->status.success());
}

TEST(Process, HasTheDefaultForSigpipe) {
    Loop loop;  // which ignores it
    auto finished = run_to_end(loop, run(loop, shell("kill -PIPE $$; exit 0")));
    ASSERT_TRUE(finished);
    EXPECT_EQ(finished->status.signal, SIGPIPE);
}

TEST(Process, HasTheLimitOfDescriptorsThatWeWereStartedWith) {
    rlimit before{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);  // raised already if another test has made a loop
    Loop loop;
    rlimit now{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &now), 0);
    EXPECT_GE(now.rlim_cur, before.rlim_cur);
    auto finished = run_to_end(loop, run(loop, shell("ulimit -Sn")));
    ASSERT_TRUE(finished);
    EXPECT_LE(std::stoul(finished->out), before.rlim_cur);
}

TEST(Process, AMissingProgramAndDirectoryAreErrors) {
    Loop loop;
    auto program = run_to_end(loop, run(loop, {.argv = {"/nowhere/program"}}));
    ASSERT_FALSE(program);
    EXPECT_EQ(program.error().code, Errc::not_found);
    EXPECT_EQ(program.error().message, "run /nowhere/program: no such file or directory");
    SpawnOptions options = shell("true");
    options.cwd = "/nowhere";
    auto directory = run_to_end(loop, run(loop, options));
    ASSERT_FALSE(directory);
    EXPECT_THAT(directory.error().message, HasSubstr("in /nowhere: no such file"));
}

TEST(Process, LinesArriveOneByOneProgressLinesToo) {
    Loop loop;
    std::vector<std::string> lines;
    RunLimits limits{.deadline = loop.now() + patience};
    limits.on_line = [&](Output, std::string_view line) { lines.emplace_back(line); };
    auto finished = run_to_end(loop, run_program(loop, shell("printf '1%%\\r50%%\\rdone\\nlast'"), limits));
    ASSERT_TRUE(finished);
    EXPECT_THAT(lines, ElementsAre("1%", "50%", "done", "last"));
}

TEST(Process, TheDeadlineKillsIt) {
    Loop loop;
    auto finished = run_to_end(loop, run(loop, shell("exec sleep 100"), 20ms));
    ASSERT_FALSE(finished);
    EXPECT_EQ(finished.error().code, Errc::timed_out);
    EXPECT_EQ(finished.error().message, "sh did not end in time and was killed");
    EXPECT_EQ(finished.error().effect, Effect::unknown);
}

// Cancels as soon as the child has said something.
Task<Result<Finished>> run_and_cancel(Loop& loop, CancelSource& cancel, std::string script) {
    RunLimits limits{.deadline = loop.now() + patience, .cancel = cancel.token(), .grace = 200ms};
    limits.on_line = [&](Output, std::string_view) { cancel.cancel(); };
    co_return co_await run_program(loop, shell(std::move(script)), std::move(limits));
}

TEST(Process, CancellationKillsTheWholeGroup) {
    Loop loop;
    CancelSource cancel;
    // The child of the child ignores SIGTERM and holds the pipe open.
    auto finished = run_to_end(
        loop,
        run_and_cancel(loop, cancel, "/bin/sh -c 'trap \"\" TERM; echo $$ >&2; while :; do sleep 1; done' & wait"));
    ASSERT_FALSE(finished);
    EXPECT_EQ(finished.error().code, Errc::cancelled);
    const auto said = finished.error().message;
    EXPECT_THAT(said, HasSubstr("sh was cancelled and killed; it last said: "));
    EXPECT_TRUE(run_to_end(loop, end_of(loop, std::stoi(said.substr(said.rfind(' '))))));
}

Task<pid_t> start_and_drop(Loop& loop, bool detach) {
    auto started = co_await Process::start(loop, shell("exec sleep 100"));
    if (!started) co_return -1;
    const pid_t pid = (*started)->pid();
    if (detach) (*started)->detach();
    started = Error{};  // the object goes
    co_return pid;
}

TEST(Process, DestroyedItKillsTheChildDetachedItDoesNot) {
    Loop loop;
    const pid_t dropped = run_to_end(loop, start_and_drop(loop, false));
    EXPECT_TRUE(run_to_end(loop, end_of(loop, dropped)));
    const pid_t detached = run_to_end(loop, start_and_drop(loop, true));
    ASSERT_GT(detached, 0);
    EXPECT_TRUE(alive(detached));
    ::kill(detached, SIGKILL);
    EXPECT_TRUE(run_to_end(loop, end_of(loop, detached)));
}

TEST(Process, NobodysPidHasEnded) {
    Loop loop;
    EXPECT_TRUE(run_to_end(loop, end_of(loop, 0x3ffffff)));
}

TEST(Process, RunsAsAnotherUserWithItsGroups) {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    auto user = user_by_name("nobody");
    if (!user) GTEST_SKIP() << "no such user";
    Loop loop;
    SpawnOptions options = shell("id -u; id -G");
    options.run_as = *user;
    auto finished = run_to_end(loop, run(loop, options));
    ASSERT_TRUE(finished) << finished.error().message;
    EXPECT_EQ(finished->out, std::to_string(user->uid) + "\n" + std::to_string(user->gid) + "\n");
}

TEST(Users, TheOwnerOfAFileIsFound) {
    auto root = owner_of("/");
    ASSERT_TRUE(root);
    EXPECT_EQ(root->name, "root");
    EXPECT_FALSE(root->groups.empty());
    EXPECT_EQ(owner_of("/nowhere").error().code, Errc::not_found);
    EXPECT_EQ(user_by_name("no such user").error().code, Errc::not_found);
}

}  // namespace
}  // namespace castle::io
