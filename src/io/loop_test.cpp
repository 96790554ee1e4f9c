#include "io/loop.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <thread>
#include <vector>

#include "io/clock.hpp"
#include "io/fd.hpp"
#include "io/ready.hpp"

namespace castle::io {
namespace {

using namespace std::chrono_literals;

struct Pair {
    Pair() {
        int fds[2];
        EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
        a = Fd(fds[0]);
        b = Fd(fds[1]);
    }
    Fd a;
    Fd b;
};

Task<> note_after(Loop& loop, Duration time, std::vector<int>& log, int id) {
    co_await sleep_for(loop, time);
    log.push_back(id);
}
Task<> two_sleeps(Loop& loop, std::vector<int>& log) {
    Scope scope(loop);
    scope.spawn(note_after(loop, 6ms, log, 2));
    scope.spawn(note_after(loop, 2ms, log, 1));
    co_await scope.drained();
}
Task<Result<int>> ask_worker(Loop& loop) {
    co_return co_await loop.on_worker([]() -> Result<int> { return 42; });
}
Task<Result<int>> ask_slow_worker(Loop& loop, std::shared_ptr<std::atomic<bool>> release) {
    auto job = [release]() -> Result<int> {
        while (!*release) std::this_thread::sleep_for(1ms);
        return 1;
    };
    co_return co_await loop.on_worker(job, loop.now() + 5ms);
}
Task<> note_ready(FdWatch& watch, Want want, BootTime deadline, CancelToken cancel, std::vector<std::string>& log) {
    auto ready = co_await watch.ready(want, deadline, cancel);
    log.push_back(ready ? "ready" : std::string(name_of(ready.error().code)));
}
Task<> scoped_wait(Loop& loop, FdWatch& watch, int peer, std::vector<std::string>& log) {
    CancelSource cancel;
    Scope scope(loop);
    scope.spawn(note_ready(watch, Want::read, loop.now() + 3ms, {}, log));
    co_await scope.drained();
    scope.spawn(note_ready(watch, Want::read, BootTime::max(), cancel.token(), log));
    co_await yield(loop);
    co_await yield(loop);
    cancel.cancel();
    co_await scope.drained();
    // Both waiters of one side wake up, although an operation of an earlier, expired wait is still pending.
    scope.spawn(note_ready(watch, Want::read, BootTime::max(), {}, log));
    scope.spawn(note_ready(watch, Want::read, BootTime::max(), {}, log));
    co_await yield(loop);
    co_await yield(loop);
    EXPECT_EQ(::write(peer, "x", 1), 1);
    co_await scope.drained();
}
Task<> destroyed_waiters(Loop& loop, FdWatch& watch, int peer, std::vector<std::string>& log) {
    {
        Scope scope(loop);
        scope.spawn(note_ready(watch, Want::read, loop.now() + 1h, {}, log));
        co_await yield(loop);
        co_await yield(loop);
        EXPECT_EQ(::write(peer, "x", 1), 1);
    }
    co_await sleep_for(loop, 2ms);
}
Task<> watch_goes_first(Loop& loop, int fd, std::vector<std::string>& log) {
    auto watch = std::make_unique<FdWatch>(loop, fd);
    Scope scope(loop);
    scope.spawn(note_ready(*watch, Want::read, BootTime::max(), {}, log));
    co_await yield(loop);
    co_await yield(loop);
    watch.reset();
    co_await scope.drained();
}

TEST(Clock, RunsForwardAndNearTheKernels) {
    const BootTime first = boot_now();
    BootTime last = first;
    for (int i = 0; i < 10'000; ++i) {
        const BootTime next = boot_now();
        ASSERT_GE(next, last);
        last = next;
    }
    timespec time{};
    clock_gettime(CLOCK_BOOTTIME, &time);
    EXPECT_LT(std::chrono::abs(boot_now().time_since_epoch() - std::chrono::seconds(time.tv_sec)), 2s);
}

TEST(Loop, TimersFireInOrderAndNotTooEarly) {
    Loop loop;
    std::vector<int> log;
    const BootTime begin = loop.now();
    run_to_end(loop, two_sleeps(loop, log));
    EXPECT_EQ(log, (std::vector{1, 2}));
    EXPECT_GE(loop.now() - begin, 6ms);
}

TEST(Loop, ATimerTakenBackDoesNotFire) {
    Loop loop;
    bool fired = false;
    const TimerId timer = loop.at(loop.now() + 1ms, [&] { fired = true; });
    loop.cancel(timer);
    loop.at(loop.now() + 4ms, [&] { loop.stop(); });
    loop.run();
    EXPECT_FALSE(fired);
}

TEST(Loop, ATimerThatKeepsSettingItselfLeavesRoomForOthers) {
    Loop loop;
    std::function<void()> again = [&] { loop.at(BootTime{}, again); };
    again();
    loop.post([&] { loop.post([&] { loop.stop(); }); });
    loop.run();
}

TEST(Loop, TheWorkerBringsAnAnswer) {
    Loop loop;
    auto answer = run_to_end(loop, ask_worker(loop));
    ASSERT_TRUE(answer);
    EXPECT_EQ(*answer, 42);
}

TEST(Loop, ASlowWorkerTimesOutAndItsLateAnswerFindsNobody) {
    auto release = std::make_shared<std::atomic<bool>>(false);
    Loop loop;
    auto answer = run_to_end(loop, ask_slow_worker(loop, release));
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().code, Errc::timed_out);
    EXPECT_EQ(answer.error().effect, Effect::unknown);
    *release = true;
}

TEST(FdWatch, TimesOutIsCancelledAndWakesEverybody) {
    Loop loop;
    Pair pair;
    FdWatch watch(loop, pair.a.get());
    std::vector<std::string> log;
    run_to_end(loop, scoped_wait(loop, watch, pair.b.get(), log));
    EXPECT_EQ(log, (std::vector<std::string>{"timed out", "cancelled", "ready", "ready"}));
}

TEST(FdWatch, ADestroyedWaiterIsNotResumed) {
    Loop loop;
    Pair pair;
    FdWatch watch(loop, pair.a.get());
    std::vector<std::string> log;
    run_to_end(loop, destroyed_waiters(loop, watch, pair.b.get(), log));
    EXPECT_TRUE(log.empty());
}

TEST(FdWatch, WaitersOutliveIt) {
    Loop loop;
    Pair pair;
    std::vector<std::string> log;
    run_to_end(loop, watch_goes_first(loop, pair.a.get(), log));
    EXPECT_EQ(log, (std::vector<std::string>{"cancelled"}));
}

TEST(FdWatch, OneShotWaitsMayFollowEachOther) {
    Loop loop;
    Pair pair;
    for (int i = 0; i < 3; ++i) {
        auto writable = run_to_end(loop, wait_writable(loop, pair.a.get(), BootTime::max()));
        EXPECT_TRUE(writable);
        auto readable = run_to_end(loop, wait_readable(loop, pair.a.get(), loop.now() + 1ms));
        ASSERT_FALSE(readable);
        EXPECT_EQ(readable.error().code, Errc::timed_out);
    }
}

}  // namespace
}  // namespace castle::io
