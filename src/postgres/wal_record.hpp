// Records of the write-ahead log as pg_waldump prints them. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/lsn.hpp"

namespace castle::postgres {

struct WalRecord {
    Lsn start;
    std::uint64_t length = 0;
};
// "rmgr: XLOG  len (rec/tot): 114/  114, tx: 0, lsn: 0/014E8F00, prev ..."
std::optional<WalRecord> parse_waldump_line(std::string_view line);
// The latter position of "WAL statistics between 0/1CA7590 and 0/2BF5230:", the end of the last record.
std::optional<Lsn> parse_waldump_stats_line(std::string_view line);

// A record of this length that begins at `start` ends, with what alignment and page headers add, here.
Lsn end_of_record(Lsn start, std::uint64_t length, std::uint64_t segment_bytes);

}  // namespace castle::postgres
