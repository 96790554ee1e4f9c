#include "ctl/unified_diff.hpp"

#include <gtest/gtest.h>

namespace castle::ctl {
namespace {

TEST(UnifiedDiff, IsTheRecordedSample) {
    const char* before =
        "loop_wait: 2\nmaximum_lag_on_failover: 1\npostgresql:\n  use_pg_rewind: true\nretry_timeout: 5\nttl: 20\n";
    const char* after =
        "loop_wait: 2\nmaximum_lag_on_failover: 1\npostgresql:\n  use_pg_rewind: true\nretry_timeout: 5\nttl: 21\n";
    EXPECT_EQ(
        unified_diff(before, after),
        "--- \n+++ \n@@ -3,4 +3,4 @@\n postgresql:\n   use_pg_rewind: true\n retry_timeout: 5\n-ttl: 20\n+ttl: 21\n");
    EXPECT_EQ(unified_diff(before, before), "");
}

TEST(UnifiedDiff, DistantChangesMakeTwoHunks) {  // made by difflib
    EXPECT_EQ(unified_diff("a\n1\n2\n3\n4\n5\n6\n7\nb\n", "A\n1\n2\n3\n4\n5\n6\n7\nB\nC\n"),
              "--- \n+++ \n@@ -1,4 +1,4 @@\n-a\n+A\n 1\n 2\n 3\n@@ -6,4 +6,5 @@\n 5\n 6\n 7\n-b\n+B\n+C\n");
    EXPECT_EQ(unified_diff("{}\n", "ttl: 5\n"), "--- \n+++ \n@@ -1 +1 @@\n-{}\n+ttl: 5\n");
    EXPECT_EQ(unified_diff("a\nb\n", "a\nx\nb\n"), "--- \n+++ \n@@ -1,2 +1,3 @@\n a\n+x\n b\n");
}

}  // namespace
}  // namespace castle::ctl
