// global/pg_control: the bytes in which PostgreSQL keeps its own state, for PostgreSQL 13 to 18 on 64-bit machines of
// this machine's byte order. A reader of bytes that owns no file.
//
// A running server replaces the file in place, so a reader may see a half-written one: its checksum is wrong then, and
// reading again a moment later succeeds.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/lsn.hpp"
#include "base/result.hpp"
#include "base/types.hpp"

namespace castle::wire {

struct ControlData {
    // The numbers are PostgreSQL's (enum DBState).
    enum class State : std::uint32_t {
        starting_up,
        shut_down,
        shut_down_in_recovery,
        shutting_down,
        in_crash_recovery,
        in_archive_recovery,
        in_production
    };

    std::uint64_t system_id = 0;
    std::uint32_t control_version = 0;  // 1300
    std::uint32_t catalog_version = 0;
    State state = State::starting_up;
    Lsn checkpoint;
    Lsn redo;
    Timeline timeline{};
    Timeline previous_timeline{};
    Lsn min_recovery_end;
    Timeline min_recovery_timeline{};
    Lsn backup_start;
    Lsn backup_end;
    bool backup_end_required = false;
    int wal_level = 0;  // 0 minimal, 1 replica, 2 logical
    bool wal_log_hints = false;
    // The settings of the primary at the latest checkpoint: a standby must not have less.
    int max_connections = 0;
    int max_worker_processes = 0;
    int max_wal_senders = 0;
    int max_prepared_transactions = 0;
    int max_locks_per_transaction = 0;
    bool track_commit_timestamp = false;
    std::uint32_t wal_segment_bytes = 0;
    std::uint32_t checksum_version = 0;  // 0: no data checksums
};

// All that PostgreSQL writes fits into these first bytes of the file.
inline constexpr std::size_t control_file_bytes = 512;

Result<ControlData> read_control_data(std::string_view bytes);

std::string_view text_of(ControlData::State state);  // as pg_controldata prints it: "in production"

// CRC-32C (Castagnoli), as PostgreSQL stores it.
std::uint32_t crc32c(std::string_view bytes);

}  // namespace castle::wire
