#include "dcs/etcd/term_guard.hpp"

#include <gtest/gtest.h>

namespace castle::dcs {
namespace {

using namespace std::chrono_literals;
using Source = TermGuard::Source;
constexpr BootTime start{1h};

TEST(TermGuard, RefusesWhatTheClusterHasLeftBehind) {
    TermGuard guard;
    EXPECT_TRUE(guard.accept(7, 3, Source::quorum, start));
    EXPECT_FALSE(guard.accept(7, 2, Source::one_node, start));
    EXPECT_FALSE(guard.accept(7, 2, Source::quorum, start));
    EXPECT_TRUE(guard.accept(7, 3, Source::one_node, start));
    EXPECT_TRUE(guard.accept(7, 4, Source::quorum, start));
    EXPECT_FALSE(guard.accept(7, 3, Source::one_node, start));
}

TEST(TermGuard, DoesNotLearnTheTermOfANodeThatWasCutOff) {
    TermGuard guard;
    EXPECT_TRUE(guard.accept(7, 3, Source::quorum, start));
    EXPECT_TRUE(guard.accept(7, 900, Source::one_node, start));  // it has stood for election again and again
    EXPECT_TRUE(guard.accept(7, 3, Source::quorum, start));
}

TEST(TermGuard, BelievesInAnotherClusterOnceAQuorumSaysSo) {
    TermGuard guard;
    EXPECT_TRUE(guard.accept(7, 30, Source::quorum, start));
    EXPECT_FALSE(guard.accept(8, 2, Source::one_node, start));
    EXPECT_TRUE(guard.accept(8, 2, Source::quorum, start));
    EXPECT_TRUE(guard.accept(8, 2, Source::one_node, start));
    EXPECT_FALSE(guard.accept(7, 30, Source::one_node, start));
}

TEST(TermGuard, BelievesInARestoredBackupAfterAWhile) {
    TermGuard guard;
    EXPECT_TRUE(guard.accept(7, 30, Source::quorum, start));
    EXPECT_FALSE(guard.accept(7, 2, Source::quorum, start + 1s));
    EXPECT_FALSE(guard.accept(7, 2, Source::quorum, start + 5s));
    EXPECT_TRUE(guard.accept(7, 30, Source::quorum, start + 6s));  // it is there after all: count anew
    EXPECT_FALSE(guard.accept(7, 2, Source::quorum, start + 8s));
    EXPECT_FALSE(guard.accept(7, 2, Source::one_node, start + 3h));
    EXPECT_TRUE(guard.accept(7, 2, Source::quorum, start + 13s));
    EXPECT_TRUE(guard.accept(7, 2, Source::one_node, start + 14s));
}

TEST(TermGuard, BelievesInARestoredBackupAtOnceIfTheRevisionTellsAsWell) {
    TermGuard guard;
    EXPECT_TRUE(guard.accept(7, 30, Source::quorum, start));
    EXPECT_FALSE(guard.accept(7, 2, Source::one_node, start));
    EXPECT_TRUE(guard.accept(7, 2, Source::quorum, start, true));
    EXPECT_TRUE(guard.accept(7, 2, Source::one_node, start));
}

}  // namespace
}  // namespace castle::dcs
