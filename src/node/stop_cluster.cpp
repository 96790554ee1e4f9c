#include "node/stop_cluster.hpp"

#include <signal.h>

#include "base/text.hpp"
#include "io/process.hpp"
#include "node/member_report.hpp"
#include "node/processes.hpp"

namespace castle::node {
namespace {

using namespace std::chrono_literals;
using Say = std::function<void(const std::string&)>;

constexpr Duration agent_grace = 40s;  // it waits for its server's shutdown checkpoint
constexpr Duration server_grace = 20s;
constexpr Duration fence_grace = 5s;
constexpr Duration etcd_grace = 10s;

// Sends the signal and waits; true once the process is gone.
Task<bool> end_by(io::Loop& loop, pid_t pid, int signal, Duration grace) {
    ::kill(pid, signal);
    auto gone = co_await io::watch_pid(loop, pid, loop.now() + grace);
    co_return static_cast<bool>(gone);
}

Task<> end_politely(io::Loop& loop, pid_t pid, int signal, Duration grace) {
    const bool gone = co_await end_by(loop, pid, signal, grace);
    if (!gone) co_await end_by(loop, pid, SIGKILL, 5s);
}

// The agents of these members; each stops its server.
Task<> stop_agents(io::Loop& loop, std::vector<MemberPlan> members) {
    const auto all = running_processes();
    Scope scope(loop);
    for (const MemberPlan& each : members)
        if (const auto pid = find_agent_process(all, each)) scope.spawn(end_politely(loop, *pid, SIGTERM, agent_grace));
    co_await scope.drained();
}

// A server whose agent was not there to stop it, or that stays up without one because the cluster is paused; then the
// fence, which waits for an agent to come back. To the fence SIGTERM means: kill what is left of the server, and go.
Task<> stop_leftovers(io::Loop& loop, Plan plan, MemberPlan member) {
    if (const auto server = find_postmaster(member)) {
        const bool gone = co_await end_by(loop, *server, SIGINT, server_grace);
        if (!gone) co_await end_by(loop, *server, SIGQUIT, fence_grace);
    }
    const auto fence = find_fence_process(running_processes(), plan, member);
    if (fence) co_await end_politely(loop, *fence, SIGTERM, fence_grace);
    if (const auto server = find_postmaster(member)) co_await end_by(loop, *server, SIGKILL, fence_grace);
}

}  // namespace

// A primary that goes last has no one to hand over to, and needs none: it was asked to stop, not to move.
Task<Status> stop_cluster(io::Loop& loop, Plan plan, Say say) {
    const auto reports = co_await ask_members(loop, plan, loop.now() + 2s);
    std::vector<MemberPlan> primaries, others;
    for (const MemberPlan& each : plan.members())
        (reports[static_cast<std::size_t>(each.rest_port - plan.member(1).rest_port)].primary() ? primaries : others)
            .push_back(each);
    say("stopping the standbys");
    co_await stop_agents(loop, others);
    if (!primaries.empty()) say("stopping the primary, " + primaries.front().name);
    co_await stop_agents(loop, primaries);
    {
        Scope scope(loop);
        for (const MemberPlan& each : plan.members()) scope.spawn(stop_leftovers(loop, plan, each));
        co_await scope.drained();
    }
    const auto etcd = find_etcd_process(running_processes(), plan);
    if (etcd) {
        say("stopping etcd");
        co_await end_politely(loop, *etcd, SIGTERM, etcd_grace);
    }
    const auto left = what_runs(plan);
    if (left.empty()) co_return Done{};
    co_return Error{Errc::failed, "these could not be ended: " + join(left, ", ")};
}

}  // namespace castle::node
