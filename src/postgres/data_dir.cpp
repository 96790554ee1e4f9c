#include "postgres/data_dir.hpp"

#include <dirent.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <ctime>
#include <memory>

#include "base/text.hpp"
#include "postgres/files.hpp"
#include "postgres/versions.hpp"

namespace castle::postgres {
namespace {

using core::DataDir;

struct CloseDir {
    void operator()(DIR* dir) const { ::closedir(dir); }
};
using DirPtr = std::unique_ptr<DIR, CloseDir>;

bool is_ignorable(std::string_view name) {
    return name == "." || name == ".." || name == "lost+found";
}

// 0 for an empty directory, 1 for others; -errno if it cannot be read.
int look_into(const std::string& path) {
    const DirPtr dir(::opendir(path.c_str()));
    if (!dir) return -errno;
    while (const dirent* entry = ::readdir(dir.get()))
        if (!is_ignorable(entry->d_name)) return 1;
    return 0;
}

bool same_directory(const std::string& a, const std::string& b) {
    struct stat first {
    }, second{};
    return ::stat(a.c_str(), &first) == 0 && ::stat(b.c_str(), &second) == 0 && first.st_dev == second.st_dev &&
           first.st_ino == second.st_ino;
}

std::string process_link(pid_t pid, const char* link) {
    char target[PATH_MAX];
    const std::string path = "/proc/" + std::to_string(pid) + "/" + link;
    const ssize_t length = ::readlink(path.c_str(), target, sizeof target);
    return length > 0 ? std::string(target, static_cast<std::size_t>(length)) : std::string();
}

bool runs_postgres(pid_t pid) {
    std::string program = process_link(pid, "exe");
    if (const auto mark = program.rfind(" (deleted)"); mark != program.npos) program.resize(mark);
    const auto slash = program.rfind('/');
    return slash != program.npos && program.find("postgres", slash) != program.npos;
}

// A server that replaces its control file while we read shows a wrong checksum for a moment.
void read_control(const std::string& data_dir, DataDirState& state) {
    for (int attempt = 0; attempt < 20; ++attempt) {
        const auto bytes = read_file(data_dir + "/global/pg_control", wire::control_file_bytes);
        auto control = bytes ? wire::read_control_data(*bytes) : Result<wire::ControlData>(bytes.error());
        if (control) {
            state.control = *control;
            return;
        }
        state.control_problem = control.error().message;
        if (!bytes) return;
        const timespec pause{0, 2'000'000};
        ::nanosleep(&pause, nullptr);
    }
}

void read_postmaster(const std::string& data_dir, DataDirState& state) {
    const auto content = read_file(data_dir + "/postmaster.pid", 4096);
    if (!content) return;
    const auto file = parse_postmaster_file(*content);
    if (!file) return;
    if (file->single_user) return;
    if (is_postmaster(file->pid, data_dir))
        state.postmaster = *file;
    else
        state.stale_pid = file->pid;
}

void read_history(const std::string& data_dir, Timeline known, DataDirState& state) {
    if (!state.control) return;
    const auto timeline =
        std::max({number(known), number(state.control->timeline), number(state.control->min_recovery_timeline)});
    if (timeline < 2) return;
    if (const auto content = read_file(history_file(data_dir, Timeline{timeline})))
        state.history = parse_history(*content);
}

// pg_basebackup has the control file sent last, and renames the manifest when all is on disk.
bool is_unfinished_clone(const std::string& data_dir) {
    if (file_exists(data_dir + "/backup_manifest.tmp")) return true;
    return !file_exists(data_dir + "/global/pg_control") && file_exists(data_dir + "/backup_label");
}

}  // namespace

Result<PostmasterFile> parse_postmaster_file(std::string_view content) {
    const std::vector<std::string> lines = split(content, '\n');
    PostmasterFile file;
    const auto line = [&](std::size_t at) { return at < lines.size() ? std::string(trim(lines[at])) : std::string(); };
    const auto pid = parse_int(line(0));
    if (!pid || *pid == 0 || *pid > INT_MAX || *pid < -INT_MAX)
        return Error{Errc::invalid, "postmaster.pid names no process"};
    file.single_user = *pid < 0;
    file.pid = static_cast<pid_t>(*pid < 0 ? -*pid : *pid);
    file.data_dir = line(1);
    if (const auto started = parse_int(line(2))) file.started = *started;
    if (const auto port = parse_int(line(3))) file.port = static_cast<int>(*port);
    file.socket_dir = line(4);
    file.listen_address = line(5);
    file.status = line(7);
    return file;
}

bool is_postmaster(pid_t pid, const std::string& data_dir) {
    if (pid <= 1 || pid == ::getpid()) return false;
    const std::string directory = "/proc/" + std::to_string(pid) + "/cwd";
    return same_directory(directory, data_dir) && runs_postgres(pid);
}

std::vector<pid_t> orphans_of(const std::string& data_dir, pid_t postmaster) {
    std::vector<pid_t> found;
    const DirPtr proc(::opendir("/proc"));
    if (!proc) return found;
    while (const dirent* entry = ::readdir(proc.get())) {
        if (!is_digits(entry->d_name)) continue;
        const auto pid = static_cast<pid_t>(*parse_int(entry->d_name));
        if (pid != postmaster && is_postmaster(pid, data_dir)) found.push_back(pid);
    }
    return found;
}

std::string history_file(const std::string& data_dir, Timeline timeline) {
    char name[32];
    std::snprintf(name, sizeof name, "/pg_wal/%08X.history", number(timeline));
    return data_dir + name;
}

std::vector<std::pair<Timeline, Lsn>> parse_history(std::string_view content) {
    std::vector<std::pair<Timeline, Lsn>> history;
    for (const std::string& raw : split(content, '\n')) {
        const std::string_view line = trim(raw);
        if (line.empty() || line.starts_with('#')) continue;
        const auto first = line.find_first_of("\t ");
        if (first == line.npos) continue;
        const std::string_view rest = trim(line.substr(first));
        const auto timeline = parse_uint(line.substr(0, first));
        const auto lsn = Lsn::parse(rest.substr(0, rest.find_first_of("\t ")));
        if (timeline && lsn) history.emplace_back(Timeline{static_cast<std::uint32_t>(*timeline)}, *lsn);
    }
    return history;
}

namespace {

// What is reserved for root does not help the server.
bool is_full(const std::string& directory, std::uint64_t needed) {
    struct statvfs disk {};
    return ::statvfs(directory.c_str(), &disk) == 0 && disk.f_blocks > 0 && disk.f_bavail * disk.f_frsize < needed;
}

}  // namespace

DataDirState read_data_dir(const std::string& data_dir, Timeline timeline) {
    DataDirState state;
    const auto unreadable = [&](std::string problem) {
        state.kind = DataDir::unreadable;
        state.problem = std::move(problem);
    };
    const int content = look_into(data_dir);
    if (content == -ENOENT || content == 0) return state;
    if (content < 0) {
        unreadable(file_error("read directory", data_dir, -content).message);
        return state;
    }
    const auto version_file = read_file(data_dir + "/PG_VERSION", 64);
    if (is_unfinished_clone(data_dir)) {
        state.unfinished_clone = true;
        state.problem = data_dir + " holds an unfinished copy; the next one clears it away";
        return state;
    }
    if (!version_file && version_file.error().code == Errc::not_found) {
        state.kind = DataDir::foreign;
        state.problem = data_dir +
                        " is not empty and holds no PostgreSQL data directory (PG_VERSION is missing); name "
                        "another directory in postgresql.data_dir, or empty this one";
        return state;
    }
    if (!version_file) {
        unreadable(version_file.error().message);
        return state;
    }
    const auto major = parse_pg_version_file(*version_file);
    if (!major) {
        unreadable(data_dir + ": " + major.error().message);
        return state;
    }
    state.major = *major;
    state.standby_signal = file_exists(data_dir + "/standby.signal");
    state.recovery_signal = file_exists(data_dir + "/recovery.signal");
    state.backup_label = file_exists(data_dir + "/backup_label");
    read_control(data_dir, state);
    read_postmaster(data_dir, state);
    if (!state.control) {
        unreadable(data_dir + "/global/pg_control: " + state.control_problem +
                   "; restore the directory from a backup, or move it away and have this member cloned anew");
        return state;
    }
    state.kind = DataDir::present;
    read_history(data_dir, timeline, state);
    state.disk_full = is_full(data_dir, state.control->wal_segment_bytes) ||
                      is_full(data_dir + "/pg_wal", state.control->wal_segment_bytes);
    return state;
}

core::ControlData to_core(const wire::ControlData& control) {
    core::ControlData out;
    out.system_id = std::to_string(control.system_id);
    out.state = static_cast<core::ControlState>(control.state);
    out.timeline = control.timeline;
    out.checkpoint = control.checkpoint;
    out.redo = control.redo;
    out.min_recovery_end = control.min_recovery_end;
    out.min_recovery_timeline = control.min_recovery_timeline;
    out.checksums = control.checksum_version != 0;
    out.wal_log_hints = control.wal_log_hints;
    out.wal_segment_bytes = control.wal_segment_bytes;
    return out;
}

}  // namespace castle::postgres
