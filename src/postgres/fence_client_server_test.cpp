// The agent's side of the fence, with the real program and a real server.
#include <gmock/gmock.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include "fence/fence_fixture.hpp"
#include "postgres/fence_client.hpp"
#include "postgres/fence_client_launcher.hpp"

namespace castle::postgres {
namespace {

using namespace std::chrono_literals;
using fence::test::FenceFixture;
using fence::test::postgres_program;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr Duration patience = 20s;

class Lines final : public ports::Journal {
public:
    void write(ports::Level, std::string_view text) override { lines_.emplace_back(text); }
    bool contain(std::string_view text) const {
        return std::ranges::any_of(lines_, [&](const std::string& line) { return line.find(text) != line.npos; });
    }

private:
    std::vector<std::string> lines_;
};

class FenceClientTest : public FenceFixture {
protected:
    void SetUp() override {
        FenceFixture::SetUp();
        if (!IsSkipped()) client_ = make_client();
    }
    void TearDown() override {
        client_.reset();
        FenceFixture::TearDown();
    }
    FenceOptions options() const {
        return {.program = directory_ / "pgcastle-fence",
                .member = "demo/pg1",
                .runtime_dir = directory_ / "run",
                .data_dir = data_,
                .use_cgroup = GetParam().use_cgroup};
    }
    std::unique_ptr<FenceClient> make_client() { return std::make_unique<FenceClient>(loop_, journal_, options()); }

    void open() {
        const Status opened = io::run_to_end(loop_, client_->open(loop_.now() + patience));
        ASSERT_TRUE(opened) << opened.error().message;
        fence_ = client_->report().numbers.fence;
    }
    FencedServer server() const {
        FencedServer server;
        server.argv = {postgres_program("postgres"), "-D", data_};
        server.environment = {"LC_ALL=C"};
        if (const passwd* user = ::getpwnam(server_user_.c_str())) {
            server.gid = user->pw_gid;
            server.groups = {user->pw_gid};
        }
        return server;
    }
    Result<pid_t> start() { return io::run_to_end(loop_, client_->start_server(server(), loop_.now() + patience)); }
    void start_and_wait() {
        const auto started = start();
        ASSERT_TRUE(started) << started.error().message;
        cgroup_ = client_->report().cgroup;
        ASSERT_TRUE(accepts_connections(30s));
    }
    Status run(Task<Status> task) { return io::run_to_end(loop_, std::move(task)); }
    // Lets the loop run until the condition holds.
    bool comes_true(std::function<bool()> condition, Duration limit = patience) {
        return io::run_to_end(loop_, watch(loop_, std::move(condition), loop_.now() + limit));
    }
    static Task<bool> watch(io::Loop& loop, std::function<bool()> condition, BootTime deadline) {
        while (!condition()) {
            if (loop.now() >= deadline) co_return false;
            co_await sleep_for(loop, 2ms);
        }
        co_return true;
    }

