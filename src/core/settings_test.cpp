#include "core/settings.hpp"

#include <gtest/gtest.h>

namespace castle::core {
namespace {

TEST(Settings, TimeoutsAreMadeToFitEachOther) {
    struct Row {
        const char* rule;
        TimeoutFloors floors;
        Duration ttl, loop_wait, retry_timeout;
        Duration ttl_after, loop_wait_after, retry_timeout_after;
        std::size_t warnings;
    };
    const Row rows[] = {
        {"the defaults fit", TimeoutFloors::contract, 30s, 10s, 10s, 30s, 10s, 10s, 0},
        {"ttl at its floor", TimeoutFloors::contract, 20s, 2s, 3s, 20s, 2s, 3s, 0},
        {"ttl below its floor", TimeoutFloors::contract, 5s, 2s, 3s, 20s, 2s, 3s, 1},
        {"everything below its floor", TimeoutFloors::contract, 1s, 0s, 1s, 20s, 1s, 3s, 3},
        {"loop_wait gives way", TimeoutFloors::contract, 30s, 15s, 10s, 30s, 10s, 10s, 1},
        {"retry_timeout leaves one second", TimeoutFloors::contract, 21s, 9s, 10s, 21s, 1s, 10s, 1},
        {"retry_timeout too long even so", TimeoutFloors::contract, 30s, 10s, 30s, 30s, 1s, 14s, 1},
        {"with a fence", TimeoutFloors::fenced, 5s, 1s, 2s, 5s, 1s, 2s, 0},
        {"with a fence, at the floor", TimeoutFloors::fenced, 3s, 1s, 1s, 3s, 1s, 1s, 0},
        {"with a fence, below the floor", TimeoutFloors::fenced, 1s, 0s, 0s, 3s, 1s, 1s, 3},
    };
    for (const Row& row : rows) {
        SCOPED_TRACE(row.rule);
        Settings settings{.loop_wait = row.loop_wait, .ttl = row.ttl, .retry_timeout = row.retry_timeout};
        EXPECT_EQ(repair(settings, row.floors).size(), row.warnings);
        EXPECT_EQ(settings.ttl, row.ttl_after);
        EXPECT_EQ(settings.loop_wait, row.loop_wait_after);
        EXPECT_EQ(settings.retry_timeout, row.retry_timeout_after);
        EXPECT_LE(settings.loop_wait + 2 * settings.retry_timeout, settings.ttl);
        EXPECT_TRUE(repair(settings, row.floors).empty()) << "a repaired one needs no second repair";
    }
}

TEST(Settings, WatchdogEndsBeforeTheLease) {
    EXPECT_EQ(watchdog_timeout(30s, 5s), 25s);
    EXPECT_EQ(watchdog_timeout(30s, -1s), 15s);
    EXPECT_EQ(watchdog_timeout(6s, 5s), 3s) << "never less than half";
    EXPECT_EQ(watchdog_timeout(5s, 5s), 2s) << "whole seconds";
}

}  // namespace
}  // namespace castle::core
