#include "fence/program/hardening.hpp"

#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cstring>

#include "fence/protocol.hpp"

namespace castle::fence {
namespace {

std::array<char, 16> oom_score_at_start{};

bool write_oom_score(const char* score) {
    const int fd = ::open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd < 0) return false;
    const auto size = static_cast<ssize_t>(std::strlen(score));
    const bool written = ::write(fd, score, static_cast<std::size_t>(size)) == size;
    ::close(fd);
    return written;
}

// Whoever wants the processor for short turns only is given it sooner (Linux 6.12, sched(7)); no privilege is needed.
// One turn is enough for what is done at a deadline to some fifty processes; between two, others may have many.
void ask_for_short_turns() {
    struct {  // the first version of the kernel's struct sched_attr
        std::uint32_t size, policy;
        std::uint64_t flags;
        std::int32_t nice;
        std::uint32_t priority;
        std::uint64_t runtime_ns, deadline_ns, period_ns;
    } wanted{.size = 48, .policy = SCHED_OTHER, .runtime_ns = 2'000'000};
    wanted.nice = ::getpriority(PRIO_PROCESS, 0);
    wanted.flags = 1;  // SCHED_FLAG_RESET_ON_FORK: not the server
    ::syscall(SYS_sched_setattr, 0, &wanted, 0);
}

bool protect_from_oom() {
    const int fd = ::open("/proc/self/oom_score_adj", O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    const ssize_t got = ::read(fd, oom_score_at_start.data(), oom_score_at_start.size() - 1);
    ::close(fd);
    return got > 0 && write_oom_score("-1000");
}

}  // namespace

std::uint32_t harden() {
    std::uint32_t guards = 0;
    // The stack that the deepest call will need is touched now, so that it is locked with the rest.
    std::array<char, 128 * 1024> stack;
    explicit_bzero(stack.data(), stack.size());
    if (::mlockall(MCL_CURRENT | MCL_FUTURE) == 0) guards |= guard_memory_locked;
    const sched_param priority{.sched_priority = 20};
    if (::sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &priority) == 0) {
        guards |= guard_realtime;
    } else {
        ask_for_short_turns();
    }
    if (protect_from_oom()) guards |= guard_oom_score;
    return guards;
}

void restore_oom_score() {
    if (oom_score_at_start[0] != 0) write_oom_score(oom_score_at_start.data());
}

}  // namespace castle::fence
