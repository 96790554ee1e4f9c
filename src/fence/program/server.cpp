#include "fence/program/server.hpp"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cstdio>

namespace castle::fence {

int Server::take_directory(std::string_view path) {
    if (path.empty() || path.size() >= directory_path_.size()) return EINVAL;
    leave_directory();
    path.copy(directory_path_.data(), path.size());
    directory_path_[path.size()] = 0;
    directory_.reset(::open(directory_path_.data(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!directory_ || ::fstat(directory_.get(), &directory_info_) != 0) return errno;
    // The lock is on the directory itself, so it follows device and inode, whatever path leads there. Some network file
    // systems cannot do it; then PostgreSQL's own lock file has to be enough.
    locked_ = ::flock(directory_.get(), LOCK_EX | LOCK_NB) == 0;
    if (!locked_ && errno == EWOULDBLOCK) {
        directory_.reset();
        return EWOULDBLOCK;
    }
    return 0;
}

void Server::leave_directory() {
    directory_.reset();
    locked_ = false;
}

int Server::start(Launch launch) {
    std::array<char, 64> name{};
    std::snprintf(name.data(), name.size(), "pgcastle-%lx-%lu", static_cast<unsigned long>(directory_info_.st_dev),
                  static_cast<unsigned long>(directory_info_.st_ino));
    if (use_cgroup_ && cgroup_.open(name.data())) {
        if (remains()) return EBUSY;
        launch.cgroup = cgroup_.directory();
    }
    launch.directory = directory_.get();
    Spawned spawned = spawn(launch);
    if (spawned.pid == 0) {
        cgroup_.close();
        return spawned.error;
    }
    pid_ = spawned.pid;
    pidfd_ = std::move(spawned.pidfd);
    report_ = std::move(spawned.report);
    in_cgroup_ = spawned.in_cgroup;
    adopted_ = false;
    running_ = true;
    program_ = {};
    return 0;
}

int Server::adopt(pid_t pid) {
    Descriptor pidfd{static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))};
    if (!pidfd) return errno;
    const FileId directory{directory_info_.st_dev, directory_info_.st_ino};
    program_ = process_file_id(pid, "exe");
    if (!program_.known() || !(process_file_id(pid, "cwd") == directory)) return ESRCH;
    pidfd_ = std::move(pidfd);
    pid_ = pid;
    in_cgroup_ = false;
    adopted_ = true;
    running_ = true;
    return 0;
}

int Server::signal(int number) const {
    if (!running_) return ESRCH;
    return ::syscall(SYS_pidfd_send_signal, pidfd_.get(), number, nullptr, 0) == 0 ? 0 : errno;
}

bool Server::reap() {
    bool ended = false;
    int status = 0;
    for (pid_t pid = 0; (pid = ::waitpid(-1, &status, WNOHANG)) > 0;) {
        if (pid != pid_ || adopted_ || !running_) continue;  // an orphan of the tree that fell to us
        exit_status_ = status;
        ended = true;
    }
    if (adopted_ && running_) {
        pollfd ready{.fd = pidfd_.get(), .events = POLLIN, .revents = 0};
        if (::poll(&ready, 1, 0) == 1) {
            exit_status_ = 0;
            ended = true;
        }
    }
    if (ended) running_ = false;
    return ended;
}

TreeRoot Server::root() const {
    TreeRoot root{.server = running_ ? pid_ : 0, .reaper = ::getpid(), .program = {}, .directory = {}};
    // Orphans of an adopted server do not fall to us: they are known by what they run, and where.
    if (adopted_) {
        root.program = program_;
        root.directory = {directory_info_.st_dev, directory_info_.st_ino};
    }
    return root;
}

void Server::kill() {
    cgroup_.kill();
    if (!in_cgroup_) tree_.kill_descendants(root());
}

bool Server::empty() {
    if (cgroup_.populated()) {
        cgroup_.kill();
        return false;
    }
    return tree_.kill_round(root()) == 0 && !running_;
}

void Server::forget() {
    cgroup_.close();
    pidfd_.reset();
    report_.reset();
    leave_directory();
    pid_ = 0;
    running_ = adopted_ = in_cgroup_ = false;
}

}  // namespace castle::fence
