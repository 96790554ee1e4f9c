#include "agent/records.hpp"

#include <algorithm>
#include <boost/json.hpp>

#include "core/timestamp.hpp"

namespace castle::agent {
namespace json = boost::json;

std::string member_record(const Options& options, const core::AgentView& view,
                          std::optional<bool> checkpoint_after_promote) {
    const core::Instance& instance = view.instance;
    json::object record{{"conn_url", options.conn_url},
                        {"api_url", options.api_url},
                        {"state", view.state},
                        {"role", view.role},
                        {"version", protocol_version},
                        {"castle_version", castle_version},
                        {"castle_fence", options.fence_works}};
    if (!options.proxy_url.empty()) record["proxy_url"] = options.proxy_url;
    if (!options.tags.empty()) record["tags"] = options.tags;
    const bool working = !view.long_action.empty() && view.long_action != name_of(core::Activity::promote);
    if (!working && instance.process == core::ProcessState::running && !instance.read_failed) {
        record["xlog_location"] = instance.position().offset();
        if (instance.in_recovery) {
            if (instance.received.known()) record["receive_lsn"] = instance.received.offset();
            if (instance.replayed.known()) record["replay_lsn"] = instance.replayed.offset();
            if (!view.replication_state.empty()) record["replication_state"] = view.replication_state;
        }
        if (number(instance.timeline) != 0) record["timeline"] = number(instance.timeline);
    }
    if (!instance.pending_restart.empty()) {
        record["pending_restart"] = true;
        json::object reason;
        for (const auto& [name, change] : instance.pending_restart)
            reason[name] = {{"old_value", change.old_value}, {"new_value", change.new_value}};
        record["pending_restart_reason"] = std::move(reason);
    }
    if (view.scheduled_restart) {
        json::object scheduled{{"schedule", view.scheduled_restart->schedule},
                               {"postmaster_start_time", view.scheduled_restart->postmaster_start_time}};
        if (!view.scheduled_restart->role.empty()) scheduled["role"] = view.scheduled_restart->role;
        if (!view.scheduled_restart->postgres_version.empty())
            scheduled["postgres_version"] = view.scheduled_restart->postgres_version;
        record["scheduled_restart"] = std::move(scheduled);
    }
    if (view.settings.pause) record["pause"] = true;
    if (checkpoint_after_promote) record["checkpoint_after_promote"] = *checkpoint_after_promote;
    return json::serialize(record);
}

std::optional<std::vector<core::HistoryLine>> history_to_write(const core::Cluster& cluster,
                                                               const core::Instance& instance, const std::string& me,
                                                               WallTime now, std::int64_t keep_most) {
    const bool current = cluster.history &&
                         (number(instance.timeline) == 1
                              ? cluster.history->empty()
                              : !cluster.history->empty() && number(cluster.timeline()) == number(instance.timeline) &&
                                    !cluster.history->back().new_leader.empty());
    if (current || number(instance.timeline) == 0) return std::nullopt;
    if (number(instance.timeline) == 1) {
        if (!cluster.history) return std::nullopt;  // a new cluster has no key until its first timeline switch
        return std::vector<core::HistoryLine>{};
    }
    if (instance.history.empty()) return std::nullopt;  // the server has not been asked yet
    std::vector<core::HistoryLine> lines;
    auto ended = instance.history;
    // Our own number is not the next one if another member's timeline, which we do not continue, came between: readers
    // take the last entry's successor for the timeline of the cluster.
    if (const Timeline before{number(instance.timeline) - 1}; ended.back().first < before)
        ended.push_back({before, ended.back().second});
    for (const auto& [timeline, switchpoint] : ended) {
        core::HistoryLine line{timeline, switchpoint, "no recovery target specified", {}, {}};
        if (cluster.history)
            for (const core::HistoryLine& old : *cluster.history)
                if (old.timeline == timeline && old.switchpoint == switchpoint) line = old;
        lines.push_back(std::move(line));
    }
    if (lines.back().timestamp.empty()) lines.back().timestamp = core::iso_utc(now);
    if (lines.back().new_leader.empty()) lines.back().new_leader = me;
    if (keep_most > 0 && static_cast<std::int64_t>(lines.size()) > keep_most)
        lines.erase(lines.begin(), lines.end() - keep_most);
    return lines;
}

}  // namespace castle::agent
