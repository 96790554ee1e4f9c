// Starts the postmaster as a child of the fence, inside its cgroup from its first instruction on.
#pragma once

#include <sys/types.h>

#include <array>

#include "fence/program/descriptor.hpp"

namespace castle::fence {

struct Launch {
    char* const* arguments = nullptr;  // both end with a null
    char* const* environment = nullptr;
    int directory = -1;  // the data directory, open
    bool change_user = false;
    uid_t uid = 0;
    gid_t gid = 0;
    std::array<gid_t, 64> groups{};
    std::size_t group_count = 0;
    int output = -1;  // -1: /dev/null
    int error = -1;
    int cgroup = -1;  // -1: none
};

struct Spawned {
    pid_t pid = 0;  // 0: it failed
    int error = 0;
    bool in_cgroup = false;
    Descriptor pidfd;
    Descriptor report;  // becomes readable with a SpawnFailure, or ends without one: exec has succeeded
};

// What the child says before it ends, when it could not become the server.
struct SpawnFailure {
    int error = 0;
    std::array<char, 28> step{};
};

Spawned spawn(const Launch& launch);

}  // namespace castle::fence
