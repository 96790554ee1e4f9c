#include "fence/process_tree.hpp"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <utility>

#include "base/assert.hpp"

namespace castle::fence {
namespace {

// Reads a small file of /proc; empty if it is gone.
template <std::size_t size>
std::string_view read_small(int directory, const char* path, std::array<char, size>& buffer) {
    const int fd = ::openat(directory, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return {};
    const ssize_t got = ::read(fd, buffer.data(), buffer.size());
    ::close(fd);
    return got > 0 ? std::string_view(buffer.data(), static_cast<std::size_t>(got)) : std::string_view();
}

std::size_t pid_limit() {
    constexpr std::size_t largest = 4'194'304;  // PID_MAX_LIMIT of 64-bit kernels
    std::array<char, 32> buffer;
    const std::string_view text = read_small(AT_FDCWD, "/proc/sys/kernel/pid_max", buffer);
    std::size_t limit = 0;
    std::from_chars(text.data(), text.data() + text.size(), limit);
    return limit > 0 && limit <= largest ? limit : largest;
}

struct DirectoryEntry {  // linux_dirent64
    std::uint64_t inode;
    std::int64_t offset;
    std::uint16_t size;
    std::uint8_t type;
    char name[1];
};
constexpr unsigned kernel_flag_exiting = 4;  // PF_EXITING
constexpr std::size_t name_offset = offsetof(DirectoryEntry, name);

FileId id_of(int result, const struct stat& info) {
    return result == 0 ? FileId{info.st_dev, info.st_ino} : FileId{};
}

}  // namespace

FileId file_id(const char* path) {
    struct stat info {};
    return id_of(::stat(path, &info), info);
}

FileId process_file_id(pid_t pid, const char* link) {
    std::array<char, 64> path;
    std::snprintf(path.data(), path.size(), "/proc/%d/%s", pid, link);
    return file_id(path.data());
}

struct ProcessTree::Process {
    pid_t pid = 0;
    pid_t parent = 0;
    pid_t session = 0;
    bool dead = false;     // a zombie: only its number is left
    bool exiting = false;  // its files may still be open, but what program it ran can no longer be seen
};

ProcessTree::ProcessTree() {
    proc_ = ::open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CASTLE_ASSERT(proc_ >= 0);
    const std::size_t words = pid_limit() / 64 + 1;
    void* memory =
        ::mmap(nullptr, words * 8, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    CASTLE_ASSERT(memory != MAP_FAILED);
    members_ = {static_cast<std::uint64_t*>(memory), words};
}

ProcessTree::~ProcessTree() {
    ::munmap(members_.data(), members_.size_bytes());
    ::close(proc_);
}

bool ProcessTree::is_member(pid_t pid) const {
    const auto at = static_cast<std::size_t>(pid);
    return pid > 0 && at / 64 < members_.size() && (members_[at / 64] >> (at % 64) & 1) != 0;
}

void ProcessTree::set_member(pid_t pid) {
    const auto at = static_cast<std::size_t>(pid);
    if (pid > 0 && at / 64 < members_.size()) members_[at / 64] |= std::uint64_t{1} << (at % 64);
}

template <class Visit>
void ProcessTree::each_process(Visit visit) {
    alignas(DirectoryEntry) std::array<char, 16 * 1024> entries;
    std::array<char, 512> line;
    ::lseek(proc_, 0, SEEK_SET);
    for (;;) {
        const long got = ::syscall(SYS_getdents64, proc_, entries.data(), entries.size());
        if (got <= 0) return;
        for (long at = 0; at < got;) {
            const char* entry = entries.data() + at;
            std::uint16_t size = 0;
            std::memcpy(&size, entry + offsetof(DirectoryEntry, size), sizeof size);
            at += size;
            const char* name = entry + name_offset;
            if (*name < '1' || *name > '9') continue;
            std::array<char, 32> path;
            std::snprintf(path.data(), path.size(), "%s/stat", name);
            // "17 (any) name) S 1 17 17 ...": state, parent, group and session follow the last parenthesis.
            const std::string_view stat = read_small(proc_, path.data(), line);
            const std::size_t end_of_name = stat.rfind(") ");
            if (end_of_name == stat.npos) continue;  // it is gone
            Process process{.pid = std::atoi(name)};
            char state = 0;
            unsigned flags = 0;
            std::array<char, 96> rest{};
            stat.copy(rest.data(), rest.size() - 1, end_of_name + 2);
            if (std::sscanf(rest.data(), "%c %d %*d %d %*d %*d %u", &state, &process.parent, &process.session,
                            &flags) != 4)
                continue;
            process.dead = state == 'Z' || state == 'X';
            process.exiting = (flags & kernel_flag_exiting) != 0;
            visit(process);
        }
    }
}

bool ProcessTree::belongs(const Process& process, const TreeRoot& root) const {
    if (process.pid == root.server || is_member(process.parent)) return true;
    if (root.reaper != 0 && process.parent == root.reaper) return true;
    if (is_member(process.session)) return true;
    if (!root.program.known() || !root.directory.known() || process.dead) return false;
    return (process.exiting || process_file_id(process.pid, "exe") == root.program) &&
           process_file_id(process.pid, "cwd") == root.directory;
}

template <class Visit>
void ProcessTree::each_child(pid_t pid, Visit visit) {
    std::array<char, 48> path;
    std::snprintf(path.data(), path.size(), "%d/task/%d/children", pid, pid);
    const int fd = ::openat(proc_, path.data(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return;
    std::array<char, 4096> text;  // "17 18 19 "
    pid_t child = 0;
    for (ssize_t got = 0; (got = ::read(fd, text.data(), text.size())) > 0;) {
        for (const char digit : std::string_view(text.data(), static_cast<std::size_t>(got))) {
            if (digit >= '0' && digit <= '9') {
                child = child * 10 + (digit - '0');
            } else if (child != 0) {
                visit(std::exchange(child, 0));
            }
        }
    }
    ::close(fd);
}

template <class Visit>
void ProcessTree::each_member(Visit visit) const {
    for (std::size_t word = 0; word < members_.size(); ++word) {
        for (std::uint64_t bits = members_[word]; bits != 0;) {
            const int bit = __builtin_ctzll(bits);
            visit(static_cast<pid_t>(word * 64 + static_cast<std::size_t>(bit)));
            bits = members_[word] & ~std::uint64_t{1} << bit;  // with those that came meanwhile
        }
    }
}

// Whom a signal wakes may take the processor from its sender, and its end keeps it for a millisecond: 25 processes had
// made an ordinary user's fence 10 ms late with its last signal. A batch process never does that (sched(7)).
void ProcessTree::stop(pid_t pid) const {
    if (!realtime_) {
        const sched_param none{};
        ::sched_setscheduler(pid, SCHED_BATCH, &none);
    }
    ::kill(pid, SIGSTOP);
}

void ProcessTree::stop_server(const TreeRoot& root) {
    std::ranges::fill(members_, 0);
    realtime_ = (::sched_getscheduler(0) & ~SCHED_RESET_ON_FORK) != SCHED_OTHER;
    if (root.server == 0) return;
    stop(root.server);
    set_member(root.server);
}

void ProcessTree::kill_members(const TreeRoot& root) const {
    each_member([&](pid_t pid) {
        if (pid != root.server) ::kill(pid, SIGKILL);
    });
    if (root.server > 0) ::kill(root.server, SIGKILL);
}

void ProcessTree::kill_descendants(const TreeRoot& root) {
    stop_server(root);
    pid_t reading = 0;
    bool passed = false;
    const auto add = [&](pid_t child) {
        if (is_member(child)) return;
        set_member(child);
        stop(child);
        passed |= child < reading;
    };
    // A stopped process has no more children. A child has the larger number of the two, unless the numbers began anew.
    do {
        passed = false;
        reading = 0;
        if (root.reaper != 0) each_child(root.reaper, add);
        each_member([&](pid_t pid) {
            reading = pid;
            each_child(pid, add);
        });
    } while (passed);
    kill_members(root);
}

int ProcessTree::kill_round(const TreeRoot& root) {
    stop_server(root);
    const pid_t self = ::getpid();
    int living = 0;
    bool server_lives = false;
    for (bool found = true; found;) {
        found = false;
        each_process([&](const Process& process) {
            if (process.pid == self) return;
            if (process.pid == root.server) server_lives = !process.dead;
            if (process.pid == root.server || is_member(process.pid) || !belongs(process, root)) return;
            set_member(process.pid);
            found = true;
            if (process.dead) return;
            ++living;
            stop(process.pid);
        });
    }
    kill_members(root);
    return living + (server_lives ? 1 : 0);
}

}  // namespace castle::fence
