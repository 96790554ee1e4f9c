// Everything that `pgcastle up` looks at before it makes or starts anything, so that what cannot work fails with one
// line, the way out in it, and leaves nothing behind. Blocking calls, on the command's own thread before its loop runs;
// only what runs a program is a task.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "io/loop.hpp"
#include "io/users.hpp"
#include "node/plan.hpp"

namespace castle::node {

enum class DirectoryState {
    absent,  // or empty: a new cluster can be made here
    ours,    // castle.json is there
};
Result<DirectoryState> examine_directory(const std::string& dir);

// Who owns the directory and runs what must not run as root: ourselves, or if we are root the directory's owner, or
// user postgres.
Result<io::User> choose_owner(const std::string& dir);

// The directory, or where it will be made, can be entered by that user.
Status check_way(const std::string& dir, const io::User& owner);

struct PostgresPrograms {
    std::string bin;
    int major = 0;
};
// In `wanted` if given; else in PATH, and where Debian, Red Hat and others put it, the newest first.
Task<Result<PostgresPrograms>> find_postgres(io::Loop& loop, std::string wanted, io::User owner);
Result<PostgresPrograms> read_postgres_version(const std::string& bin, std::string_view said);
Task<Result<std::string>> find_etcd(io::Loop& loop, std::string wanted, io::User owner);

// Nobody listens on any of the plan's ports. `ours` says which are taken by the cluster's own processes, which is fine.
Status check_ports(const Plan& plan, const std::function<bool(int)>& ours);
bool port_is_free(int port);

std::uint64_t disk_needed(int new_members);
// `available` on the disk of `dir`.
Status check_disk(const std::string& dir, std::uint64_t available, std::uint64_t needed);
Result<std::uint64_t> disk_available(const std::string& dir);  // which need not exist yet

}  // namespace castle::node