    io::Loop loop_;
    Lines journal_;
    std::unique_ptr<FenceClient> client_;
};

TEST_P(FenceClientTest, StartsAFenceThatStartsAServer) {
    EXPECT_FALSE(client_->state().attached);
    ASSERT_NO_FATAL_FAILURE(open());
    EXPECT_TRUE(client_->state().attached);
    EXPECT_FALSE(client_->state().server_running);
    ASSERT_NO_FATAL_FAILURE(start_and_wait());
    EXPECT_TRUE(client_->state().server_running);
    EXPECT_TRUE(client_->guards(client_->state().server_pid));
    EXPECT_FALSE(client_->guards(fence_));
    ASSERT_TRUE(run(client_->signal_server(SIGINT)));
    EXPECT_TRUE(comes_true([&] { return !client_->state().server_running; }));
    EXPECT_FALSE(client_->state().fired) << "it was stopped, not killed";
    EXPECT_EQ(run(client_->signal_server(SIGINT)).error().code, Errc::not_found);
    ASSERT_TRUE(run(client_->end()));
    EXPECT_TRUE(fence::test::eventually(5s, [&] { return !fence::test::is_alive(fence_); }));
}

TEST_P(FenceClientTest, TheDeadlineIsTheOneThatWasMeantAndFires) {
    ASSERT_NO_FATAL_FAILURE(open());
    ASSERT_NO_FATAL_FAILURE(start_and_wait());
    EXPECT_EQ(run(client_->extend(Revision{5}, loop_.now() + 10s, 0ms)).error().code, Errc::conflict) << "not armed";
    EXPECT_EQ(run(client_->arm(Revision{5}, loop_.now() - 1ms, 0ms)).error().code, Errc::timed_out);
    ASSERT_TRUE(run(client_->arm(Revision{5}, loop_.now() + 60s, 0ms)));
    EXPECT_EQ(run(client_->extend(Revision{4}, loop_.now() + 70s, 0ms)).error().code, Errc::conflict)
        << "another leadership";
    const BootTime until = loop_.now() + 80s;
    const auto changes = client_->changed().count();
    ASSERT_TRUE(run(client_->extend(Revision{5}, until, 0ms)));
    EXPECT_EQ(client_->changed().count(), changes) << "a renewal is no news";
    EXPECT_TRUE(client_->state().armed);
    EXPECT_EQ(client_->state().epoch, Revision{5});
    EXPECT_NEAR(static_cast<double>((client_->state().deadline - until).count()), 0, 2);

    const BootTime near = loop_.now() + 300ms;
    ASSERT_TRUE(run(client_->arm(Revision{6}, near, 0ms)));
    ASSERT_TRUE(comes_true([&] { return client_->state().fired; }));
    EXPECT_GE(loop_.now(), near);
    EXPECT_THAT(server_processes(), IsEmpty());
    EXPECT_FALSE(client_->state().armed);
    EXPECT_FALSE(client_->state().server_running);
    EXPECT_TRUE(journal_.contain("the fence has killed the server"));
    ASSERT_NO_FATAL_FAILURE(start_and_wait());
    EXPECT_FALSE(client_->state().fired);
}

TEST_P(FenceClientTest, TheServerIsStoppedInOrderBeforeItsDeadline) {
    ASSERT_NO_FATAL_FAILURE(open());
    ASSERT_NO_FATAL_FAILURE(start_and_wait());
    const BootTime until = loop_.now() + 60s;
    ASSERT_TRUE(run(client_->arm(Revision{5}, until, 10s)));
    ASSERT_TRUE(run(client_->extend(Revision{5}, until + 1s, 60'900ms)));
    ASSERT_TRUE(comes_true([&] { return !client_->state().server_running; }));
    EXPECT_TRUE(client_->state().armed);
    EXPECT_FALSE(client_->state().fired);
    EXPECT_EQ(client_->report().numbers.exit_status, 0);
}

TEST_P(FenceClientTest, FireAnswersWhenNothingIsLeft) {
    ASSERT_NO_FATAL_FAILURE(open());
    ASSERT_NO_FATAL_FAILURE(start_and_wait());
    ASSERT_TRUE(run(client_->fire()));
    EXPECT_THAT(server_processes(), IsEmpty());
    EXPECT_TRUE(client_->state().fired);
}

// The refusal and the news that nothing is in the way any more can arrive together.
TEST_P(FenceClientTest, AServerThatStartsWhileTheLastOneIsClearedAwayWaitsForThat) {
    ASSERT_NO_FATAL_FAILURE(open());
    ASSERT_NO_FATAL_FAILURE(start_and_wait());
    const pid_t first = client_->state().server_pid;
    ASSERT_EQ(::kill(fence_, SIGSTOP), 0);
    pollfd end{.fd = static_cast<int>(::syscall(SYS_pidfd_open, first, 0)), .events = POLLIN, .revents = 0};
    ASSERT_EQ(::kill(first, SIGKILL), 0);
    ASSERT_EQ(::poll(&end, 1, 10'000), 1);
    ::close(end.fd);
    // It names a process that the stopped fence cannot reap; the client would wait for that.
    std::filesystem::remove(data_ / "postmaster.pid");
    std::optional<Result<pid_t>> started;
    const auto begin = [&]() -> Task<> { started = co_await client_->start_server(server(), loop_.now() + patience); };
    Scope scope{loop_};
    scope.spawn(begin());
    const auto sent = [] {  // one of our sockets holds what its reader has not taken yet
        int unread = 0;
        for (int fd = STDERR_FILENO + 1; fd < 256; ++fd) {
            if (::ioctl(fd, SIOCOUTQ, &unread) == 0 && unread > 0) return true;
        }
        return false;
    };
    EXPECT_TRUE(comes_true(sent));
    ASSERT_EQ(::kill(fence_, SIGCONT), 0);
    const auto onlooker = fence::test::Agent::connect(directory_ / "run", "demo/pg1");
    ASSERT_TRUE(onlooker);
    const auto cleared = [&] {
        const fence::Report report = onlooker->ask(fence::Kind::status).report;
        return report.state.server == 0 && !report.busy;
    };
    ASSERT_TRUE(fence::test::eventually(10s, cleared));
    ASSERT_TRUE(comes_true([&] { return started.has_value(); }));
    ASSERT_TRUE(*started) << started->error().message;
    EXPECT_NE(**started, first);
    EXPECT_TRUE(accepts_connections(30s));
}

TEST_P(FenceClientTest, TheNextAgentFindsFenceServerAndEpoch) {
    ASSERT_NO_FATAL_FAILURE(open());
    ASSERT_NO_FATAL_FAILURE(start_and_wait());
    const BootTime until = loop_.now() + 60s;
    ASSERT_TRUE(run(client_->arm(Revision{5}, until, 0ms)));
    const pid_t server = client_->state().server_pid;
    const pid_t fence = fence_;
    client_.reset();
    client_ = make_client();
    ASSERT_NO_FATAL_FAILURE(open());
    EXPECT_EQ(fence_, fence);
    EXPECT_EQ(client_->state().server_pid, server);
    EXPECT_TRUE(client_->state().armed);
    EXPECT_EQ(client_->state().epoch, Revision{5});
    EXPECT_NEAR(static_cast<double>((client_->state().deadline - until).count()), 0, 2);
    EXPECT_EQ(query("select 1"), "1");
}

// The parent-death signal reaches the postmaster only: what the server ran for somebody does not know of it.
TEST_P(FenceClientTest, NothingOutlivesADeadFence) {
    ASSERT_NO_FATAL_FAILURE(open());
    ASSERT_NO_FATAL_FAILURE(start_and_wait());
    // Without a cgroup nobody can tell any more whose child that was.
    if (!cgroup_.empty()) {
        ASSERT_EQ(query("copy (select 1) to program 'setsid sleep 1000 & cat >/dev/null'"), "");
    }
    fence::test::Child busy{psql({"-c", "select count(*) from generate_series(1, 1000000000)"})};
    ASSERT_TRUE(fence::test::eventually(
        10s, [&] { return query("select count(*) from pg_stat_activity where state = 'active'") == "2"; }));
    ASSERT_TRUE(run(client_->arm(Revision{5}, loop_.now() + 60s, 0ms)));
    const pid_t dead = fence_;
    ASSERT_EQ(::kill(dead, SIGKILL), 0);
    ASSERT_TRUE(comes_true([&] { return client_->state().attached && client_->report().numbers.fence != dead; }));
    fence_ = client_->report().numbers.fence;
    EXPECT_THAT(server_processes(), IsEmpty());
    EXPECT_FALSE(client_->state().armed);
    EXPECT_TRUE(journal_.contain("the fence has died"));
    EXPECT_NE(busy.wait(), 0);
    ASSERT_NO_FATAL_FAILURE(start_and_wait());
}

TEST_P(FenceClientTest, AServerOfSomebodyElseIsAdoptedAtOnce) {
    ASSERT_NO_FATAL_FAILURE(open());
    ASSERT_EQ(
        fence::test::run({postgres_program("pg_ctl"), "-D", data_, "-w", "-l", data_ / "log", "start"}, server_user_)
            .status,
        0);
    ASSERT_TRUE(comes_true([&] { return client_->state().server_running; }));
    EXPECT_TRUE(client_->report().numbers.adopted);
    ASSERT_TRUE(run(client_->arm(Revision{5}, loop_.now() + 200ms, 0ms)));
    ASSERT_TRUE(comes_true([&] { return client_->state().fired; }));
    EXPECT_THAT(server_processes(), IsEmpty());
}

// Armed in the very moment in which somebody started a server: the deadline must hold that server.
TEST_P(FenceClientTest, ArmingAdoptsWhatRuns) {
    ASSERT_EQ(
        fence::test::run({postgres_program("pg_ctl"), "-D", data_, "-w", "-l", data_ / "log", "start"}, server_user_)
            .status,
        0);
    ASSERT_NO_FATAL_FAILURE(open());
    ASSERT_TRUE(run(client_->arm(Revision{5}, loop_.now() + 60s, 0ms)));
    EXPECT_TRUE(client_->state().server_running);
    ASSERT_TRUE(run(client_->fire()));
    EXPECT_THAT(server_processes(), IsEmpty());
}

TEST_P(FenceClientTest, AFrozenFenceIsToldFromADeadOne) {
    ASSERT_NO_FATAL_FAILURE(open());
    ASSERT_NO_FATAL_FAILURE(start_and_wait());
    ASSERT_TRUE(run(client_->arm(Revision{5}, loop_.now() + 60s, 0ms)));
    ASSERT_EQ(::kill(fence_, SIGSTOP), 0);
    const Status extended = run(client_->extend(Revision{5}, loop_.now() + 70s, 0ms));
    ASSERT_FALSE(extended);
    EXPECT_EQ(extended.error().code, Errc::timed_out);
    EXPECT_EQ(extended.error().effect, Effect::unknown);
    EXPECT_EQ(query("select 1"), "1");
    ASSERT_EQ(::kill(fence_, SIGCONT), 0);
    EXPECT_TRUE(run(client_->extend(Revision{5}, loop_.now() + 80s, 0ms)));
}

TEST_P(FenceClientTest, TheNewestAgentRules) {
    ASSERT_NO_FATAL_FAILURE(open());
    auto older = std::move(client_);
    client_ = make_client();
    ASSERT_NO_FATAL_FAILURE(open());
    ASSERT_TRUE(comes_true([&] { return older->replaced(); }));
    EXPECT_FALSE(older->state().attached);
    EXPECT_EQ(run(older->arm(Revision{5}, loop_.now() + 60s, 0ms)).error().code, Errc::denied);
    EXPECT_TRUE(run(client_->arm(Revision{5}, loop_.now() + 60s, 0ms)));
}

// The agent of a copied configuration stopped the server of the first, whose agent started it again, and so on.
TEST_P(FenceClientTest, AServerThatAnotherFenceGuardsIsLeftAlone) {
    ASSERT_NO_FATAL_FAILURE(open());
    ASSERT_NO_FATAL_FAILURE(start_and_wait());
    FenceOptions copied = options();
    copied.member = "demo/pg2";
    FenceClient other{loop_, journal_, std::move(copied)};
    const Status opened = run(other.open(loop_.now() + patience));
    ASSERT_FALSE(opened);
    EXPECT_THAT(opened.error().message, HasSubstr(std::string(data_) + " belongs to another agent"));
    EXPECT_EQ(query("select 1"), "1");
    const pid_t its_fence = other.report().numbers.fence;
    EXPECT_TRUE(comes_true([&] { return ::kill(its_fence, 0) != 0; })) << "the fence of the second lives on";
}

TEST_P(FenceClientTest, WithoutItsProgramThereIsAReason) {
    FenceOptions without = options();
    without.program = "/nonexistent/pgcastle-fence";
    client_ = std::make_unique<FenceClient>(loop_, journal_, std::move(without));
    const Status opened = run(client_->open(loop_.now() + patience));
    ASSERT_FALSE(opened);
    EXPECT_THAT(opened.error().message, HasSubstr("/nonexistent/pgcastle-fence"));
    EXPECT_FALSE(client_->state().attached);
}

TEST_P(FenceClientTest, AServerThatCannotBeStartedHasAReason) {
    ASSERT_NO_FATAL_FAILURE(open());
    FencedServer server;
    server.argv = {"/nonexistent/postgres"};
    const auto started = io::run_to_end(loop_, client_->start_server(std::move(server), loop_.now() + patience));
    ASSERT_FALSE(started);
    EXPECT_THAT(started.error().message, HasSubstr("No such file or directory"));
    ASSERT_NO_FATAL_FAILURE(start_and_wait());
}

TEST_P(FenceClientTest, IsTheLauncherOfTheInstance) {
    ASSERT_NO_FATAL_FAILURE(open());
    FenceLauncher launcher{loop_, *client_, directory_ / "server.log"};
    const auto owner = find_owner(data_);
    ASSERT_TRUE(owner) << owner.error().message;
    PostmasterCommand command{.data_dir = data_,
                              .argv = {postgres_program("postgres"), "-D", data_},
                              .environment = {"LC_ALL=C"},
                              .owner = *owner};
    const auto started = io::run_to_end(loop_, launcher.start(std::move(command)));
    ASSERT_TRUE(started) << started.error().message;
    cgroup_ = client_->report().cgroup;
    EXPECT_TRUE(launcher.guards(*started));
    ASSERT_TRUE(accepts_connections(30s));
    EXPECT_GT(std::filesystem::file_size(directory_ / "server.log"), 0U);
    ASSERT_TRUE(run(launcher.kill_tree(data_, *started)));
    EXPECT_THAT(server_processes(), IsEmpty());
    EXPECT_FALSE(launcher.guards(*started));
}

const fence::test::Mode client_modes[] = {{"cgroup", ::geteuid() == 0, true}, {"enumeration", ::geteuid() == 0, false}};
INSTANTIATE_TEST_SUITE_P(, FenceClientTest, ::testing::ValuesIn(client_modes), fence::test::mode_name);

}  // namespace
}  // namespace castle::postgres
