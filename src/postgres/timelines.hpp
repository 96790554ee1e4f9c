// Timelines later than the one that a server is on: what the history files in its pg_wal make it do.
#pragma once

#include <string>
#include <vector>

#include "base/lsn.hpp"
#include "base/types.hpp"
#include "postgres/site.hpp"
#include "wire/control_data.hpp"

namespace castle::postgres {

struct LaterTimeline {
    Timeline timeline{};
    Lsn begins;  // zero: its file names no parent, it only keeps the number free
};
// Newest first. As PostgreSQL looks for them: one number after the other, up to the first gap. Blocking call.
Result<std::vector<LaterTimeline>> later_timelines(const std::string& data_dir, Timeline known);

// Makes the next promotion here take a number of at least `at_least`. PostgreSQL takes the first one for which it finds
// no history file. Files that name no parent keep numbers free: a running standby does not follow them, and standbys
// that ask for them later get them.
Status reserve_timelines(const std::string& data_dir, Timeline from, Timeline at_least, const Owner& owner);

// A server that starts as a standby decides for the newest timeline of which it finds a history file, and follows no
// other until its next start. A promotion that was cut short may have left files behind of timelines on which no record
// was ever written: takes those away. The server must not run.
Task<Status> forget_unbegun_timelines(const Site& site, wire::ControlData control, BootTime deadline);

}  // namespace castle::postgres
