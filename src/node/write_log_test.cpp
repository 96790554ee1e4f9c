#include "node/write_log.hpp"

#include <gtest/gtest.h>

namespace castle::node {
namespace {

using namespace std::chrono_literals;

BootTime at(int ms) {
    return BootTime{std::chrono::milliseconds(ms)};
}

TEST(WriteLog, TellsTheGapThatAMoveMade) {
    WriteLog log;
    EXPECT_EQ(log.acknowledged(at(0), 1, "n1"), "n1 acknowledges writes");
    EXPECT_EQ(log.acknowledged(at(10), 2, "n1"), std::nullopt);
    EXPECT_EQ(log.failed(at(20), 3, "terminated"), "lost n1: terminated");
    EXPECT_EQ(log.failed(at(30), {}, "refused"), std::nullopt);
    EXPECT_EQ(log.acknowledged(at(222), 4, "n2"), "n2 acknowledges again after a gap of 212 ms with 2 errors");
    EXPECT_EQ(log.summary(), "3 rows acknowledged, longest gap 212 ms, 2 errors, moved n1 -> n2");
    EXPECT_EQ(log.unknown(), std::vector<std::int64_t>{3});
    EXPECT_EQ(log.last_row(), 4);
}

TEST(WriteLog, TellsAWriteThatTookLongWithoutAnError) {
    WriteLog log;
    log.acknowledged(at(0), 1, "n1");
    EXPECT_EQ(log.acknowledged(at(350), 2, "n1"), "n1 acknowledges again after a gap of 350 ms");
}

TEST(WriteLog, MeasuresAnewFromWhereItIsTold) {
    WriteLog log;
    log.acknowledged(at(0), 1, "n1");
    log.acknowledged(at(900), 2, "n2");
    log.measure_from_here();
    log.acknowledged(at(910), 3, "n2");
    EXPECT_EQ(log.summary(), "3 rows acknowledged, longest gap 10 ms, 0 errors, on n2");
}

TEST(WriteLog, IsSteadyOnlyWhenNothingWasAmissForThatLong) {
    WriteLog log;
    EXPECT_FALSE(log.steady_for(0ms, at(0)));
    for (int ms = 0; ms <= 1000; ms += 10) log.acknowledged(at(ms), ms + 1, "n1");
    EXPECT_TRUE(log.steady_for(1s, at(1000)));
    EXPECT_FALSE(log.steady_for(2s, at(1000)));
    EXPECT_FALSE(log.steady_for(1s, at(1300))) << "a gap is going on";
    log.failed(at(1010), 1002, "gone");
    EXPECT_FALSE(log.steady_for(0ms, at(1011)));
    log.acknowledged(at(1200), 1003, "n2");
    for (int ms = 1200; ms <= 2100; ms += 10) log.acknowledged(at(ms), ms + 1, "n2");
    EXPECT_FALSE(log.steady_for(1s, at(2100)));
}

}  // namespace
}  // namespace castle::node
