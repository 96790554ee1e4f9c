// What is known about the local PostgreSQL: its data directory, its process, its WAL. Gathered by the Server port,
// looked at by the decisions.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/lsn.hpp"
#include "base/types.hpp"

namespace castle::core {

// pg_control's "Database cluster state" (src/include/catalog/pg_control.h, enum DBState).
enum class ControlState {
    starting_up,
    shut_down,
    shut_down_in_recovery,
    shutting_down,
    in_crash_recovery,
    in_archive_recovery,
    in_production
};

struct ControlData {
    std::string system_id;
    ControlState state = ControlState::starting_up;
    Timeline timeline{};  // of the latest checkpoint
    Lsn checkpoint;       // location of the latest checkpoint record
    Lsn redo;
    Lsn min_recovery_end;  // zero: it was a primary
    Timeline min_recovery_timeline{};
    bool checksums = false;
    bool wal_log_hints = false;
    std::uint32_t wal_segment_bytes = 16 << 20;
};

enum class DataDir { empty, present, unreadable, foreign };  // foreign: not empty and not PostgreSQL's
enum class ProcessState { stopped, starting, running, stopping };

// A connected standby, as pg_stat_replication shows it on its upstream.
struct Walsender {
    std::string application_name;
    std::string user;
    std::string client_addr;
    std::string state;
    std::string sync_state;
    int sync_priority = 0;
    Lsn sent, write, flush, replay;
};

struct Slot {
    std::string name;
    bool physical = true;
    bool active = false;
    Lsn restart_lsn;
    Lsn confirmed_flush;
    std::string plugin, database;
    bool holds_xmin = false;
    bool lost = false;      // the WAL that it should have kept is gone
    bool failover = false;  // from 17 on: the server itself carries it over
};

// Whom a standby follows. `member` is empty for a remote primary or for nobody.
struct Upstream {
    std::string member;
    std::string host;
    int port = 0;
    friend bool operator==(const Upstream&, const Upstream&) = default;
};

struct PendingChange {
    std::string old_value, new_value;
};

struct Instance {
    DataDir data = DataDir::empty;
    std::string data_problem;  // in words, when unreadable or foreign
    bool standby_signal = false;
    bool disk_full = false;  // no room for another WAL segment
    std::optional<ControlData> control;

    ProcessState process = ProcessState::stopped;
    int postmaster_pid = 0;
    bool under_fence = false;           // the postmaster is the fence's child (or was adopted by it)
    bool ended_by_itself = false;       // it ran, and ended without being asked: crashed
    bool accepting = false;             // answers queries
    bool in_recovery = true;            // meaningful while running
    bool read_failed = false;           // the last look at it by SQL did not succeed; older values below
    BootTime looked_at{};               // when the values below were read
    std::string postmaster_start_time;  // "2024-08-28 19:39:26.352526+00:00"
    double postmaster_start_epoch = 0;
    int server_version = 0;  // 150018

    Timeline timeline{};
    Lsn flushed;                     // primary: pg_current_wal_flush_lsn
    Lsn received, replayed;          // standby
    std::string replayed_timestamp;  // empty: null
    bool replay_paused = false;
    bool streaming = false;            // the WAL receiver is streaming
    Lsn latest_end;                    // of the upstream, as the WAL receiver last heard
    std::optional<Upstream> upstream;  // as configured now (primary_conninfo); its member is not known
    bool has_restore_command = false;
    std::vector<Walsender> walsenders;
    std::map<std::string, Slot> slots;
    int client_backends = 0;
    std::map<std::string, PendingChange> pending_restart;
    std::vector<std::pair<Timeline, Lsn>> history;  // ended timelines of the current history file, with switch points

    bool running_primary() const { return process == ProcessState::running && !in_recovery; }
    bool running_standby() const { return process == ProcessState::running && in_recovery; }
    bool follows(const Upstream& wanted) const {
        return upstream && upstream->host == wanted.host && upstream->port == wanted.port;
    }
    // The furthest WAL this instance surely has.
    Lsn position() const { return in_recovery ? (received > replayed ? received : replayed) : flushed; }
};

}  // namespace castle::core
