#include "fence/program/cgroup.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace castle::fence {
namespace {

// A file of /proc/self, whole; its lines are handed out one after the other, each ended with a zero.
class Lines {
public:
    explicit Lines(const char* path) {
        const Descriptor file{::open(path, O_RDONLY | O_CLOEXEC)};
        ssize_t got = 0;
        while (size_ < text_.size() - 1 && (got = ::read(file.get(), &text_[size_], text_.size() - 1 - size_)) > 0) {
            size_ += static_cast<std::size_t>(got);
        }
        text_[size_] = 0;
    }
    char* next() {
        if (at_ >= size_) return nullptr;
        char* line = &text_[at_];
        const std::size_t length = std::strcspn(line, "\n");
        line[length] = 0;
        at_ += length + 1;
        return line;
    }

private:
    static inline std::array<char, 64 * 1024> text_;  // mountinfo is long where many containers run
    std::size_t size_ = 0;
    std::size_t at_ = 0;
};

// "\040" stands for a blank in mountinfo.
void unescape(char* text) {
    char* out = text;
    for (const char* in = text; *in != 0; ++out) {
        if (in[0] == '\\' && in[1] >= '0' && in[1] <= '3' && in[2] != 0 && in[3] != 0) {
            *out = static_cast<char>((in[1] - '0') * 64 + (in[2] - '0') * 8 + (in[3] - '0'));
            in += 4;
        } else {
            *out = *in++;
        }
    }
    *out = 0;
}

bool starts_with(const char* text, const char* prefix) {
    return std::strncmp(text, prefix, std::strlen(prefix)) == 0;
}

// Visits the directory of our own cgroup in every cgroup2 mount until the visitor is content.
template <class Visit>
bool each_own_directory(Visit visit) {
    std::array<char, 2048> own{};
    Lines groups{"/proc/self/cgroup"};
    while (char* line = groups.next()) {
        if (starts_with(line, "0::")) std::snprintf(own.data(), own.size(), "%s", line + 3);
    }
    if (own[0] != '/') return false;
    Lines mounts{"/proc/self/mountinfo"};
    while (char* line = mounts.next()) {
        // 41 31 0:38 <root> <mount point> <options> [optional fields] - <type> ...
        const char* type = std::strstr(line, " - ");
        if (type == nullptr || !starts_with(type + 3, "cgroup2 ")) continue;
        std::array<char, 2048> root{}, mount{};
        if (std::sscanf(line, "%*s %*s %*s %2047s %2047s", root.data(), mount.data()) != 2) continue;
        unescape(root.data());
        unescape(mount.data());
        // A mount may show a part of the hierarchy only; then our path begins with that part.
        const char* below = own.data();
        if (std::strcmp(root.data(), "/") != 0) {
            if (!starts_with(below, root.data())) continue;
            below += std::strlen(root.data());
        }
        std::array<char, 4096> path{};
        const bool at_root = std::strcmp(below, "/") == 0 || *below == 0;
        std::snprintf(path.data(), path.size(), "%s%s", mount.data(), at_root ? "" : below);
        if (visit(path.data())) return true;
    }
    return false;
}

// Fences that were killed together with their agents left their cgroups behind. One that is in use is locked by its
// fence, or has processes in it and cannot be removed.
void remove_abandoned(const char* parent) {
    constexpr std::size_t size_at = 16, name_at = 19;  // in linux_dirent64
    static std::array<char, 32 * 1024> entries;
    const Descriptor directory{::open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    long got = 0;
    while ((got = ::syscall(SYS_getdents64, directory.get(), entries.data(), entries.size())) > 0) {
        std::uint16_t size = 0;
        for (long at = 0; at < got; at += size) {
            const char* entry = &entries[static_cast<std::size_t>(at)];
            std::memcpy(&size, entry + size_at, sizeof size);
            const char* name = entry + name_at;
            if (!starts_with(name, "pgcastle-")) continue;
            const Descriptor group{::openat(directory.get(), name, O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
            if (group && ::flock(group.get(), LOCK_EX | LOCK_NB) == 0)
                (void)::unlinkat(directory.get(), name, AT_REMOVEDIR);
        }
    }
}

// Makes the cgroup and locks it, against fences that take it for abandoned while it is still empty.
Descriptor make_locked(const char* path) {
    Descriptor directory;
    for (int tries = 0; tries < 10; ++tries) {
        if (::mkdir(path, 0755) != 0 && errno != EEXIST) return {};
        directory.reset(::open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        struct stat opened {
        }, there{};
        if (directory && ::flock(directory.get(), LOCK_EX | LOCK_NB) == 0 && ::fstat(directory.get(), &opened) == 0 &&
            ::stat(path, &there) == 0 && opened.st_ino == there.st_ino)
            break;
    }
    return directory;
}

}  // namespace

bool Cgroup::open(std::string_view name) {
    const bool found = each_own_directory([&](const char* parent) {
        const int length =
            std::snprintf(path_.data(), path_.size(), "%s/%.*s", parent, static_cast<int>(name.size()), name.data());
        if (length < 0 || static_cast<std::size_t>(length) >= path_.size()) return false;
        remove_abandoned(parent);
        Descriptor directory = make_locked(path_.data());
        if (!directory) return false;
        kill_.reset(::openat(directory.get(), "cgroup.kill", O_WRONLY | O_CLOEXEC));
        events_.reset(::openat(directory.get(), "cgroup.events", O_RDONLY | O_CLOEXEC));
        if (!kill_ || !events_) {
            ::rmdir(path_.data());
            return false;
        }
        directory_ = std::move(directory);
        return true;
    });
    if (!found) {
        close();
        return false;
    }
    // Only a dead fence's server can be in there, and it has had its SIGQUIT.
    if (populated()) kill();
    return true;
}

void Cgroup::close() {
    if (usable()) ::rmdir(path_.data());
    directory_.reset();
    kill_.reset();
    events_.reset();
}

void Cgroup::kill() const {
    if (kill_) (void)!::pwrite(kill_.get(), "1", 1, 0);
}

bool Cgroup::populated() const {
    if (!events_) return false;
    std::array<char, 256> text{};
    if (::pread(events_.get(), text.data(), text.size() - 1, 0) <= 0) return true;  // in doubt: not empty
    return std::strstr(text.data(), "populated 0") == nullptr;
}

}  // namespace castle::fence
