#include "api/switchover_request.hpp"

#include <algorithm>
#include <boost/json.hpp>

#include "api/schedule.hpp"
#include "core/timestamp.hpp"

namespace castle::api {
namespace {

std::string text_at(const boost::json::object& body, std::string_view key) {
    const auto* value = body.if_contains(key);
    return value && value->is_string() ? std::string(value->get_string()) : std::string();
}

std::string titled(std::string text) {
    text[0] = static_cast<char>(text[0] - 'a' + 'A');
    return text;
}

// "switched", "failed"
std::string past(const std::string& action) {
    return action.substr(0, action.size() - 4) + "ed";
}

}  // namespace

SwitchoverCall read_switchover(const boost::json::object& body, bool failover, const core::Settings& settings,
                               WallTime now) {
    SwitchoverCall call{.action = failover ? "failover" : "switchover",
                        .leader = text_at(body, "leader"),
                        .candidate = text_at(body, "candidate"),
                        .at = {},
                        .scheduled_text = text_at(body, "scheduled_at"),
                        .refusal = {}};
    if (call.candidate.empty()) call.candidate = text_at(body, "member");
    const auto refuse = [&call](int status, std::string text) {
        call.status = status;
        call.refusal = std::move(text);
        return call;
    };
    if (failover && call.candidate.empty())
        return refuse(400, "Failover could be performed only to a specific candidate");
    if (!failover && call.leader.empty())
        return refuse(400, "Switchover could be performed only from a specific leader");
    if (!call.scheduled_text.empty()) {
        if (failover) return refuse(400, "Failover can't be scheduled");
        if (settings.pause) return refuse(400, "Can't schedule switchover in the paused state");
        const Schedule schedule = read_schedule(call.scheduled_text, now, call.action);
        if (schedule.problem.status) return refuse(schedule.problem.status, schedule.problem.text);
        call.at = schedule.at;
        call.scheduled_text = core::iso_utc(schedule.at);  // members read this form only
    }
    if (settings.pause && call.candidate.empty())
        return refuse(400, "Switchover is possible only to a specific candidate in a paused state");
    if (failover && !call.leader.empty()) call.action = "switchover";
    if (call.leader == call.candidate) return refuse(400, "Switchover target and source are the same");
    return call;
}

Candidates candidates_for(const SwitchoverCall& call, const core::Cluster& cluster, const core::Settings& settings) {
    const bool synchronous = settings.synchronous_mode == core::SynchronousMode::on;
    if (!call.leader.empty() && (!cluster.leader || cluster.leader->name != call.leader))
        return {{}, "leader name does not match"};
    Candidates found;
    if (!call.candidate.empty()) {
        if (call.action == "switchover" && synchronous && !cluster.sync.lists(call.candidate))
            return {{}, "candidate name does not match with sync_standby"};
        const core::Member* member = cluster.member(call.candidate);
        if (!member) return {{}, "candidate does not exists"};
        found.members.push_back(*member);
        return found;
    }
    for (const auto& [name, member] : cluster.members) {
        const bool fits = synchronous ? cluster.sync.lists(name)
                                      : (!cluster.leader || cluster.leader->name != name) && !member.api_url.empty();
        if (fits) found.members.push_back(member);
    }
    if (found.members.empty())
        found.refusal = call.action + (synchronous ? " is not possible: can not find sync_standby"
                                                   : " is not possible: cluster does not have members except leader");
    return found;
}

bool any_fit(const std::vector<core::PeerStatus>& answers) {
    return std::ranges::any_of(answers, [](const core::PeerStatus& peer) {
        return peer.reached && !peer.tags.nofailover && !peer.watchdog_failed;
    });
}

std::optional<SwitchoverResult> result_of(const core::Cluster& cluster, const std::string& action,
                                          const std::string& old_leader, const std::string& candidate,
                                          bool long_enough) {
    if (cluster.leader && cluster.leader->name != old_leader) {
        const std::string& now = cluster.leader->name;
        if (candidate.empty() || candidate == now)
            return SwitchoverResult{200, "Successfully " + past(action) + " over to \"" + now + "\""};
        return SwitchoverResult{200,
                                titled(past(action)) + " over to \"" + now + "\" instead of \"" + candidate + "\""};
    }
    // The request may be taken away a moment before the lock moves.
    if (!cluster.failover && cluster.leader && long_enough) return SwitchoverResult{503, titled(action) + " failed"};
    return std::nullopt;
}

}  // namespace castle::api
