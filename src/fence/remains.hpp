// What the agent remembers of a guarded server, so that it can end all of it when the fence has died: the parent-death
// signal is a SIGQUIT, which PostgreSQL's processes may take seconds to obey, and which what they ran does not know.
// Without a cgroup, a program that the server ran and that outlived its parent cannot be told from a stranger's any
// more: it is left alone.
#pragma once

#include <string>

#include "fence/process_tree.hpp"

namespace castle::fence {

struct Remains {
    pid_t server = 0;
    FileId program;
    FileId directory;
    std::string cgroup;  // directory; empty: it has none

    // Of a running server. `directory` as it is now: the data directory may be moved later, the server stays in it.
    static Remains of(pid_t server, const std::string& data_dir, std::string cgroup);
};

// Kills what is there and returns how many lived: 0 means that nothing is left. After anything else let the dying run,
// and come again.
int kill_round(ProcessTree& tree, const Remains& remains);

}  // namespace castle::fence
