#include "agent/lease_keeper.hpp"

#include <gtest/gtest.h>

#include "core/decide.hpp"
#include "task/manual_executor.hpp"
#include "task/scope.hpp"

namespace castle::agent {
namespace {

using namespace std::chrono_literals;
using ports::Renewal;

constexpr Duration ttl = 20s;
constexpr Duration on_its_way = 100ms;
constexpr Revision epoch{10};

// Answers a while after it was asked; confirms every claim, or does not answer at all.
struct FakeStore final : ports::Store {
    explicit FakeStore(Executor& its) : executor(its) {}
    Task<Result<Renewal>> renew(Duration life, std::optional<ports::Claim> claim, BootTime deadline) override {
        Renewal renewal{.lease = LeaseId{1}, .life = life, .sent = executor.now()};
        if (claim) renewal.leadership = Renewal::Leadership::confirmed;
        co_await sleep_until(executor, answers ? executor.now() + on_its_way : deadline);
        if (!answers) co_return Error{Errc::timed_out, "the store does not answer"};
        co_return renewal;
    }
    Task<Result<std::shared_ptr<const core::Snapshot>>> read(BootTime) override { co_return nullptr; }
    std::shared_ptr<const core::Snapshot> cached() const override { return nullptr; }
    std::uint64_t incarnation() const override { return 1; }
    Signal& changed() override { return signal; }
    Task<Result<Revision>> write(std::vector<core::KeyWrite>, BootTime) override { co_return Revision{}; }
    void adopt(LeaseId, Duration) override {}
    Task<Result<ports::LeaseEnd>> ended(LeaseId, BootTime) override { co_return ports::LeaseEnd{}; }
    Task<Status> remove(LeaseId, std::uint64_t, BootTime) override { co_return Done{}; }
    Task<Result<ports::LeaseLook>> look(LeaseId, BootTime) override { co_return ports::LeaseLook{}; }

    Executor& executor;
    bool answers = true;
    Signal signal;
};

struct NoFence final : ports::Fence {
    core::FenceState state() const override { return {}; }
    Signal& changed() override { return signal; }
    Task<Status> arm(Revision, BootTime, Duration) override { co_return Done{}; }
    Task<Status> extend(Revision, BootTime, Duration) override { co_return Done{}; }
    Task<Status> fire() override { co_return Done{}; }
    Task<Status> check_watchdog(std::string) override { co_return Done{}; }
    Task<Result<Duration>> open_watchdog(std::string, std::string, Duration timeout) override { co_return timeout; }
    Task<Status> close_watchdog() override { co_return Done{}; }
    Task<Status> disarm() override { co_return Done{}; }
    Signal signal;
};

struct NoJournal final : ports::Journal {
    void write(ports::Level, std::string_view) override {}
};

class LeaseKeeperTest : public ::testing::Test {
protected:
    LeaseKeeperTest() { keeper.set_pace({.ttl = ttl, .loop_wait = 5s, .retry_timeout = 5s}); }
    ~LeaseKeeperTest() override { executor.run_for(10s); }

    void send_renewal() {
        scope.spawn(renew());
        executor.run_for(0ms);
    }
    Task<> renew() { co_await keeper.renew_now(executor.now() + 5s); }
    // Counted from the sending of the renewal that is answered now.
    BootTime deadline_of_answer() const { return executor.now() - on_its_way + ttl - core::lease_margin(ttl, {}); }

    ManualExecutor executor;
    FakeStore store{executor};
    NoFence fence;
    NoJournal journal;
    LeaseKeeper keeper{executor, store, fence, journal, "n1"};
    Scope scope{executor};
};

TEST_F(LeaseKeeperTest, AConfirmationCountsFromWhenItWasAskedFor) {
    keeper.claim(epoch);
    send_renewal();
    EXPECT_EQ(keeper.leader_until(), BootTime{});
    executor.run_for(on_its_way);
    EXPECT_EQ(keeper.leader_until(), deadline_of_answer());
}

// Whoever was told meanwhile that we do not lead may have been promoted.
TEST_F(LeaseKeeperTest, AConfirmationAskedForBeforeTheClaimWasGivenUpDoesNotCount) {
    keeper.claim(epoch);
    send_renewal();
    keeper.claim(std::nullopt);
    keeper.claim(epoch);
    executor.run_for(on_its_way);
    EXPECT_EQ(keeper.leader_until(), BootTime{});
    send_renewal();
    executor.run_for(on_its_way);
    EXPECT_EQ(keeper.leader_until(), deadline_of_answer());
}

TEST_F(LeaseKeeperTest, AClaimIsUnconfirmedOnceItCouldNotBeOrIsNotAnyMore) {
    EXPECT_FALSE(keeper.unconfirmed());
    keeper.claim(epoch);
    EXPECT_FALSE(keeper.unconfirmed());  // not tried yet
    store.answers = false;
    send_renewal();
    EXPECT_FALSE(keeper.unconfirmed());
    executor.run_for(5s);
    EXPECT_TRUE(keeper.unconfirmed());
    store.answers = true;
    send_renewal();
    executor.run_for(on_its_way);
    EXPECT_FALSE(keeper.unconfirmed());
    executor.run_until(keeper.leader_until());
    EXPECT_TRUE(keeper.unconfirmed());
    keeper.claim(std::nullopt);
    EXPECT_FALSE(keeper.unconfirmed());
}

// Others wait for a leader as long as it tells: a deadline that a longer lease of before granted counts, too.
TEST_F(LeaseKeeperTest, WhatItTellsReachesToItsDeadline) {
    keeper.resume(epoch, executor.now() + 3 * ttl);
    EXPECT_EQ(keeper.reaches(), 3 * ttl);
    executor.run_until(keeper.leader_until() - 1s);
    EXPECT_EQ(keeper.reaches(), 1s);
    send_renewal();
    executor.run_for(on_its_way);
    EXPECT_EQ(keeper.reaches(), ttl);
}

}  // namespace
}  // namespace castle::agent
