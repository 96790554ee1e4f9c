// pgcastle-fence: the parent of one member's postmaster. See fence/README.md.
//
// Started by the agent, it makes its socket, leaves the agent's session, and goes on alone. Status 0: a fence for this
// member runs (this one, or one that was there already).
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <optional>
#include <string>

#include "fence/place.hpp"
#include "fence/program/guard.hpp"
#include "fence/program/hardening.hpp"
#include "fence/program/note.hpp"

namespace castle::fence {
namespace {

struct Options {
    std::string member;
    std::string directory;
    bool use_cgroup = true;
};

constexpr const char* usage =
    "usage: pgcastle-fence --name MEMBER [--runtime-dir DIR] [--no-cgroup]\n"
    "Guards one PostgreSQL server: started and driven by the pgcastle agent, not by hand.\n";

std::optional<Options> read_options(int count, char** values) {
    Options options;
    options.directory = default_runtime_directory(::geteuid());
    for (int i = 1; i < count; ++i) {
        const std::string_view option = values[i];
        const bool has_value = i + 1 < count;
        if (option == "--no-cgroup") {
            options.use_cgroup = false;
        } else if (option == "--name" && has_value) {
            options.member = values[++i];
        } else if (option == "--runtime-dir" && has_value) {
            options.directory = values[++i];
        } else {
            return std::nullopt;
        }
    }
    if (options.member.empty()) return std::nullopt;
    return options;
}

int complain(const std::string& what) {
    std::fprintf(stderr, "pgcastle-fence: %s: %s\n", what.c_str(), std::strerror(errno));
    return 1;
}

// The directory must be ours alone: whoever can write in it could put another socket in the place of ours.
Descriptor open_runtime_directory(const std::string& path) {
    if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return {};
    Descriptor directory{::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)};
    struct stat info {};
    if (!directory || ::fstat(directory.get(), &info) != 0) return {};
    if ((info.st_uid != ::geteuid() && info.st_uid != 0) || (info.st_mode & 022) != 0) {
        errno = EPERM;
        return {};
    }
    return directory;
}

// The record is locked as long as the fence lives. EWOULDBLOCK: another one does.
Descriptor lock_record(int directory, const std::string& name) {
    for (;;) {
        Descriptor record{::openat(directory, name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600)};
        if (!record || ::flock(record.get(), LOCK_EX | LOCK_NB) != 0) return {};
        // A fence that was just ending may have removed the file between the two steps.
        struct stat held {
        }, named{};
        if (::fstat(record.get(), &held) == 0 && ::fstatat(directory, name.c_str(), &named, 0) == 0 &&
            held.st_ino == named.st_ino) {
            return record;
        }
    }
}

Descriptor bind_socket(int directory, const std::string& name) {
    ::unlinkat(directory, name.c_str(), 0);  // of a dead fence: we hold the record's lock
    Descriptor listener{::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    // A socket address holds 107 characters; this way the directory's path may be as long as it likes.
    std::snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/%s", directory, name.c_str());
    const mode_t mask = ::umask(0177);
    const int bound = ::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
    ::umask(mask);
    return bound == 0 ? std::move(listener) : Descriptor{};
}

// Leaves the session of whoever started us. Returns in the daemon only; the caller's process ends once the daemon has
// written its verdict into the pipe.
Descriptor become_daemon() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) ::_exit(complain("pipe"));
    const pid_t daemon = ::fork();
    if (daemon < 0) ::_exit(complain("fork"));
    if (daemon > 0) {
        ::close(ends[1]);
        char ready = 0;
        ::_exit(::read(ends[0], &ready, 1) == 1 ? 0 : 1);
    }
    ::close(ends[0]);
    ::setsid();
    (void)!::chdir("/");
    // The agent's log and pipes are its own: a reader that hangs must not hang the fence.
    const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = 0; fd <= 2; ++fd) ::dup2(null, fd);
    if (null > 2) ::close(null);
    return Descriptor{ends[1]};
}

void write_record(int record, const std::string& member) {
    std::array<char, 512> text{};
    const int size = std::snprintf(text.data(), text.size(), "%d\n%.400s\n", ::getpid(), member.c_str());
    if (::ftruncate(record, 0) == 0) (void)!::pwrite(record, text.data(), static_cast<std::size_t>(size), 0);
}

int run(const Options& options) {
    ::close_range(3, ~0U, 0);  // whatever the agent forgot to close
    const Descriptor directory = open_runtime_directory(options.directory);
    if (!directory) return complain(options.directory + " must be a directory that only this user can write to");
    const std::string record_file = record_name(options.member);
    const std::string socket_file = socket_name(options.member);
    const Descriptor record = lock_record(directory.get(), record_file);
    if (!record) return errno == EWOULDBLOCK ? 0 : complain(options.directory + "/" + record_file);
    Descriptor listener = bind_socket(directory.get(), socket_file);
    if (!listener) return complain(options.directory + "/" + socket_file);

    const Descriptor verdict = become_daemon();
    sigset_t all;
    sigfillset(&all);
    ::sigprocmask(SIG_SETMASK, &all, nullptr);  // the loop reads those that mean something from a descriptor
    // What the agent ignores, its server must not; and with SIGCHLD ignored children would vanish unseen.
    for (int number = 1; number < 32; ++number) ::signal(number, SIG_DFL);
    ::prctl(PR_SET_CHILD_SUBREAPER, 1);
    open_notes();
    write_record(record.get(), options.member);
    // Listening begins here, so that whoever connects is told the daemon's process id as the peer's.
    if (::listen(listener.get(), 8) != 0) return 1;
    static std::optional<Guard> guard;
    guard.emplace(std::move(listener), options.use_cgroup, harden());
    (void)!::write(verdict.get(), "1", 1);
    // From here on nothing is allocated.
    guard->run();
    ::unlinkat(directory.get(), socket_file.c_str(), 0);
    ::unlinkat(directory.get(), record_file.c_str(), 0);
    return 0;
}

}  // namespace
}  // namespace castle::fence

int main(int count, char** values) {
    const auto options = castle::fence::read_options(count, values);
    if (!options) {
        std::fputs(castle::fence::usage, stderr);
        return 2;
    }
    return castle::fence::run(*options);
}
