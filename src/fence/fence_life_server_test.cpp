// The rest of a fence's life with a real server: start, stop, crash, adoption, watchdog, addresses, two of everything.
#include <gmock/gmock.h>
#include <sys/file.h>

#include "fence/fence_fixture.hpp"

namespace castle::fence::test {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

class FenceLife : public FenceFixture {
protected:
    void SetUp() override {
        FenceFixture::SetUp();
        if (!IsSkipped()) start_fence();
    }
    pid_t postmaster() const {
        std::ifstream file{data_ / "postmaster.pid"};
        pid_t pid = 0;
        file >> pid;
        return pid;
    }
};

TEST_P(FenceLife, AStoppedServerIsToldWithItsStatusAndTheDeadlineStays) {
    start_server_and_wait();
    ASSERT_EQ(agent_->arm(5, now() + 60s).answer, Answer::ok);
    ASSERT_EQ(agent_->signal(SIGINT).answer, Answer::ok);
    const auto exited = agent_->wait_for(Kind::server_exited, 20s);
    ASSERT_TRUE(exited);
    EXPECT_EQ(exited->exit_status, 0);
    EXPECT_EQ(exited->state.phase, Phase::armed);
    EXPECT_EQ(exited->state.server, 0);
    EXPECT_EQ(exited->starts, 1U);
    EXPECT_FALSE(!cgroup_.empty() && fs::exists(cgroup_));
    EXPECT_THAT(server_processes(), IsEmpty());
    EXPECT_EQ(agent_->signal(SIGINT).answer, Answer::no_server);
    start_server_and_wait();
    EXPECT_EQ(agent_->ask(Kind::status).report.starts, 2U);
}

// A fence that is killed together with its agent cannot remove its cgroup, and its data directory may never come back.
TEST_P(FenceLife, EmptyCgroupsOfDeadFencesAreRemovedByTheNext) {
    start_server_and_wait();
    if (cgroup_.empty()) return;
    const fs::path parent = fs::path(cgroup_).parent_path();
    const fs::path dead = parent / ("pgcastle-dead-" + std::to_string(::getpid()));
    const fs::path held = parent / ("pgcastle-held-" + std::to_string(::getpid()));
    fs::create_directory(dead);
    fs::create_directory(held);
    const int lock = ::open(held.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ASSERT_EQ(::flock(lock, LOCK_EX | LOCK_NB), 0);
    ASSERT_EQ(agent_->signal(SIGINT).answer, Answer::ok);
    ASSERT_TRUE(agent_->wait_for(Kind::server_exited, 20s));
    start_server_and_wait();
    EXPECT_FALSE(fs::exists(dead));
    EXPECT_TRUE(fs::exists(held)) << "its fence has made it and is about to start a server in it";
    EXPECT_TRUE(fs::exists(cgroup_));
    ::close(lock);
    ::rmdir(held.c_str());
}

// A backend that works on notices its postmaster's death only when it waits for something next. It would hold shared
// memory and locks against the restart, and go on answering its client.
TEST_P(FenceLife, ACrashedPostmastersBackendsAreCleared) {
    start_server_and_wait();
    Child busy{psql({"-c", "select count(*) from generate_series(1, 1000000000)"})};
    ASSERT_TRUE(eventually(10s, [&] {
        return query(
                   "select count(*) from pg_stat_activity where query like '%generate_series(1, 10%' and pid <> "
                   "pg_backend_pid() and state = 'active'") == "1";
    }));
    ASSERT_EQ(::kill(postmaster(), SIGKILL), 0);
    const auto exited = agent_->wait_for(Kind::server_exited, 5s);
    ASSERT_TRUE(exited);
    EXPECT_TRUE(WIFSIGNALED(exited->exit_status));
    EXPECT_THAT(server_processes(), IsEmpty());
    EXPECT_NE(busy.wait(), 0);
    start_server_and_wait();
}

// What PostgreSQL runs for an operator may have children that outlive it, in sessions of their own.
TEST_P(FenceLife, ProgramsThatTheServerRanDieWithIt) {
    start_server_and_wait();
    ASSERT_EQ(query("copy (select 1) to program 'setsid sleep 1000 & sleep 1001 & cat >/dev/null'"), "");
    const auto sleeping = [&] {
        int count = 0;
        for (const pid_t pid : server_processes()) {
            std::string name;
            std::getline(std::ifstream{"/proc/" + std::to_string(pid) + "/comm"}, name);
            count += name == "sleep" ? 1 : 0;
        }
        return count;
    };
    ASSERT_TRUE(eventually(5s, [&] { return sleeping() == 2; }));
    ASSERT_EQ(agent_->arm(5, now() + 200ms).answer, Answer::ok);
    ASSERT_TRUE(agent_->wait_for(Kind::fired, 5s));
    EXPECT_THAT(server_processes(), IsEmpty());
}

TEST_P(FenceLife, AServerOfSomebodyElseIsAdopted) {
    const Finished started =
        run({postgres_program("pg_ctl"), "-D", data_, "-w", "-l", data_ / "log", "start"}, server_user_);
    ASSERT_EQ(started.status, 0) << started.output;
    const auto adopt = [&](pid_t pid) {
        return agent_->ask(
            Kind::adopt, [&](Writer& writer) { writer.number(Field::pid, pid).text(Field::data_dir, data_.string()); });
    };
    EXPECT_EQ(adopt(::getpid()).answer, Answer::failed) << "not a server in that directory";
    const auto adopted = adopt(postmaster());
    ASSERT_EQ(adopted.answer, Answer::ok) << adopted.step;
    EXPECT_TRUE(adopted.report.adopted);
    EXPECT_EQ(adopted.report.state.server, postmaster());
    EXPECT_EQ(start_server().answer, Answer::server_running);

    Child busy{psql({"-c", "select count(*) from generate_series(1, 1000000000)"})};
    ASSERT_TRUE(
        eventually(10s, [&] { return query("select count(*) from pg_stat_activity where state = 'active'") == "2"; }));
    ASSERT_EQ(agent_->arm(5, now() + 200ms).answer, Answer::ok);
    ASSERT_TRUE(agent_->wait_for(Kind::fired, 5s));
    EXPECT_THAT(server_processes(), IsEmpty());
    EXPECT_NE(busy.wait(), 0);

    // PostgreSQL takes a dead postmaster that nobody has reaped yet for a living one.
    ASSERT_TRUE(eventually(10s, [&] { return ::kill(adopted.report.state.server, 0) != 0; }));
    start_server_and_wait();
    EXPECT_FALSE(agent_->ask(Kind::status).report.adopted);
}

TEST_P(FenceLife, AnAdoptedServersEndIsNoticedAndItsOrphansAreCleared) {
    ASSERT_EQ(run({postgres_program("pg_ctl"), "-D", data_, "-w", "-l", data_ / "log", "start"}, server_user_).status,
              0);
    Child busy{psql({"-c", "select count(*) from generate_series(1, 1000000000)"})};
    ASSERT_TRUE(
        eventually(10s, [&] { return query("select count(*) from pg_stat_activity where state = 'active'") == "2"; }));
    ASSERT_EQ(agent_
                  ->ask(Kind::adopt,
                        [&](Writer& writer) {
                            writer.number(Field::pid, postmaster()).text(Field::data_dir, data_.string());
                        })
                  .answer,
              Answer::ok);
    ASSERT_EQ(::kill(postmaster(), SIGKILL), 0);
    ASSERT_TRUE(agent_->wait_for(Kind::server_exited, 5s));
    EXPECT_THAT(server_processes(), IsEmpty());
}

TEST_P(FenceLife, WhatCannotBeStartedIsToldWithItsReason) {
    const auto missing = start_server("/nonexistent/postgres");
    EXPECT_EQ(missing.answer, Answer::failed);
    EXPECT_EQ(missing.error, ENOENT);
    EXPECT_THAT(missing.step, HasSubstr("execute"));
    EXPECT_EQ(missing.report.state.phase, Phase::gone);
    EXPECT_FALSE(missing.report.busy);
    const auto nowhere = agent_->ask(Kind::start, [&](Writer& writer) {
        writer.text(Field::data_dir, "/nonexistent").text(Field::argument, "/bin/true");
    });
    EXPECT_EQ(nowhere.answer, Answer::failed);
    EXPECT_EQ(nowhere.error, ENOENT);
    if (::geteuid() == 0) {  // as root it would run the server as root, as a user as somebody else
        const auto foreign = agent_->ask(Kind::start, [&](Writer& writer) {
            writer.text(Field::data_dir, "/").text(Field::argument, postgres_program("postgres"));
        });
        EXPECT_EQ(foreign.answer, Answer::denied);
    }
    start_server_and_wait();
}

TEST_P(FenceLife, ThereIsOneFencePerMemberAndPerDirectory) {
    start_server_and_wait();
    std::vector<std::string> command{directory_ / "pgcastle-fence", "--name", "pg1", "--runtime-dir",
                                     directory_ / "run"};
    EXPECT_EQ(run(command, fence_user_).status, 0) << "one is there already, and that is what was wanted";
    EXPECT_EQ(agent_->ask(Kind::status).report.starts, 1U);

    command[2] = "pg2";
    ASSERT_EQ(run(command, fence_user_).status, 0);
    auto other = Agent::connect(directory_ / "run", "pg2");
    ASSERT_TRUE(other);
    const auto hello = other->ask(Kind::hello);
    const auto refused = other->ask(Kind::start, [&](Writer& writer) {
        writer.text(Field::data_dir, data_.string()).text(Field::argument, postgres_program("postgres"));
    });
    EXPECT_EQ(refused.answer, Answer::locked);
    ASSERT_EQ(other->ask(Kind::end).answer, Answer::ok);
    EXPECT_TRUE(eventually(5s, [&] { return !is_alive(hello.report.fence); })) << "told to end, and no server";
}

TEST_P(FenceLife, TheNewestAgentRules) {
    auto newer = hello();
    ASSERT_TRUE(newer);
    EXPECT_TRUE(agent_->wait_for(Kind::replaced, 5s));
    EXPECT_EQ(agent_->arm(5, now() + 10s).answer, Answer::failed) << "cut off";
    auto onlooker = Agent::connect(directory_ / "run", "pg1");
    ASSERT_TRUE(onlooker);
    EXPECT_EQ(onlooker->ask(Kind::status).answer, Answer::ok);
    EXPECT_EQ(onlooker->arm(5, now() + 10s).answer, Answer::denied);
    EXPECT_EQ(onlooker->ask(static_cast<Kind>(77)).answer, Answer::denied);
    EXPECT_EQ(newer->ask(static_cast<Kind>(77)).answer, Answer::unsupported);
    EXPECT_EQ(newer->arm(5, now() + 10s).answer, Answer::ok);
    agent_ = std::move(newer);
}

TEST_P(FenceLife, OnlookersThatHangDoNotKeepTheAgentOut) {
    std::vector<std::unique_ptr<Agent>> onlookers;
    for (int i = 0; i < 12; ++i) onlookers.push_back(Agent::connect(directory_ / "run", "pg1"));
    EXPECT_EQ(agent_->ask(Kind::status).answer, Answer::ok) << "nor cut off the one that is there";
    agent_.reset();
    agent_ = hello();
    ASSERT_TRUE(agent_);
    EXPECT_EQ(agent_->arm(5, now() + 10s).answer, Answer::ok);
}

// In pause the agent goes and the server stays; the fence keeps it company until it ends.
TEST_P(FenceLife, ADisarmedFenceStaysWithItsServerAndNoLonger) {
    start_server_and_wait();
    ASSERT_EQ(agent_->ask(Kind::end).answer, Answer::ok);
    agent_.reset();
    EXPECT_EQ(query("select 1"), "1");
    EXPECT_EQ(run({postgres_program("pg_ctl"), "-D", data_, "-m", "fast", "stop"}, server_user_).status, 0);
    EXPECT_TRUE(eventually(5s, [&] { return !is_alive(fence_); }));
    EXPECT_TRUE(fs::is_empty(directory_ / "run"));
}

TEST_P(FenceLife, TheWatchdogIsPingedByMovesOfTheDeadlineOnly) {
    const fs::path fifo = directory_ / "watchdog";
    ASSERT_EQ(::mkfifo(fifo.c_str(), 0666), 0);
    ASSERT_EQ(::chmod(fifo.c_str(), 0666), 0);
    const auto open_it = [&](int seconds) {
        return agent_->ask(Kind::watchdog_open, [&](Writer& writer) {
            writer.text(Field::device, fifo.string()).text(Field::driver, "testing").number(Field::timeout, seconds);
        });
    };
    const auto unread = open_it(25);
    EXPECT_EQ(unread.answer, Answer::failed) << "nobody reads it: refused, and not waited for";
    EXPECT_EQ(unread.error, ENXIO);

    const Descriptor reader{::open(fifo.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC)};
    const auto written = [&] {
        std::array<char, 256> text{};
        const ssize_t got = ::read(reader.get(), text.data(), text.size());
        return std::string(text.data(), got > 0 ? static_cast<std::size_t>(got) : 0);
    };
    start_server_and_wait();
    EXPECT_EQ(open_it(25).report.watchdog_seconds, 25U);
    EXPECT_EQ(written(), "Ctimeout=25\n");
    ASSERT_EQ(agent_->arm(5, now() + 10s).answer, Answer::ok);
    EXPECT_EQ(written(), "1");
    ASSERT_EQ(agent_->extend(5, now() + 1s).answer, Answer::ok);
    EXPECT_EQ(written(), "") << "nothing moved";
    ASSERT_EQ(agent_->extend(5, now() + 11s).answer, Answer::ok);
    EXPECT_EQ(written(), "1");
    EXPECT_EQ(open_it(15).report.watchdog_seconds, 15U);
    EXPECT_EQ(written(), "Ctimeout=15\n") << "another timeout without opening it anew";
    ASSERT_EQ(agent_->ask(Kind::watchdog_close).answer, Answer::ok);
    EXPECT_EQ(written(), "V");

    ASSERT_EQ(open_it(25).answer, Answer::ok);
    ASSERT_EQ(agent_->ask(Kind::kill).answer, Answer::ok);
    ASSERT_TRUE(agent_->wait_for(Kind::fired, 5s));
    EXPECT_EQ(written(), "Ctimeout=25\nV") << "closed properly once the tree is confirmed to be empty";
}

TEST_P(FenceLife, FiringRemovesTheVirtualAddresses) {
    if (!GetParam().as_root) GTEST_SKIP() << "needs root";
    ASSERT_EQ(agent_->ask(Kind::end).answer, Answer::ok);
    ASSERT_TRUE(eventually(5s, [&] { return !is_alive(fence_); }));
    // In a network of its own, which vanishes with the fence.
    start_fence({"unshare", "-n", "sh", "-c", "ip link set lo up; ip addr add 10.99.0.1/24 dev lo; exec \"$@\"", "sh"});
    const auto addresses = [&] {
        return run({"nsenter", "-t", std::to_string(fence_), "-n", "ip", "addr", "show", "dev", "lo"}).output;
    };
    ASSERT_THAT(addresses(), HasSubstr("10.99.0.1"));
    const Address address{.interface_index = 1, .family = AF_INET, .prefix_length = 24, .bytes = {10, 99, 0, 1}};
    ASSERT_EQ(agent_->ask(Kind::add_address, [&](Writer& writer) { writer.address(address); }).answer, Answer::ok);
    ASSERT_EQ(agent_->arm(5, now() + 300ms).answer, Answer::ok);  // even without a server
    ASSERT_TRUE(agent_->wait_for(Kind::fired, 5s));
    EXPECT_THAT(addresses(), ::testing::Not(HasSubstr("10.99.0.1")));
}

TEST_P(FenceLife, ItIsSmallAndTheServerInheritsNoneOfItsPrivileges) {
    start_server_and_wait();
    const auto field = [](pid_t pid, const std::string& file, const std::string& name) {
        std::ifstream lines{"/proc/" + std::to_string(pid) + "/" + file};
        for (std::string line; std::getline(lines, line);) {
            if (line.starts_with(name)) return line.substr(name.size());
        }
        return std::string();
    };
#if !CASTLE_SANITIZED
    EXPECT_LT(std::atoi(field(fence_, "status", "VmRSS:").c_str()), 4'096) << "kB";
#endif
    EXPECT_EQ(std::atoi(field(postmaster(), "status", "VmLck:").c_str()), 0);
    EXPECT_EQ(::sched_getscheduler(postmaster()), SCHED_OTHER);
    const auto oom = [](pid_t pid) {
        std::ifstream file{"/proc/" + std::to_string(pid) + "/oom_score_adj"};
        int score = -2'000;
        file >> score;
        return score;
    };
    EXPECT_EQ(oom(postmaster()), oom(::getpid()));
    EXPECT_EQ(field(postmaster(), "status", "SigBlk:"), "\t0000000000000000");
    const std::uint32_t guards = agent_->ask(Kind::status).report.guards;
    EXPECT_EQ((guards & guard_realtime) != 0, ::sched_getscheduler(fence_) == (SCHED_FIFO | SCHED_RESET_ON_FORK));
    EXPECT_EQ((guards & guard_oom_score) != 0, oom(fence_) == -1'000);
    EXPECT_NE(guards & guard_directory_lock, 0U);
}

INSTANTIATE_TEST_SUITE_P(, FenceLife, ::testing::ValuesIn(modes), mode_name);

}  // namespace
}  // namespace castle::fence::test
