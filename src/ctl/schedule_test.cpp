#include "ctl/schedule.hpp"

#include <gtest/gtest.h>

#include "core/timestamp.hpp"

namespace castle::ctl {
namespace {

const Zone two_hours_ahead{{2026, 3, 4}, [](const LocalTime&) { return std::chrono::minutes(120); }};

TEST(Schedule, EveryWayToWriteADate) {
    struct Row {
        const char* text;
        const char* iso;  // "": now; "bad": refused
    };
    const Row rows[] = {
        {"now", ""},
        {"", ""},
        {"2026-01-01T10:00", "2026-01-01T10:00:00+02:00"},
        {"2026-01-01 10:00:30", "2026-01-01T10:00:30+02:00"},
        {"2026-01-01T10:00:00+00:00", "2026-01-01T10:00:00+00:00"},
        {"2026-01-01 10:00:00.123456+00:00", "2026-01-01T10:00:00.123456+00:00"},
        {"2026-01-01 10:00 UTC", "2026-01-01T10:00:00+00:00"},
        {"2026-01-01T10:00:00Z", "2026-01-01T10:00:00+00:00"},
        {"2026-01-01T10:00-0530", "2026-01-01T10:00:00-05:30"},
        {"2026-01-01T10:00 +03", "2026-01-01T10:00:00+03:00"},
        {"2026/1/2 9:05", "2026-01-02T09:05:00+02:00"},
        {"20260101T1000", "2026-01-01T10:00:00+02:00"},
        {"2026-01-01", "2026-01-01T00:00:00+02:00"},
        {"23:15", "2026-03-04T23:15:00+02:00"},
        {"23:15 UTC", "2026-03-04T23:15:00+00:00"},
        {"tomorrow", "bad"},
        {"2026-13-01", "bad"},
        {"2026-02-30 10:00", "bad"},
        {"2026-01-01 25:00", "bad"},
        {"2026-01-01 10:00 somewhere", "bad"},
        {"10", "bad"},
    };
    for (const Row& row : rows) {
        SCOPED_TRACE(row.text);
        const auto moment = parse_scheduled(row.text, two_hours_ahead);
        if (!moment)
            EXPECT_STREQ(row.iso, "bad");
        else
            EXPECT_EQ(*moment ? (*moment)->iso() : "", row.iso);
        if (!moment || !*moment) continue;
        const auto read_back = core::parse_timestamp((*moment)->iso());
        ASSERT_TRUE(read_back) << "what we send must be understood";
        EXPECT_EQ(*read_back, (*moment)->wall());
    }
    EXPECT_EQ(parse_scheduled("x", two_hours_ahead).error().message,
              "Unable to parse scheduled timestamp (x). It should be in an unambiguous format (e.g. ISO 8601)");
}

}  // namespace
}  // namespace castle::ctl
