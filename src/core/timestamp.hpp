// Points in wall time as text: ISO 8601 with zone, as the store and the REST interface carry them. Pure: the local zone
// is handed in by whoever needs it.
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/types.hpp"

namespace castle::core {

// "2026-01-01T10:00:00+00:00", "2026-01-01 10:00:00.5Z", "2026-01-01T10:00+0200", ... Without a zone: Errc::denied, so
// that callers can say that the zone is mandatory. Errc::invalid for what is no timestamp.
Result<WallTime> parse_timestamp(std::string_view text);

std::string iso_utc(WallTime time);  // "2026-01-01T10:00:00.123456+00:00"; no fraction if it is zero

}  // namespace castle::core
