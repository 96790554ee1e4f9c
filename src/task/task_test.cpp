#include <gtest/gtest.h>

#include <vector>

#include "task/manual_executor.hpp"
#include "task/scope.hpp"

namespace castle {
namespace {

using namespace std::chrono_literals;

Task<int> answer() {
    co_return 42;
}
Task<> put(int& out) {
    out = co_await answer();
}
Task<> sleeper(Executor& executor, Duration time, std::vector<int>& log, int id) {
    co_await sleep_for(executor, time);
    log.push_back(id);
}
Task<> waiter(Executor& executor, Signal& signal, BootTime deadline, CancelToken cancel, std::vector<bool>& log) {
    const bool came = co_await wait_past(executor, signal, signal.count(), deadline, cancel);
    log.push_back(came);
}

TEST(Task, RunsOnlyWhenAwaited) {
    ManualExecutor executor;
    int out = 0;
    Scope scope(executor);
    scope.spawn(put(out));
    EXPECT_EQ(out, 0);
    executor.run_for(0ms);
    EXPECT_EQ(out, 42);
    EXPECT_TRUE(scope.empty());
}

TEST(Task, TimersFireInOrderOfTimeAndThenOfRequest) {
    ManualExecutor executor;
    std::vector<int> log;
    Scope scope(executor);
    scope.spawn(sleeper(executor, 20ms, log, 3));
    scope.spawn(sleeper(executor, 10ms, log, 1));
    scope.spawn(sleeper(executor, 10ms, log, 2));
    executor.run_for(15ms);
    EXPECT_EQ(log, (std::vector{1, 2}));
    executor.run_for(15ms);
    EXPECT_EQ(log, (std::vector{1, 2, 3}));
}

TEST(ManualExecutor, AStaleIdTakesNobodyElsesTimerBack) {
    ManualExecutor executor;
    int fired = 0;
    const TimerId first = executor.at(executor.now() + 1ms, [&] { ++fired; });
    executor.cancel(first);
    executor.at(executor.now() + 2ms, [&] { ++fired; });  // may lie where the first one lay
    executor.cancel(first);
    EXPECT_EQ(executor.next(), executor.now() + 2ms);
    executor.run_for(5ms);
    EXPECT_EQ(fired, 1);
    EXPECT_EQ(executor.next(), std::nullopt);
}

TEST(Task, DestroyingTheScopeTakesTimersBack) {
    ManualExecutor executor;
    std::vector<int> log;
    {
        Scope scope(executor);
        scope.spawn(sleeper(executor, 10ms, log, 1));
        executor.run_for(1ms);
    }
    executor.run_for(1s);
    EXPECT_TRUE(log.empty());
}

TEST(Wait, SignalDeadlineAndCancellationEachEndIt) {
    ManualExecutor executor;
    Signal signal;
    CancelSource cancel;
    std::vector<bool> log;
    Scope scope(executor);
    scope.spawn(waiter(executor, signal, executor.now() + 10ms, {}, log));
    executor.run_for(20ms);
    EXPECT_EQ(log, (std::vector{false}));
    scope.spawn(waiter(executor, signal, executor.now() + 1s, {}, log));
    executor.run_for(1ms);
    signal.notify();
    executor.run_for(0ms);
    EXPECT_EQ(log, (std::vector{false, true}));
    scope.spawn(waiter(executor, signal, BootTime::max(), cancel.token(), log));
    executor.run_for(1ms);
    cancel.cancel();
    executor.run_for(0ms);
    EXPECT_EQ(log, (std::vector{false, true, false}));
}

TEST(Wait, AWaiterDestroyedAfterItsWakeUpIsNotResumed) {
    ManualExecutor executor;
    Signal signal;
    std::vector<bool> log;
    {
        Scope scope(executor);
        scope.spawn(waiter(executor, signal, BootTime::max(), {}, log));
        executor.run_for(1ms);
        signal.notify();  // posted, not run
    }
    executor.run_for(1ms);
    EXPECT_TRUE(log.empty());
}

TEST(Wait, ALateCallbackFindsNobody) {
    ManualExecutor executor;
    std::function<void(int)> setter;
    {
        Completion<int> completion;
        setter = completion.setter();
    }
    setter(1);
    Completion<int> kept;
    kept.setter()(7);
    kept.setter()(8);
    EXPECT_EQ(kept.take(), 7);
}

}  // namespace
}  // namespace castle
