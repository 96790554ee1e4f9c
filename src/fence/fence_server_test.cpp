// The promise itself, with a real server under a write load: past its deadline nothing lives and nothing is
// acknowledged, whoever has died or frozen in the meantime.
#include <gmock/gmock.h>

#include <sstream>

#include "fence/fence_fixture.hpp"

namespace castle::fence::test {
namespace {

using ::testing::IsEmpty;

class Fence : public FenceFixture {
protected:
    void SetUp() override {
        FenceFixture::SetUp();
        if (IsSkipped()) return;
        ::signal(SIGPIPE, SIG_IGN);
        start_fence();
    }

    // Writers that are answered row by row, pgbench beside them, and one long statement whose end, and with it its
    // acknowledgement, would lie seconds after the deadline.
    void start_load() {
        ASSERT_EQ(query("create table acknowledged (writer int, row bigint)"), "");
        ASSERT_EQ(query("create table slow (row bigint)"), "");
        ASSERT_EQ(
            run({postgres_program("pgbench"), "-i", "-q", "-h", directory_ / "sockets", "-U", "postgres", "postgres"})
                .status,
            0);
        bench_.emplace(std::vector<std::string>{postgres_program("pgbench"), "-n", "-c", "8", "-T", "60", "-h",
                                                directory_ / "sockets", "-U", "postgres", "postgres"});
        for (int i = 0; i < 4; ++i) writers_.push_back(std::make_unique<AckedWriter>(urgent_psql(), i));
        slow_.emplace(psql({"-c", "insert into slow select g from generate_series(1, 100000000) g"}));
        ASSERT_TRUE(eventually(20s, [&] { return writers_[0]->acknowledged() > 10; }));
    }
    // Only once the server is dead.
    void expect_nothing_acknowledged_after(BootTime deadline) {
        for (const auto& writer : writers_) {
            writer->join();
            if (writer->punctual()) EXPECT_LE(writer->last_acknowledged(), deadline + tolerance);
            EXPECT_GT(writer->acknowledged(), 0);
        }
        EXPECT_NE(slow_->wait(), 0) << "the long statement was not cut off";
    }
    // By the server's own clock; and nothing that was acknowledged is missing.
    void expect_nothing_committed_after(std::chrono::system_clock::time_point deadline) {
        const auto limit = std::chrono::duration_cast<Duration>((deadline + tolerance).time_since_epoch()).count();
        EXPECT_EQ(
            query(
                "select count(*) from acknowledged where extract(epoch from pg_xact_commit_timestamp(xmin)) * 1000 > " +
                std::to_string(limit)),
            "0");
        for (std::size_t i = 0; i < writers_.size(); ++i) {
            const std::string rows = query("select max(row) from acknowledged where writer = " + std::to_string(i));
            EXPECT_GE(std::atoll(rows.c_str()), writers_[i]->acknowledged());
        }
        EXPECT_EQ(query("select count(*) from slow"), "0");
    }

