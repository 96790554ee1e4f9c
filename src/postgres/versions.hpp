// What differs between PostgreSQL 13 and 18, in one table. Pure.
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"

namespace castle::postgres {

// Whether a major version has something; the numbers are majors in which it came.
struct Version {
    int number = 0;  // 150018

    int major() const { return number / 10'000; }
    bool at_least(int wanted) const { return major() >= wanted; }

    bool sslcrldir() const { return at_least(14); }
    bool restore_command_reloads() const { return at_least(14); }
    bool pauses_when_settings_are_low() const { return at_least(14); }
    bool idle_walreceiver_is_kept() const { return at_least(13); }
    bool server_side_compression() const { return at_least(15); }
    bool rewind_takes_config_file() const { return at_least(15); }
    // From 15 on, a server that finds backup_label in single-user mode ends with an error.
    bool single_user_refuses_backup_label() const { return at_least(15); }
    // pg_waldump --stats says where the last record ends. (Without, it prints all that messages carry, slowly.)
    bool waldump_stats_tell_end() const { return at_least(15); }
    bool public_schema_is_closed() const { return at_least(15); }
    bool promote_trigger_file() const { return !at_least(16); }
    bool sslnegotiation() const { return at_least(17); }
    bool slot_failover() const { return at_least(17); }
    bool checksums_by_default() const { return at_least(18); }
};

inline constexpr int oldest_major = 13;
inline constexpr int newest_major = 18;

// "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)", "18beta1" included. Errc::invalid for versions that are not
// supported, with the way out.
Result<Version> parse_version(std::string_view program_output);
// The major version in PG_VERSION, "15\n"; of "9.6\n" it is 9. Also of those that are not supported.
Result<int> parse_pg_version_file(std::string_view content);

}  // namespace castle::postgres
