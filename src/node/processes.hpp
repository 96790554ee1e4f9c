// Which processes of a cluster run, read from /proc by what they were started with. There are no files with process ids
// to go stale: a supervisor that comes after another one's death, and `down` without any, find everything by this.
// The calls take a few milliseconds and do not wait; any thread.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "node/plan.hpp"

namespace castle::node {

std::vector<std::string> etcd_command(const Plan& plan);
std::vector<std::string> agent_command(const std::string& program, const MemberPlan& member);

struct Running {
    pid_t pid = 0;
    std::vector<std::string> argv;
};
std::vector<Running> running_processes();

std::optional<pid_t> find_etcd_process(const std::vector<Running>& all, const Plan& plan);
std::optional<pid_t> find_agent_process(const std::vector<Running>& all, const MemberPlan& member);
std::optional<pid_t> find_fence_process(const std::vector<Running>& all, const Plan& plan, const MemberPlan& member);
std::optional<pid_t> find_supervisor_process(const std::vector<Running>& all, const Plan& plan);
// By postmaster.pid, if a process works in the data directory under that number.
std::optional<pid_t> find_postmaster(const MemberPlan& member);

// Everything of the cluster that runs, in words: "etcd (process 12)".
std::vector<std::string> what_runs(const Plan& plan);

// Who listens on a port of this machine, in words ("nginx, process 812"), or nothing if that cannot be seen.
std::string holder_of_port(int port);

std::string own_program();  // the path of what runs here, as long as nobody moves it

bool alive(pid_t pid);  // and not a zombie

}  // namespace castle::node
