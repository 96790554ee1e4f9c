#include "fence/program/spawn.hpp"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <cstdint>
#include <cstring>

#include "fence/program/hardening.hpp"

namespace castle::fence {
namespace {

// fork(), with a pidfd and, if wanted, into a cgroup.
pid_t clone_process(int cgroup, int* pidfd) {
    clone_args args{};
    args.flags = CLONE_PIDFD | (cgroup >= 0 ? static_cast<std::uint64_t>(CLONE_INTO_CGROUP) : 0);
    args.pidfd = reinterpret_cast<std::uintptr_t>(pidfd);
    args.exit_signal = SIGCHLD;
    args.cgroup = static_cast<std::uint64_t>(cgroup);
    return static_cast<pid_t>(::syscall(SYS_clone3, &args, sizeof args));
}

[[noreturn]] void give_up(int report, const char* step) {
    SpawnFailure failure{.error = errno};
    std::strncpy(failure.step.data(), step, failure.step.size() - 1);
    (void)!::write(report, &failure, sizeof failure);
    ::_exit(127);
}

// Only what is safe between fork and exec. Everything that the fence has and a server must not have is given back.
[[noreturn]] void become_server(const Launch& launch, pid_t parent, int report) {
    ::setsid();
    restore_oom_score();
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    const int null = ::open("/dev/null", O_RDWR);
    if (null < 0) give_up(report, "open /dev/null");
    if (::dup2(null, 0) < 0 || ::dup2(launch.output >= 0 ? launch.output : null, 1) < 0 ||
        ::dup2(launch.error >= 0 ? launch.error : null, 2) < 0) {
        give_up(report, "dup2");
    }
    if (null > 2) ::close(null);
    ::umask(077);
    if (launch.change_user) {
        if (::setgroups(launch.group_count, launch.groups.data()) != 0) give_up(report, "setgroups");
        if (::setresgid(launch.gid, launch.gid, launch.gid) != 0) give_up(report, "setresgid");
        if (::setresuid(launch.uid, launch.uid, launch.uid) != 0) give_up(report, "setresuid");
    }
    if (::fchdir(launch.directory) != 0) give_up(report, "enter the data directory");
    // A change of credentials clears it, so it comes last; and the fence may have died before it was set.
    if (::prctl(PR_SET_PDEATHSIG, SIGQUIT) != 0) give_up(report, "prctl");
    if (::getppid() != parent) ::_exit(127);
    ::execve(launch.arguments[0], launch.arguments, launch.environment);
    give_up(report, "execute the server");
}

}  // namespace

Spawned spawn(const Launch& launch) {
    Spawned spawned;
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) {
        spawned.error = errno;
        return spawned;
    }
    spawned.report.reset(ends[0]);
    const Descriptor write_end{ends[1]};
    const pid_t parent = ::getpid();
    int pidfd = -1;
    spawned.in_cgroup = launch.cgroup >= 0;
    pid_t pid = clone_process(launch.cgroup, &pidfd);
    if (pid < 0 && launch.cgroup >= 0 && errno != EAGAIN && errno != ENOMEM) {
        spawned.in_cgroup = false;  // an old kernel, or not permitted: the tree will be enumerated
        pid = clone_process(-1, &pidfd);
    }
    if (pid == 0) become_server(launch, parent, write_end.get());
    if (pid < 0) {
        spawned.error = errno;
        return spawned;
    }
    spawned.pid = pid;
    spawned.pidfd.reset(pidfd);
    return spawned;
}

}  // namespace castle::fence
