// What the supervisor tells about its parts, and the lines in which it travels through its socket. Plain values.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace castle::node {

enum class PartState { waiting, running, restarting };

struct PartReport {
    std::string name;  // etcd, n1, n2, ...
    PartState state = PartState::waiting;
    pid_t pid = 0;  // 0: not running
    int restarts = 0;
    std::string last_end;  // how it ended last, or why it could not be started
    bool operator==(const PartReport&) const = default;
};

struct Report {
    pid_t supervisor = 0;
    bool stopping = false;
    bool stopped = false;  // the last report of a supervisor
    std::string doing;     // while stopping: the step
    std::vector<PartReport> parts;

    const PartReport* part(std::string_view name) const;
    std::string to_line() const;  // without line break
    static Result<Report> from_line(std::string_view line);
    bool operator==(const Report&) const = default;
};

std::string_view name_of(PartState state);

}  // namespace castle::node
