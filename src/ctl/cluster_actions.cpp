// pause, resume, flush, remove: what concerns the cluster as a whole.
#include <algorithm>

#include "base/text.hpp"
#include "core/scalar.hpp"
#include "ctl/commands.hpp"

namespace castle::ctl {
namespace {

using namespace std::chrono_literals;

bool sees_pause(const core::Member& member) {
    const auto* const value = member.record.if_contains("pause");
    return value && core::as_bool(*value).value_or(false);
}

Status wait_until_seen(Session& session, bool paused, std::int64_t seconds) {
    session.terminal.line(std::string("'") + (paused ? "pause" : "resume") +
                          "' request sent, waiting until it is recognized by all nodes");
    std::vector<std::string> blind;
    for (std::int64_t i = 0; i <= seconds + 1; ++i) {
        if (i > 0) session.remote.sleep(1s);
        CASTLE_TRY(const ClusterView view, read_view(session));
        blind.clear();
        for (const auto& [name, member] : view.cluster.members)
            if (!member.api_url.empty() && sees_pause(member) != paused) blind.push_back(name);
        if (blind.empty()) {
            session.terminal.line(std::string("Success: cluster management is ") + (paused ? "paused" : "resumed"));
            return Done{};
        }
    }
    session.terminal.line(join(blind, ", ") + " members didn't recognized pause state after " +
                          std::to_string(seconds) + " seconds");
    return Done{};
}

Status set_pause(Session& session, bool paused) {
    CASTLE_TRY(const ClusterView view, read_view(session));
    if (view.settings.pause == paused)
        return refused(std::string("Cluster is ") + (paused ? "already" : "not") + " paused");
    for (const core::Member* const member : leader_first(view.cluster)) {
        const boost::json::object change{{"pause", paused ? boost::json::value(true) : boost::json::value(nullptr)}};
        const Result<Answer> answer = call(session, *member, "PATCH", "config", change);
        if (!answer) {
            session.terminal.err(timestamp_seconds(session.remote) + " - WARNING - Member " + member->name +
                                 " is not accessible: " + answer.error().message + "\n");
            continue;
        }
        if (answer->status != 200)
            session.terminal.line(std::string("Failed: ") + (paused ? "pause" : "resume") +
                                  " cluster management status code=" + std::to_string(answer->status) + ", (" +
                                  answer->body + ")");
        else if (session.args.has("wait"))
            return wait_until_seen(session, paused,
                                   std::chrono::duration_cast<std::chrono::seconds>(view.settings.loop_wait).count());
        else
            session.terminal.line(std::string("Success: cluster management is ") + (paused ? "paused" : "resumed"));
        return Done{};
    }
    return refused("Can not find accessible cluster member");
}

Status flush_restarts(Session& session, const ClusterView& view) {
    CASTLE_TRY(const std::vector<core::Member> members,
               select_members(session, view, {.action = "flush", .role = session.args.text("role", "any")}));
    for (const core::Member& member : members) {
        const auto* const scheduled = member.record.if_contains("scheduled_restart");
        if (!scheduled || scheduled->is_null()) {
            session.terminal.line("No scheduled restart for member " + member.name);
            continue;
        }
        const Result<Answer> answer = call(session, member, "DELETE", "restart");
        if (answer && answer->status < 400)
            session.terminal.line("Success: flush scheduled restart for member " + member.name);
        else
            session.terminal.line(failed_text("flush scheduled restart", member.name, answer));
    }
    return Done{};
}

Status flush_switchover(Session& session, const ClusterView& view) {
    const auto& failover = view.cluster.failover;
    if (!failover || failover->scheduled_text.empty()) {
        session.terminal.line("No pending scheduled switchover");
        return Done{};
    }
    for (const core::Member* const member : leader_first(view.cluster)) {
        const Result<Answer> answer = call(session, *member, "DELETE", "switchover");
        if (!answer) {
            session.terminal.err(timestamp_seconds(session.remote) + " - WARNING - Member " + member->name +
                                 " is not accessible: " + answer.error().message + "\n");
            continue;
        }
        if (answer->status == 200)
            session.terminal.line("Success: scheduled switchover deleted");
        else if (answer->status == 404)
            session.terminal.line("Failed: no switchover is scheduled");
        else
            session.terminal.line("Failed: flush scheduled switchover, status code=" + std::to_string(answer->status) +
                                  ", (" + answer->body + ")");
        return Done{};
    }
    session.terminal.line(timestamp(session.remote) + " Could not find any accessible member of cluster " +
                          session.cluster);
    CASTLE_CHECK(session.remote.write(session.prefix(),
                                      {{"failover", "{}", false, {core::Expect::modified_at(failover->modified)}}}));
    return Done{};
}

}  // namespace

Status pause(Session& session) {
    return set_pause(session, true);
}
Status resume(Session& session) {
    return set_pause(session, false);
}

Status flush(Session& session) {
    CASTLE_TRY(const ClusterView view, read_view(session));
    if (session.args.positional("TARGET") == std::vector<std::string>{"restart"}) return flush_restarts(session, view);
    return flush_switchover(session, view);
}

Status remove(Session& session) {
    if (session.is_citus() && !session.group) return refused("For Citus clusters the --group must me specified");
    CASTLE_TRY(const core::Snapshot snapshot, session.remote.read(session.prefix()));
    const core::Cluster cluster = core::read_cluster(snapshot);
    CASTLE_CHECK(show_members(session));
    CASTLE_TRY(const std::string name, prompt(session.terminal, "Please confirm the cluster name to remove"));
    if (name != session.cluster) return refused("Cluster names specified do not match");
    constexpr std::string_view phrase = "Yes I am aware";
    CASTLE_TRY(const std::string typed,
               prompt(session.terminal, "You are about to remove all information in DCS for " + session.cluster +
                                            ", please type: \"" + std::string(phrase) + "\""));
    if (typed != phrase) return refused("You did not exactly type \"" + std::string(phrase) + "\"");
    if (cluster.leader) {
        CASTLE_TRY(
            const std::string leader,
            prompt(session.terminal, "This cluster currently is healthy. Please specify the leader name to continue"));
        if (leader != cluster.leader->name) return refused("You did not specify the current leader of the cluster");
    }
    // A transaction holds only so many keys.
    constexpr std::size_t keys_max = 64;
    std::vector<core::KeyWrite> deletions;
    for (const auto& [key, value] : snapshot.keys) {
        deletions.push_back({key, std::nullopt, false, {}});
        if (deletions.size() < keys_max && key != snapshot.keys.rbegin()->first) continue;
        CASTLE_CHECK(session.remote.write(session.prefix(), deletions));
        deletions.clear();
    }
    return Done{};
}

}  // namespace castle::ctl
