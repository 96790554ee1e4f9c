// Points in time as people write them for scheduled actions. Pure.
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/types.hpp"

namespace castle::api {

// What a refused schedule is answered with.
struct ScheduleProblem {
    int status = 0;  // 0: none
    std::string text;
};
struct Schedule {
    WallTime at{};
    ScheduleProblem problem;
};

// ISO 8601, and what people write for it: "2026-01-01 10:00 UTC", "20260101T100000Z", "2026/1/1 10:00:00 +02", "10:00Z"
// (today). A zone is mandatory and the past is refused. `action` is for the message.
Schedule read_schedule(std::string_view text, WallTime now, std::string_view action);

// Only the reading: Errc::denied without a zone, Errc::invalid for what is no point in time.
Result<WallTime> read_time(std::string_view text, WallTime now);

}  // namespace castle::api
