// Where the write-ahead log in a data directory ends, as pg_waldump finds it.
#pragma once

#include "base/lsn.hpp"
#include "postgres/site.hpp"

namespace castle::postgres {

// The end of the record that begins at `start`.
Task<Result<Lsn>> record_end(const Site& site, Timeline timeline, Lsn start, std::uint64_t segment, BootTime deadline);
// The end of the last valid record from the end of another one, `from`, on; `from` if there is none. The log is read
// from a little before `near`, where its end is thought to be, and from farther back only if no record begins there.
Task<Result<Lsn>> wal_end(const Site& site, Timeline timeline, Lsn from, Lsn near, std::uint64_t segment,
                          BootTime deadline);
// Whether there is any record of the timeline at `start`, a place where one may begin, or after it.
Task<Result<bool>> has_record(const Site& site, Timeline timeline, Lsn start, std::uint64_t segment, BootTime deadline);

}  // namespace castle::postgres
