// Internal to io: what the files about child processes share.
#pragma once

#include <sys/syscall.h>
#include <unistd.h>

#include "io/fd.hpp"
#include "io/process.hpp"
#include "io/ready.hpp"

namespace castle::io {

// glibc 2.36 declares pidfd_open() without extern "C".
inline int open_pidfd(pid_t pid) {
    return static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
}

struct Process::State {
    State(Loop& on, Fd pid_fd, pid_t id);

    Loop& loop;
    Fd pidfd;
    FdWatch watch;
    pid_t pid;
    std::optional<ExitStatus> ended;
    Fd input;  // our ends of the pipes
    Fd out;
    Fd err;

    bool reap();
    void signal_group(int number) const;
};

}  // namespace castle::io