    std::optional<Child> bench_, slow_;
    std::vector<std::unique_ptr<AckedWriter>> writers_;
};

TEST_P(Fence, AtTheDeadlineAllOfTheServerDies) {
    start_server_and_wait();
    start_load();
    const BootTime deadline = now() + 1'000ms;
    const auto deadline_wall = std::chrono::system_clock::now() + 1'000ms;
    const auto armed = agent_->arm(5, deadline);
    ASSERT_EQ(armed.answer, Answer::ok);

    const auto fired = agent_->wait_for(Kind::fired, 10s);
    ASSERT_TRUE(fired);
    EXPECT_THAT(server_processes(), IsEmpty());
    EXPECT_GE(now(), deadline) << "never early";
    EXPECT_EQ(fired->state.phase, Phase::gone);
    EXPECT_EQ(fired->state.firings, 1U);
    EXPECT_FALSE(!cgroup_.empty() && fs::exists(cgroup_));
    RecordProperty("signalled_late_us", static_cast<int>(fired->late_us));
    RecordProperty("teardown_us", static_cast<int>(fired->teardown_us));
    expect_nothing_acknowledged_after(deadline);

    start_server_and_wait();
    expect_nothing_committed_after(deadline_wall);
}

TEST_P(Fence, AnAgentThatMovesTheDeadlineKeepsTheServer) {
    start_server_and_wait();
    ASSERT_EQ(agent_->arm(5, now() + 2s).answer, Answer::ok);
    for (int i = 0; i < 10; ++i) {
        ASSERT_EQ(agent_->extend(5, now() + 2s).answer, Answer::ok);
        EXPECT_FALSE(agent_->wait_for(Kind::fired, 250ms));
    }
    EXPECT_EQ(query("select 1"), "1");
    ASSERT_EQ(agent_->ask(Kind::disarm).answer, Answer::ok);
    EXPECT_FALSE(agent_->wait_for(Kind::fired, 2'200ms));
    EXPECT_EQ(query("select 1"), "1");
}

// The agent with everything in its session dies; its successor finds the server, or the deadline ends it.
TEST_P(Fence, TheAgentsDeathTouchesTheServerOnlyAtTheDeadline) {
    start_server_and_wait();
    start_load();
    agent_.reset();
    const BootTime deadline = now() + 4s;
    const auto deadline_wall = std::chrono::system_clock::now() + 4s;
    const pid_t other = ::fork();
    if (other == 0) {
        ::setsid();
        auto agent = Agent::connect(directory_ / "run", "pg1");
        if (!agent || agent->ask(Kind::hello).answer != Answer::ok) ::_exit(1);
        if (agent->arm(5, deadline).answer != Answer::ok) ::_exit(2);
        ::kill(0, SIGKILL);  // its whole process group, and so itself
    }
    int status = 0;
    ASSERT_EQ(::waitpid(other, &status, 0), other);
    ASSERT_TRUE(WIFSIGNALED(status)) << WEXITSTATUS(status);
    EXPECT_EQ(query("select 1"), "1");
    EXPECT_LT(now(), deadline) << "this machine is too slow for this test";
    ASSERT_TRUE(eventually(10s, [&] { return server_processes().empty(); }));
    EXPECT_GE(now(), deadline);
    expect_nothing_acknowledged_after(deadline);
    agent_ = hello();
    ASSERT_TRUE(agent_) << "the fence waits for the agent's return";
    // It looks again at most 20 ms later, and only then says that all of it is gone.
    Report report;
    ASSERT_TRUE(eventually(5s, [&] {
        report = agent_->ask(Kind::status).report;
        return report.state.phase == Phase::gone;
    }));
    EXPECT_EQ(report.state.firings, 1U);
    EXPECT_EQ(report.state.epoch, Revision{5});
    start_server_and_wait();
    expect_nothing_committed_after(deadline_wall);
}

// What was acknowledged is with the standbys before the deadline: the WAL senders end last.
TEST_P(Fence, AServerWhoseAgentIsSilentStopsInOrderBeforeItsDeadline) {
    start_server_and_wait();
    ASSERT_EQ(query("create table acknowledged (writer int, row bigint)"), "");
    fs::create_directory(directory_ / "received");
    give(directory_ / "received", server_user_);
    std::optional<Child> standby;
    standby.emplace(std::vector<std::string>{postgres_program("pg_receivewal"), "-n", "--synchronous", "-D",
                                             directory_ / "received", "-h", directory_ / "sockets", "-U", "postgres"},
                    server_user_);
    ASSERT_TRUE(eventually(
        20s, [&] { return query("select count(*) from pg_stat_replication where state = 'streaming'") == "1"; }));
    writers_.push_back(std::make_unique<AckedWriter>(urgent_psql(), 0));
    ASSERT_TRUE(eventually(20s, [&] { return writers_[0]->acknowledged() > 10; }));

    const BootTime deadline = now() + 31s;
    ASSERT_EQ(agent_->arm(5, deadline, 30s).answer, Answer::ok);
    const auto exited = agent_->wait_for(Kind::server_exited, 40s);
    ASSERT_TRUE(exited);
    EXPECT_LT(now(), deadline);
    EXPECT_GE(now(), deadline - 30s) << "not earlier than asked";
    EXPECT_EQ(exited->exit_status, 0);
    EXPECT_EQ(exited->state.phase, Phase::armed) << "for whoever comes next";
    writers_[0]->join();
    standby->wait();  // it ends with the sender

    // The newest segment that was received holds the end of the log, the checkpoint of the shutdown.
    fs::path newest;
    for (const auto& entry : fs::directory_iterator(directory_ / "received")) newest = std::max(newest, entry.path());
    const fs::path whole = fs::path(newest).replace_extension();  // ".partial"
    fs::rename(newest, whole);
    const Finished dump = test::run({postgres_program("pg_waldump"), whole}, server_user_);
    EXPECT_NE(dump.output.find("CHECKPOINT_SHUTDOWN"), std::string::npos) << dump.output;
}

TEST_P(Fence, AClientThatDoesNotReadCannotHoldTheFenceUp) {
    start_server_and_wait();
    const BootTime deadline = now() + 600ms;
    ASSERT_EQ(agent_->arm(5, deadline).answer, Answer::ok);
    auto frozen = Agent::connect(directory_ / "run", "pg1");
    ASSERT_TRUE(frozen);
    for (int i = 0; i < 5'000 && frozen->send_only(Kind::status); ++i) {
    }
    ASSERT_TRUE(eventually(10s, [&] { return server_processes().empty(); }));
    EXPECT_GE(now(), deadline);
    EXPECT_LE(agent_->ask(Kind::status).report.late_us, 50'000U);
}

TEST_P(Fence, TheServerDoesNotOutliveItsFence) {
    start_server_and_wait();
    start_load();
    ASSERT_EQ(::kill(fence_, SIGKILL), 0);
    // The postmaster gets SIGQUIT and ends its children; those that do not listen it kills after five seconds.
    EXPECT_TRUE(eventually(8s, [&] { return server_processes().empty(); }));
    for (const auto& writer : writers_) writer->join();

    // A new fence takes over from the dead one's files, and the server recovers.
    start_fence();
    start_server_and_wait();
    EXPECT_EQ(query("select count(*) from slow"), "0");
}

TEST_P(Fence, SigtermIsAnImmediateStop) {
    start_server_and_wait();
    start_load();
    ASSERT_EQ(::kill(fence_, SIGTERM), 0);
    const auto exited = agent_->wait_for(Kind::server_exited, 10s);
    ASSERT_TRUE(exited);
    EXPECT_THAT(server_processes(), IsEmpty());
    EXPECT_TRUE(eventually(5s, [&] { return !is_alive(fence_); })) << "the fence ends after it";
    EXPECT_TRUE(fs::is_empty(directory_ / "run"));
    for (const auto& writer : writers_) writer->join();
}

TEST_P(Fence, KillTakesEverythingAndSaysWhenItIsGone) {
    start_server_and_wait();
    start_load();
    ASSERT_EQ(agent_->ask(Kind::kill).answer, Answer::ok);
    ASSERT_TRUE(agent_->wait_for(Kind::fired, 10s));
    EXPECT_THAT(server_processes(), IsEmpty());
    start_server_and_wait();
}

INSTANTIATE_TEST_SUITE_P(, Fence, ::testing::ValuesIn(modes), mode_name);

}  // namespace
}  // namespace castle::fence::test
