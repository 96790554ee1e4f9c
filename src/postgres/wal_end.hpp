// Where the write-ahead log of a stopped server ends, as pg_waldump finds it.
#pragma once

#include "base/lsn.hpp"
#include "postgres/site.hpp"

namespace castle::postgres {

// The end of the record that begins at `start`, and of the last valid record from there on.
Task<Result<Lsn>> record_end(const Site& site, Timeline timeline, Lsn start, std::uint64_t segment, BootTime deadline);
Task<Result<Lsn>> wal_end(const Site& site, Timeline timeline, Lsn from, std::uint64_t segment, BootTime deadline);

}  // namespace castle::postgres
