// `--scheduled`: a date and time as people write it. Pure: the present and the local time zone are handed in.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/types.hpp"

namespace castle::ctl {

struct LocalTime {
    int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0, microsecond = 0;
};

struct Moment {
    LocalTime time;
    std::chrono::minutes zone{0};  // how far ahead of UTC
    WallTime wall() const;
    std::string iso() const;   // "2026-01-01T10:00:00+02:00"
    std::string text() const;  // the same with a blank
};

struct Zone {
    LocalTime today;                                               // the local date
    std::function<std::chrono::minutes(const LocalTime&)> offset;  // of the local zone at that local time
};

// Nothing for "now" (and ""). Date and time (2026-01-01 10:00, with seconds, fractions, T), a time of today, a date
// alone (its midnight), each with or without a zone (Z, UTC, +02, +0200, +02:00); without, it is the local one.
Result<std::optional<Moment>> parse_scheduled(std::string_view text, const Zone& local);

}  // namespace castle::ctl
