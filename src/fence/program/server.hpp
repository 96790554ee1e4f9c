// The server that the fence guards: started by it, or adopted. Knows its process, its cgroup and how to kill all of it.
#pragma once

#include <sys/stat.h>

#include <array>
#include <string_view>

#include "fence/process_tree.hpp"
#include "fence/program/cgroup.hpp"
#include "fence/program/spawn.hpp"

namespace castle::fence {

class Server {
public:
    explicit Server(bool use_cgroup) : use_cgroup_(use_cgroup) {}

    // Opens and locks the data directory. 0, EWOULDBLOCK if another fence has it, or what went wrong as errno.
    int take_directory(std::string_view path);
    void leave_directory();
    const struct stat& directory_info() const { return directory_info_; }
    std::string_view directory_path() const { return directory_path_.data(); }
    bool directory_locked() const { return locked_; }

    // `launch` is completed with directory and cgroup. 0 or errno; the rest is told by launch_report().
    int start(Launch launch);
    bool remains() const { return cgroup_.populated(); }  // of a dead fence's server; kill() clears them
    int adopt(pid_t pid);

    pid_t pid() const { return pid_; }
    bool adopted() const { return adopted_; }
    int signal(int number) const;

    int launch_report() const { return report_.get(); }
    int pidfd() const { return adopted_ ? pidfd_.get() : -1; }  // readable when an adopted server has ended
    int cgroup_events() const { return cgroup_.events(); }
    std::string_view cgroup_path() const { return in_cgroup_ ? cgroup_.path() : std::string_view(); }
    Descriptor take_launch_report() { return std::move(report_); }

    // Reaps children. True if the server itself was among them, or if it was adopted and has ended.
    bool reap();
    int exit_status() const { return exit_status_; }

    // The first blow, everything at once; then again until empty() says that nothing is left.
    void kill();
    bool empty();
    // Nothing is left of it: the cgroup goes, and the directory is free for another fence.
    void forget();

private:
    TreeRoot root() const;

    bool use_cgroup_;
    ProcessTree tree_;
    Cgroup cgroup_;
    Descriptor directory_, pidfd_, report_;
    struct stat directory_info_ {};
    std::array<char, 4096> directory_path_{};
    FileId program_;
    pid_t pid_ = 0;
    bool running_ = false;  // not reaped yet
    bool adopted_ = false;
    bool in_cgroup_ = false;
    bool locked_ = false;
    int exit_status_ = 0;
};

}  // namespace castle::fence
