// A version 2 cgroup for the server alone: whatever is started inside stays inside, and one write kills all of it.
//
// Looked for below the fence's own cgroup, in any mount of the cgroup2 file system (hybrid layouts have it beside
// version 1). Where it may not be written, or the kernel has no cgroup.kill (before 5.14), there is none, and the
// process tree is enumerated instead. Paths are worked out when a server starts; the kill and the questions use open
// files only.
#pragma once

#include <array>
#include <string_view>

#include "fence/program/descriptor.hpp"

namespace castle::fence {

class Cgroup {
public:
    // Makes the cgroup of this name, or takes over what a dead fence left of it (and kills what still runs in there);
    // removes the empty ones that dead fences of other servers left. False: there will be none.
    bool open(std::string_view name);
    // After it is empty: removes it.
    void close();

    bool usable() const { return static_cast<bool>(directory_); }
    std::string_view path() const { return usable() ? std::string_view(path_.data()) : std::string_view(); }
    int directory() const { return directory_.get(); }  // for clone3
    int events() const { return events_.get(); }        // POLLPRI when it becomes empty

    void kill() const;
    bool populated() const;

private:
    Descriptor directory_, kill_, events_;
    std::array<char, 4096> path_{};
};

}  // namespace castle::fence
