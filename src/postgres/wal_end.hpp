// Where the write-ahead log of a stopped server ends, as pg_waldump finds it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/lsn.hpp"
#include "postgres/site.hpp"

namespace castle::postgres {

// The end of the record that begins at `start`, and of the last valid record from there on.
Task<Result<Lsn>> record_end(const Site& site, Timeline timeline, Lsn start, std::uint64_t segment, BootTime deadline);
Task<Result<Lsn>> wal_end(const Site& site, Timeline timeline, Lsn from, std::uint64_t segment, BootTime deadline);

// Pure. A record of this length that begins at `start` ends, with what alignment and page headers add, here.
Lsn end_of_record(Lsn start, std::uint64_t length, std::uint64_t segment_bytes);
struct WalRecord {
    Lsn start;
    std::uint64_t length = 0;
};
// "rmgr: XLOG  len (rec/tot): 114/  114, tx: 0, lsn: 0/014E8F00, prev ..."
std::optional<WalRecord> parse_waldump_line(std::string_view line);

}  // namespace castle::postgres
