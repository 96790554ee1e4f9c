#include "fence/deadline.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

namespace castle::fence {
namespace {

using namespace std::chrono_literals;

constexpr Revision epoch{7};

// Both clocks in step; `later` moves them together, `slewed` apart.
constexpr Instant start{.boot = BootTime{1'000s}, .raw = RawTime{400s}};
Instant later(Duration by) {
    return {start.boot + by, start.raw + by};
}
BootTime until(Duration ahead) {
    return start.boot + ahead;
}

Deadline armed() {
    Deadline deadline;
    EXPECT_EQ(deadline.server_started(start, 42), Outcome{});
    EXPECT_EQ(deadline.arm(start, epoch, until(10s)), (Outcome{Answer::ok, Action::ping_watchdog}));
    return deadline;
}

TEST(Deadline, OneRowPerRule) {
    struct Row {
        std::string_view rule;
        Outcome (*event)(Deadline&);
        Outcome outcome;
        Phase phase;
        Duration ahead;  // of the deadline afterwards
    };
    constexpr Outcome kill{Answer::ok, Action::kill};
    constexpr Outcome moved{Answer::ok, Action::ping_watchdog};
    constexpr Outcome kept{Answer::ok, Action::nothing};
    constexpr Outcome too_late_and_kill{Answer::too_late, Action::kill};
    const Row rows[] = {
        {"before its time nothing happens", [](Deadline& d) { return d.tick(later(9'999ms)); }, kept, Phase::armed,
         10s},
        {"at its time it fires", [](Deadline& d) { return d.tick(later(10s)); }, kill, Phase::fired, 10s},
        {"the raw clock alone is enough",
         [](Deadline& d) {
             return d.tick({later(9s).boot, later(10s).raw});
         },
         kill, Phase::fired, 10s},
        {"the boot clock alone is enough (the machine slept)",
         [](Deadline& d) {
             return d.tick({later(10s).boot, later(1s).raw});
         },
         kill, Phase::fired, 10s},
        {"an extension moves it and pings", [](Deadline& d) { return d.extend(later(5s), epoch, until(15s)); }, moved,
         Phase::armed, 15s},
        {"an extension never moves it back", [](Deadline& d) { return d.extend(later(5s), epoch, until(8s)); }, kept,
         Phase::armed, 10s},
        {"an extension to the same time does not ping: nothing moved",
         [](Deadline& d) { return d.extend(later(5s), epoch, until(10s)); }, kept, Phase::armed, 10s},
        {"an extension for an earlier epoch is refused",
         [](Deadline& d) { return d.extend(later(5s), Revision{6}, until(15s)); },
         {Answer::stale_epoch},
         Phase::armed,
         10s},
        {"an extension for a later epoch must arm first",
         [](Deadline& d) { return d.extend(later(5s), Revision{8}, until(15s)); },
         {Answer::stale_epoch},
         Phase::armed,
         10s},
        {"an extension that comes too late kills", [](Deadline& d) { return d.extend(later(10s), epoch, until(20s)); },
         too_late_and_kill, Phase::fired, 10s},
        {"an extension too far ahead is a mistake of units",
         [](Deadline& d) { return d.extend(later(5s), epoch, until(25h)); },
         {Answer::too_far},
         Phase::armed,
         10s},
        {"a later epoch takes over, with its own deadline even if that is nearer",
         [](Deadline& d) { return d.arm(later(1s), Revision{8}, until(5s)); }, moved, Phase::armed, 5s},
        {"the same epoch on a shorter lease counts from that lease",
         [](Deadline& d) { return d.arm(later(1s), epoch, until(5s)); }, moved, Phase::armed, 5s},
        {"an earlier epoch cannot arm over a later one",
         [](Deadline& d) { return d.arm(later(1s), Revision{6}, until(15s)); },
         {Answer::stale_epoch},
         Phase::armed,
         10s},
        {"arming with a deadline that has passed is refused",
         [](Deadline& d) { return d.arm(later(5s), epoch, until(5s)); },
         {Answer::too_late},
         Phase::armed,
         10s},
        {"arming too late kills", [](Deadline& d) { return d.arm(later(10s), Revision{8}, until(20s)); },
         too_late_and_kill, Phase::fired, 10s},
        {"disarming in time leaves the server", [](Deadline& d) { return d.disarm(later(9s)); }, kept, Phase::attached,
         10s},
        {"disarming too late kills", [](Deadline& d) { return d.disarm(later(10s)); }, too_late_and_kill, Phase::fired,
         10s},
        {"the deadline is now", [](Deadline& d) { return d.kill(later(3s)); }, kill, Phase::fired, 3s},
        {"a second server is refused",
         [](Deadline& d) { return d.server_started(later(3s), 43); },
         {Answer::server_running},
         Phase::armed,
         10s},
    };
    for (const Row& row : rows) {
        SCOPED_TRACE(row.rule);
        Deadline deadline = armed();
        EXPECT_EQ(row.event(deadline), row.outcome);
        EXPECT_EQ(deadline.state().phase, row.phase);
        EXPECT_EQ(deadline.state().deadline, until(row.ahead));
        EXPECT_EQ(deadline.state().server, 42);
    }
}

TEST(Deadline, WhileItFiresEverythingElseIsRefused) {
    Deadline deadline = armed();
    ASSERT_EQ(deadline.tick(later(10s)).action, Action::kill);
    EXPECT_EQ(deadline.arm(later(11s), Revision{8}, until(20s)).answer, Answer::firing);
    EXPECT_EQ(deadline.extend(later(11s), epoch, until(20s)).answer, Answer::firing);
    EXPECT_EQ(deadline.disarm(later(11s)).answer, Answer::firing);
    EXPECT_EQ(deadline.server_started(later(11s), 43).answer, Answer::firing);
    EXPECT_EQ(deadline.tick(later(11s)), Outcome{});
    EXPECT_EQ(deadline.kill(later(11s)), Outcome{}) << "one firing, not two";
    EXPECT_EQ(deadline.state().firings, 1U);
    EXPECT_EQ(deadline.wait(later(11s)), std::nullopt);
}

TEST(Deadline, AFiringEndsWithTheEmptyTreeAndThenAllIsAllowedAgain) {
    Deadline deadline = armed();
    ASSERT_EQ(deadline.tick(later(10s)).action, Action::kill);
    EXPECT_EQ(deadline.emptied(), (Outcome{Answer::ok, Action::close_watchdog}));
    EXPECT_EQ(deadline.state().phase, Phase::gone);
    EXPECT_EQ(deadline.state().server, 0);
    EXPECT_TRUE(deadline.state().killed);
    EXPECT_EQ(deadline.state().epoch, epoch) << "still says for which leadership it was armed";
    EXPECT_EQ(deadline.arm(later(12s), epoch, until(20s)).answer, Answer::ok);
    EXPECT_EQ(deadline.server_started(later(12s), 43), Outcome{});
    EXPECT_FALSE(deadline.state().killed);
    EXPECT_EQ(deadline.state().phase, Phase::armed);
}

TEST(Deadline, IsInForceBeforeTheServerStartsAndAfterItEnds) {
    Deadline deadline;
    ASSERT_EQ(deadline.arm(start, epoch, until(10s)).answer, Answer::ok);
    EXPECT_EQ(deadline.server_started(later(1s), 42), Outcome{});
    deadline.server_ended();
    EXPECT_EQ(deadline.state().phase, Phase::armed);
    EXPECT_EQ(deadline.state().server, 0);
    EXPECT_EQ(deadline.tick(later(10s)).action, Action::kill) << "addresses must go even if no server runs";
}

TEST(Deadline, AServerThatStartsAfterItsDeadlineIsKilled) {
    Deadline deadline;
    ASSERT_EQ(deadline.arm(start, epoch, until(10s)).answer, Answer::ok);
    EXPECT_EQ(deadline.server_started(later(10s), 42).action, Action::kill);
}

TEST(Deadline, WithoutOneNothingEverFires) {
    Deadline deadline;
    EXPECT_EQ(deadline.server_started(start, 42), Outcome{});
    EXPECT_EQ(deadline.tick(later(100h)), Outcome{});
    EXPECT_EQ(deadline.extend(start, epoch, until(10s)).answer, Answer::not_armed);
    EXPECT_EQ(deadline.wait(start), std::nullopt);
    deadline.server_ended();
    EXPECT_EQ(deadline.state().phase, Phase::gone);
}

TEST(Deadline, AnEarlierEpochMayArmOnceNothingIsInForce) {
    Deadline deadline = armed();
    ASSERT_EQ(deadline.disarm(later(1s)), Outcome{});
    EXPECT_EQ(deadline.arm(later(2s), Revision{2}, until(10s)).answer, Answer::ok)
        << "a store restored from a backup counts from lower revisions";
}

TEST(Deadline, WaitsNoLongerThanEitherClockAllows) {
    Deadline deadline = armed();
    EXPECT_EQ(deadline.wait(later(0s)), Duration{1s}) << "looks again, so that the clocks cannot drift apart";
    EXPECT_EQ(deadline.wait(later(9'600ms)), Duration{400ms});
    EXPECT_EQ(deadline.wait({later(9s).boot, later(9'900ms).raw}), Duration{100ms});
    EXPECT_EQ(deadline.wait(later(11s)), Duration{0});
}

// A server whose agent is silent is told to stop in order a moment before its deadline, and killed at it all the same.
TEST(Deadline, TheServerIsToldOnceToStopBeforeItsDeadline) {
    constexpr Outcome stop{Answer::ok, Action::stop};
    Deadline deadline;
    ASSERT_EQ(deadline.server_started(start, 42), Outcome{});
    ASSERT_EQ(deadline.arm(start, epoch, until(10s), 400ms).answer, Answer::ok);
    EXPECT_EQ(deadline.wait(later(9'200ms)), Duration{400ms});
    EXPECT_EQ(deadline.tick(later(9'599ms)), Outcome{}) << "not earlier";
    EXPECT_EQ(deadline.tick(later(9'600ms)), stop);
    EXPECT_EQ(deadline.tick(later(9'700ms)), Outcome{}) << "once";
    EXPECT_EQ(deadline.state().phase, Phase::armed);
    EXPECT_EQ(deadline.wait(later(9'700ms)), Duration{300ms});
    EXPECT_EQ(deadline.tick(later(10s)).action, Action::kill);
    ASSERT_EQ(deadline.emptied().action, Action::close_watchdog);

    ASSERT_EQ(deadline.arm(later(20s), epoch, until(30s), 400ms).answer, Answer::ok);
    EXPECT_EQ(deadline.tick(later(29'700ms)), Outcome{}) << "there is no server";
    ASSERT_EQ(deadline.extend(later(29'800ms), epoch, until(40s), 400ms).answer, Answer::ok);
    ASSERT_EQ(deadline.server_started(later(29'900ms), 43), Outcome{});
    EXPECT_EQ(deadline.tick(later(39'500ms)), Outcome{});
    ASSERT_EQ(deadline.extend(later(39'500ms), epoch, until(50s), 1s).answer, Answer::ok);
    EXPECT_EQ(deadline.tick(later(39'700ms)), Outcome{}) << "moved on in time";
    EXPECT_EQ(deadline.tick({later(48s).boot, later(49s).raw}), stop) << "the raw clock alone is enough";
    deadline.server_ended();
    ASSERT_EQ(deadline.extend(later(49'500ms), epoch, until(60s), 1s).answer, Answer::ok);
    ASSERT_EQ(deadline.server_started(later(49'600ms), 44), Outcome{});
    EXPECT_EQ(deadline.tick(later(59'100ms)), stop) << "its successor is another server";
}

// Whatever is asked of it and in whatever order: once it is armed it fires no later than at the last deadline that it
// accepted, and never before unless told to; and tells the server to stop only in the time before it that was asked
// for.
TEST(Deadline, FiresExactlyAtTheLastDeadlineItAccepted) {
    const bool holds = rc::check([] {
        Deadline deadline;
        deadline.server_started(start, 42);
        Instant now = start;
        std::optional<BootTime> accepted;
        const Duration stop_before{*rc::gen::inRange(0, 1'000)};
        bool told = false;
        for (int step = 0; step < 40; ++step) {
            now.boot += Duration{*rc::gen::inRange(0, 3'000)};
            now.raw = RawTime{now.boot.time_since_epoch() - 600s};
            const Revision asked{*rc::gen::inRange(1, 4)};
            const BootTime wanted = now.boot + Duration{*rc::gen::inRange(-2'000, 10'000)};
            const State before = deadline.state();
            Outcome outcome;
            switch (*rc::gen::inRange(0, 4)) {
                case 0:
                    outcome = deadline.arm(now, asked, wanted, stop_before);
                    if (outcome.answer == Answer::ok) accepted = wanted;
                    break;
                case 1:
                    outcome = deadline.extend(now, asked, wanted, stop_before);
                    if (outcome.answer == Answer::ok) accepted = std::max(*accepted, wanted);
                    break;
                case 2:
                    outcome = deadline.disarm(now);
                    if (outcome.answer == Answer::ok && before.phase != Phase::fired) accepted.reset();
                    break;
                default: outcome = deadline.tick(now);
            }
            if (outcome.action == Action::stop) {
                RC_ASSERT(!std::exchange(told, true));
                RC_ASSERT(before.phase == Phase::armed);
                RC_ASSERT(now.boot >= before.deadline - stop_before);
            }
            if (outcome.action == Action::kill) {
                RC_ASSERT(before.phase == Phase::armed);
                RC_ASSERT(now.boot >= before.deadline);
                return;
            }
            RC_ASSERT(deadline.state().phase == (accepted ? Phase::armed : Phase::attached));
            if (accepted) {
                RC_ASSERT(deadline.state().deadline == *accepted);
                RC_ASSERT(now.boot < *accepted);
            }
        }
    });
    EXPECT_TRUE(holds);
}

}  // namespace
}  // namespace castle::fence
