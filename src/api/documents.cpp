#include "api/documents.hpp"

#include <boost/json.hpp>

#include "base/version.hpp"
#include "config/address.hpp"
#include "core/scalar.hpp"
#include "core/timestamp.hpp"

namespace castle::api {
namespace {

namespace json = boost::json;

json::object xlog(const core::Instance& instance) {
    if (!instance.in_recovery) return {{"location", instance.flushed.offset()}};
    const Lsn received = instance.received.known() ? instance.received : instance.replayed;
    json::value timestamp = nullptr;
    if (!instance.replayed_timestamp.empty()) timestamp = instance.replayed_timestamp;
    return {{"received_location", received.offset()},
            {"replayed_location", instance.replayed.offset()},
            {"replayed_timestamp", timestamp},
            {"paused", instance.replay_paused}};
}

json::array walsenders(const core::Instance& instance) {
    json::array list;
    for (const auto& each : instance.walsenders) {
        json::value address = nullptr;
        if (!each.client_addr.empty()) address = each.client_addr;
        list.push_back({{"usename", each.user},
                        {"application_name", each.application_name},
                        {"client_addr", address},
                        {"state", each.state},
                        {"sync_state", each.sync_state},
                        {"sync_priority", each.sync_priority}});
    }
    return list;
}

void put_measured(json::object& status, const Standing& seen) {
    const core::Instance& instance = seen.view.instance;
    json::value start = nullptr;
    if (!instance.postmaster_start_time.empty()) start = instance.postmaster_start_time;
    status["postmaster_start_time"] = start;
    status["role"] = seen.role;
    status["server_version"] = instance.server_version;
    status["xlog"] = xlog(instance);
    if (seen.sync_standby) status["sync_standby"] = true;
    if (seen.quorum_standby) status["quorum_standby"] = true;
    status["timeline"] = number(instance.timeline) ? json::value(number(instance.timeline)) : json::value(nullptr);
    if (!seen.view.replication_state.empty()) status["replication_state"] = seen.view.replication_state;
    if (auto senders = walsenders(instance); !senders.empty()) status["replication"] = std::move(senders);
}

// Tags that say nothing are left out; who gives up synchronous duty shows it.
json::object effective_tags(const core::AgentView& view) {
    json::object tags = view.tags;
    if (view.sync_released) {
        tags["nosync"] = true;
        tags["sync_priority"] = 0;
    }
    return tags;
}

json::object pending_reason(const core::Instance& instance) {
    json::object reason;
    for (const auto& [name, change] : instance.pending_restart)
        reason[name] = {{"old_value", change.old_value}, {"new_value", change.new_value}};
    return reason;
}

json::object scheduled(const core::ScheduledRestart& restart) {
    json::object shown{{"schedule", restart.schedule}};
    if (!restart.role.empty()) shown["role"] = restart.role;
    if (!restart.postgres_version.empty()) shown["postgres_version"] = restart.postgres_version;
    if (restart.timeout) shown["timeout"] = std::chrono::ceil<std::chrono::seconds>(*restart.timeout).count();
    if (restart.only_pending) shown["restart_pending"] = true;
    return shown;
}

std::int64_t epoch_seconds(WallTime time) {
    return std::chrono::floor<std::chrono::seconds>(time.time_since_epoch()).count();
}

}  // namespace

json::object status_document(const Standing& seen) {
    const core::AgentView& view = seen.view;
    json::object status{{"state", seen.state}};
    if (seen.measured)
        put_measured(status, seen);
    else
        status["role"] = seen.role;
    if (view.settings.pause) status["pause"] = true;
    if (!seen.cluster || !seen.cluster->locked()) status["cluster_unlocked"] = true;
    if (view.failsafe_active) status["failsafe_mode_is_active"] = true;
    if (const auto last_seen = epoch_seconds(view.cluster_read_wall); last_seen != 0)
        status["dcs_last_seen"] = last_seen;
    if (auto tags = effective_tags(view); !tags.empty()) status["tags"] = std::move(tags);
    if (view.instance.control) status["database_system_identifier"] = view.instance.control->system_id;
    if (!view.instance.pending_restart.empty()) {
        status["pending_restart"] = true;
        status["pending_restart_reason"] = pending_reason(view.instance);
    }
    status["patroni"] = {{"version", protocol_version}, {"scope", view.scope}, {"name", view.name}};
    if (view.scheduled_restart) status["scheduled_restart"] = scheduled(*view.scheduled_restart);
    if (view.watchdog_failed) status["watchdog_failed"] = true;
    status["castle"] = {{"version", castle_version}, {"may_write", view.may_write}, {"decision", view.last_reason}};
    if (view.instance.disk_full) status["castle"].as_object()["disk_full"] = true;
    return status;
}

namespace {

const json::value* field(const core::Member& member, std::string_view name) {
    return member.record.if_contains(name);
}

void put_lag(json::object& shown, const core::Member& member, Lsn leader, std::string_view from, std::string_view lsn,
             std::string_view lag) {
    const json::value* value = field(member, from);
    const auto bytes = value ? core::as_int(*value) : std::nullopt;
    if (!bytes || *bytes <= 0) {
        shown[lsn] = "unknown";
        shown[lag] = "unknown";
        return;
    }
    const Lsn position{static_cast<std::uint64_t>(*bytes)};
    shown[lsn] = position.text();
    shown[lag] = lag_bytes(leader, position);
}

json::object member_document(const core::Member& member, const core::Cluster& cluster, const core::Settings& settings) {
    const bool leads = cluster.leader && cluster.leader->name == member.name;
    std::string role = "replica";
    if (leads)
        role = settings.is_standby_cluster() ? "standby_leader" : "leader";
    else if (settings.is_synchronous() && cluster.sync.lists(member.name))
        role = settings.is_quorum() ? "quorum_standby" : "sync_standby";
    std::string state = member.state;
    if (const json::value* replication = field(member, "replication_state"); replication && role != "leader")
        if (replication->is_string() && !replication->get_string().empty()) state = replication->get_string();
    json::object shown{{"name", member.name}, {"role", role}, {"state", state}, {"api_url", member.api_url}};
    if (const auto url = config::parse_url(member.conn_url); url && !url->host.empty()) {
        shown["host"] = url->host;
        if (url->port) shown["port"] = *url->port;
    }
    for (const char* name : {"timeline", "pending_restart", "pending_restart_reason", "scheduled_restart", "tags"})
        if (const json::value* value = field(member, name)) shown[name] = *value;
    if (!leads) {
        const Lsn leader = cluster.status.optime;
        put_lag(shown, member, leader, "receive_lsn", "receive_lsn", "receive_lag");
        put_lag(shown, member, leader, "replay_lsn", "replay_lsn", "replay_lag");
        put_lag(shown, member, leader, "xlog_location", "lsn", "lag");
    }
    return shown;
}

}  // namespace

json::object cluster_document(const core::Cluster& cluster, const core::Settings& settings, const std::string& scope) {
    json::array members;
    for (const auto& [name, member] : cluster.members) members.push_back(member_document(member, cluster, settings));
    json::object shown{{"members", std::move(members)}};
    if (settings.pause) shown["pause"] = true;
    if (cluster.failover && cluster.failover->scheduled_at) {
        json::object planned{{"at", core::iso_utc(*cluster.failover->scheduled_at)}};
        if (!cluster.failover->leader.empty()) planned["from"] = cluster.failover->leader;
        if (!cluster.failover->candidate.empty()) planned["to"] = cluster.failover->candidate;
        shown["scheduled_switchover"] = std::move(planned);
    }
    shown["scope"] = scope;
    return shown;
}

json::array history_document(const core::Cluster& cluster) {
    json::array lines;
    if (!cluster.history) return lines;
    for (const auto& line : *cluster.history) {
        json::array entry{number(line.timeline), line.switchpoint.offset(), line.reason};
        if (!line.timestamp.empty()) entry.push_back(json::value(line.timestamp));
        if (!line.new_leader.empty()) entry.push_back(json::value(line.new_leader));
        lines.push_back(std::move(entry));
    }
    return lines;
}

}  // namespace castle::api
