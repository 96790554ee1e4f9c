#include "node/preflight.hpp"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "base/text.hpp"
#include "io/address.hpp"
#include "io/fd.hpp"
#include "io/files.hpp"
#include "node/processes.hpp"

namespace castle::node {
namespace {

namespace fs = std::filesystem;

// What exists of the path: itself or the nearest directory above.
fs::path existing_part(fs::path path) {
    std::error_code failed;
    while (!path.empty() && path != path.root_path() && !fs::exists(path, failed)) path = path.parent_path();
    return path.empty() ? fs::path("/") : path;
}

bool may_enter(const struct stat& directory, const io::User& user) {
    if (user.uid == 0) return true;
    if (directory.st_uid == user.uid) return directory.st_mode & S_IXUSR;
    if (std::ranges::find(user.groups, directory.st_gid) != user.groups.end()) return directory.st_mode & S_IXGRP;
    return directory.st_mode & S_IXOTH;
}

std::string megabytes(std::uint64_t bytes) {
    return std::to_string(bytes >> 20) + " MB";
}

// A port base near the wanted one all of whose ports are free, or 0.
int free_port_base(const Plan& plan) {
    for (int base = plan.port_base + 100; base <= std::min(plan.port_base + 2'000, 65'400); base += 100) {
        Plan moved = plan;
        moved.port_base = base;
        const auto ports = moved.ports();
        if (std::all_of(ports.begin(), ports.end(), [](const Plan::Port& each) { return port_is_free(each.number); }))
            return base;
    }
    return 0;
}

}  // namespace

Result<DirectoryState> examine_directory(const std::string& dir) {
    auto info = io::file_info(fs::path(dir).lexically_normal().string());
    if (!info && info.error().code == Errc::not_found) return DirectoryState::absent;
    std::error_code failed;
    if (!info || !fs::is_directory(dir, failed))
        return Error{Errc::invalid, dir + " is not a directory; choose another place with --dir"};
    auto entries = io::list_directory(dir);
    if (!entries) {
        if (entries.error().code == Errc::denied)
            return Error{Errc::denied, dir +
                                           " belongs to another user; run this as that user or as root, or choose "
                                           "another place with --dir"};
        return std::move(entries).error();
    }
    if (entries->empty()) return DirectoryState::absent;
    if (std::ranges::find(*entries, "castle.json") != entries->end()) return DirectoryState::ours;
    const bool data_directory = std::ranges::find(*entries, "PG_VERSION") != entries->end();
    return Error{Errc::conflict, dir +
                                     (data_directory ? " is a PostgreSQL data directory"
                                                     : " holds something else (" + entries->front() + ")") +
                                     "; choose an empty or a new directory with --dir"};
}

Result<io::User> choose_owner(const std::string& dir) {
    const uid_t me = ::geteuid();
    if (me != 0) {
        auto user = io::user_by_id(me);
        if (user) return user;
        return io::User{.name = {}, .home = "/", .uid = me, .gid = ::getegid(), .groups = {::getegid()}};
    }
    struct stat found {};
    if (::stat(dir.c_str(), &found) == 0 && found.st_uid != 0) return io::user_by_id(found.st_uid);
    auto postgres = io::user_by_name("postgres");
    if (postgres) return postgres;
    return Error{Errc::not_found,
                 "PostgreSQL does not run as root and there is no user \"postgres\" to run it as; run this as an "
                 "ordinary user, or make that user: useradd --system postgres"};
}

Status check_way(const std::string& dir, const io::User& owner) {
    const fs::path last = existing_part(dir);
    fs::path path = "/";
    for (const fs::path& part : last.relative_path()) {
        path /= part;
        struct stat found {};
        if (::stat(path.c_str(), &found) != 0)
            return Error{Errc::denied, "look at " + path.string() + ": " + io::errno_text(errno)};
        if (path == fs::path(dir) && found.st_uid == 0) continue;  // will be given to the owner
        if (!may_enter(found, owner))
            return Error{Errc::denied, "user " + owner.name + ", as whom PostgreSQL runs, cannot enter " +
                                           path.string() + "; choose another place with --dir"};
    }
    if (::access(last.c_str(), W_OK | X_OK) != 0)
        return Error{Errc::denied, "cannot write in " + last.string() + ": " + io::errno_text(errno) +
                                       "; choose another place with --dir"};
    return Done{};
}

bool port_is_free(int port) {
    const io::Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const int on = 1;  // ports of connections that have just ended are free
    ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
           ::listen(socket.get(), 1) == 0;
}

Status check_ports(const Plan& plan, const std::function<bool(int)>& ours) {
    for (const Plan::Port& each : plan.ports()) {
        if (port_is_free(each.number) || ours(each.number)) continue;
        const std::string holder = holder_of_port(each.number);
        const int other = free_port_base(plan);
        return Error{Errc::conflict, "port " + std::to_string(each.number) + ", wanted for " + each.use + ", is taken" +
                                         (holder.empty() ? "" : " (" + holder + ")") +
                                         (other ? "; free it, or try --port-base " + std::to_string(other)
                                                : "; free it, or choose others with --port-base")};
    }
    return Done{};
}

// For each: an empty cluster, its log files and slots, some WAL, and what a copy needs while it is made.
std::uint64_t disk_needed(int new_members) {
    return (std::uint64_t{100} + std::uint64_t{250} * static_cast<std::uint64_t>(new_members)) << 20;
}

Status check_disk(const std::string& dir, std::uint64_t available, std::uint64_t needed) {
    if (available >= needed) return Done{};
    return Error{Errc::failed, "too little disk space for " + dir + ": " + megabytes(available) + " are free, " +
                                   megabytes(needed) + " are needed; make room, or choose another place with --dir"};
}

Result<std::uint64_t> disk_available(const std::string& dir) {
    const std::string where = existing_part(dir);
    struct statvfs found {};
    if (::statvfs(where.c_str(), &found) != 0)
        return Error{Errc::failed, "ask for the free space of " + where + ": " + io::errno_text(errno)};
    return std::uint64_t{found.f_bavail} * found.f_frsize;
}

}  // namespace castle::node
