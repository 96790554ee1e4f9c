// What the files of a data directory say: whether it is one, its control data, its postmaster's file, its timeline
// history. Blocking calls that own all they use: they run on the loop's worker.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "core/instance.hpp"
#include "wire/control_data.hpp"

namespace castle::postgres {

// postmaster.pid, as the server keeps it.
struct PostmasterFile {
    pid_t pid = 0;
    bool single_user = false;  // no postmaster, but "postgres --single": its number is written negative
    std::string data_dir;
    long long started = 0;  // seconds since 1970
    int port = 0;
    std::string socket_dir;
    std::string listen_address;  // the first one; "*" for all
    std::string status;          // "starting", "stopping", "ready", "standby"; empty while it is being written
};
Result<PostmasterFile> parse_postmaster_file(std::string_view content);

// Is this process a postmaster of this very directory? It works there, and it is PostgreSQL's.
bool is_postmaster(pid_t pid, const std::string& data_dir);

// Server processes whose postmaster has died and that still work in this directory.
std::vector<pid_t> orphans_of(const std::string& data_dir, pid_t postmaster);

struct DataDirState {
    core::DataDir kind = core::DataDir::empty;
    std::string problem;
    bool unfinished_clone = false;  // counts as empty: the next clone or bootstrap clears it away
    int major = 0;
    bool standby_signal = false;
    bool recovery_signal = false;
    bool backup_label = false;
    bool disk_full = false;  // less than a WAL segment is free for the server, in the directory itself or in pg_wal
    std::optional<wire::ControlData> control;
    std::string control_problem;
    std::optional<PostmasterFile> postmaster;  // of a postmaster that lives
    pid_t stale_pid = 0;                       // postmaster.pid names it, but it is not a postmaster of this directory
    std::vector<std::pair<Timeline, Lsn>> history;
};
// `timeline`: the latest that is known from elsewhere; its history is read, if it is later than the control file's.
DataDirState read_data_dir(const std::string& data_dir, Timeline timeline = {});

std::string history_file(const std::string& data_dir, Timeline timeline);
// "1\t0/3000000\treason" lines: ended timelines and where they ended.
std::vector<std::pair<Timeline, Lsn>> parse_history(std::string_view content);

core::ControlData to_core(const wire::ControlData& control);

}  // namespace castle::postgres
