#include "node/keeper.hpp"

#include <gtest/gtest.h>
#include <signal.h>

#include "node/processes.hpp"

namespace castle::node {
namespace {

using namespace std::chrono_literals;

constexpr Duration patience = 10s;

TEST(Keeper, WaitsLongerWhenAProgramKeepsEnding) {
    Duration wait{0};
    std::vector<std::int64_t> waits;
    for (int i = 0; i < 9; ++i) {
        wait = next_wait(1ms, wait);
        waits.push_back(wait.count());
    }
    EXPECT_EQ(waits, (std::vector<std::int64_t>{100, 200, 400, 800, 1600, 3200, 6400, 10000, 10000}));
    EXPECT_EQ(next_wait(1min, 10s), 100ms);
}

struct Kept {
    io::Loop loop;
    Signal changed;
    std::vector<std::string> events;
    CancelSource stop;
    std::optional<pid_t> there_already;

    Keeper make(std::vector<std::string> argv) {
        io::SpawnOptions command{.argv = std::move(argv)};
        command.die_with_parent = false;
        return Keeper(loop, {"part", std::move(command), [this] { return std::exchange(there_already, {}); }}, changed,
                      [this](const std::string& event) { events.push_back(event); });
    }
};

Task<bool> until(Kept& kept, std::function<bool()> holds) {
    const BootTime deadline = kept.loop.now() + patience;
    while (!holds()) {
        const bool changed = co_await wait_past(kept.loop, kept.changed, kept.changed.count(), deadline);
        if (!changed) co_return false;
    }
    co_return true;
}

Task<bool> stop_and_leave(Kept& kept, Scope& scope) {
    kept.stop.cancel();
    co_await scope.drained();
    co_return true;
}

TEST(Keeper, StartsAgainWhatWasKilledAndLeavesItRunningWhenItGoes) {
    Kept kept;
    Keeper keeper = kept.make({"/bin/sleep", "1000"});
    Scope scope(kept.loop);
    scope.spawn(keeper.keep(kept.stop.token()));
    ASSERT_TRUE(io::run_to_end(kept.loop, until(kept, [&] { return keeper.report().pid != 0; })));
    const pid_t first = keeper.report().pid;
    ::kill(first, SIGKILL);
    ASSERT_TRUE(io::run_to_end(kept.loop, until(kept, [&] { return keeper.report().restarts == 1; })));
    EXPECT_EQ(keeper.report().state, PartState::restarting);
    EXPECT_EQ(keeper.report().last_end, "killed by signal 9");
    ASSERT_TRUE(io::run_to_end(kept.loop, until(kept, [&] { return keeper.report().pid != 0; })));
    const pid_t second = keeper.report().pid;
    EXPECT_NE(first, second);
    io::run_to_end(kept.loop, stop_and_leave(kept, scope));
    EXPECT_TRUE(alive(second));
    ::kill(second, SIGKILL);
}

TEST(Keeper, TakesOverWhatRunsAlready) {
    Kept kept;
    Keeper stranger = kept.make({"/bin/sleep", "1000"});
    Scope scope(kept.loop);
    scope.spawn(stranger.keep(kept.stop.token()));
    ASSERT_TRUE(io::run_to_end(kept.loop, until(kept, [&] { return stranger.report().pid != 0; })));
    const pid_t running = stranger.report().pid;
    io::run_to_end(kept.loop, stop_and_leave(kept, scope));

    Kept next;
    next.there_already = running;
    Keeper keeper = next.make({"/bin/sleep", "1000"});
    Scope next_scope(next.loop);
    next_scope.spawn(keeper.keep(next.stop.token()));
    ASSERT_TRUE(io::run_to_end(next.loop, until(next, [&] { return keeper.report().pid == running; })));
    ::kill(running, SIGKILL);
    ASSERT_TRUE(io::run_to_end(
        next.loop, until(next, [&] { return keeper.report().pid != 0 && keeper.report().pid != running; })));
    const pid_t started = keeper.report().pid;
    io::run_to_end(next.loop, stop_and_leave(next, next_scope));
    ::kill(started, SIGKILL);
}

TEST(Keeper, GoesOnTryingWhatCannotBeStarted) {
    Kept kept;
    Keeper keeper = kept.make({"/nowhere/program"});
    Scope scope(kept.loop);
    scope.spawn(keeper.keep(kept.stop.token()));
    ASSERT_TRUE(io::run_to_end(kept.loop, until(kept, [&] { return keeper.report().restarts >= 2; })));
    EXPECT_NE(keeper.report().last_end.find("/nowhere/program"), std::string::npos);
    io::run_to_end(kept.loop, stop_and_leave(kept, scope));
}

}  // namespace
}  // namespace castle::node
