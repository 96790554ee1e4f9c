#include "api/metrics.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

#include "base/text.hpp"
#include "base/version.hpp"
#include "core/timestamp.hpp"

namespace castle::api {
namespace {

// Their places are the values of patroni_postgres_state.
constexpr std::array states = {"initializing new cluster",
                               "initdb failed",
                               "running custom bootstrap script",
                               "custom bootstrap failed",
                               "creating replica",
                               "running",
                               "starting",
                               "starting after custom bootstrap",
                               "start failed",
                               "restarting",
                               "restart failed",
                               "stopping",
                               "stopped",
                               "stop failed",
                               "crashed"};

int state_number(std::string_view state) {
    const auto found = std::find(states.begin(), states.end(), state);
    return found == states.end() ? -1 : static_cast<int>(found - states.begin());
}

std::string state_comment() {
    std::string text = "# Values:";
    for (std::size_t i = 0; i < states.size(); ++i) text += (i ? ", " : " ") + std::to_string(i) + "=" + states[i];
    return text + "\n";
}

// 4.1.4 as 040104.
std::string padded_version() {
    std::string text;
    for (const auto& part : split(protocol_version, '.')) text += (part.size() < 2 ? "0" : "") + part;
    return text;
}

std::string seconds_text(double seconds) {
    char text[64];
    std::snprintf(text, sizeof text, "%.6f", seconds);
    return text;
}

std::string escaped(std::string_view label) {
    std::string text;
    for (const char c : label) {
        if (c == '\\' || c == '"') text += '\\';
        if (c == '\n')
            text += "\\n";
        else
            text += c;
    }
    return text;
}

class Page {
public:
    explicit Page(const core::AgentView& view)
        : labels_("{scope=\"" + escaped(view.scope) + "\",name=\"" + escaped(view.name) + "\"} ") {}

    void add(std::string_view name, const char* type, std::string_view help, const std::string& value,
             const std::string& comment = "") {
        const std::string key(name);
        text_ += "# HELP " + key + " " + std::string(help) + "\n# TYPE " + key + " " + type + "\n" + comment;
        text_ += key + labels_ + value + "\n";
    }
    void gauge(std::string_view name, std::string_view help, std::int64_t value) {
        add(name, "gauge", help, std::to_string(value));
    }
    void counter(std::string_view name, std::string_view help, Lsn value) {
        add(name, "counter", help, std::to_string(value.offset()));
    }
    std::string take() { return std::move(text_); }

private:
    std::string labels_;
    std::string text_;
};

double epoch_of(const std::string& timestamp) {
    auto time = core::parse_timestamp(timestamp);
    return time ? std::chrono::duration<double>(time->time_since_epoch()).count() : 0;
}

void put_server(Page& page, const Standing& seen) {
    const core::Instance none;
    const core::Instance& instance = seen.measured ? seen.view.instance : none;
    const bool standby = seen.measured && instance.in_recovery;
    page.gauge("patroni_postgres_running", "Value is 1 if Postgres is running, 0 otherwise.", seen.state == "running");
    page.add("patroni_postmaster_start_time", "gauge", "Epoch seconds since Postgres started.",
             instance.postmaster_start_epoch > 0 ? seconds_text(instance.postmaster_start_epoch) : "0");
    page.gauge("patroni_primary", "Value is 1 if this node is the leader, 0 otherwise.", seen.role == "primary");
    page.counter("patroni_xlog_location",
                 "Current location of the Postgres transaction log, 0 if this node is not the leader.",
                 standby ? Lsn{} : instance.flushed);
    page.gauge("patroni_standby_leader", "Value is 1 if this node is the standby_leader, 0 otherwise.",
               seen.role == "standby_leader");
    page.gauge("patroni_replica", "Value is 1 if this node is a replica, 0 otherwise.", seen.role == "replica");
    page.gauge("patroni_sync_standby", "Value is 1 if this node is a sync standby, 0 otherwise.", seen.sync_standby);
    page.gauge("patroni_quorum_standby", "Value is 1 if this node is a quorum standby, 0 otherwise.",
               seen.quorum_standby);
    page.counter("patroni_xlog_received_location",
                 "Current location of the received Postgres transaction log, 0 if this node is not a replica.",
                 !standby                    ? Lsn{}
                 : instance.received.known() ? instance.received
                                             : instance.replayed);
    page.counter("patroni_xlog_replayed_location",
                 "Current location of the replayed Postgres transaction log, 0 if this node is not a replica.",
                 standby ? instance.replayed : Lsn{});
    page.add(
        "patroni_xlog_replayed_timestamp", "gauge",
        "Current timestamp of the replayed Postgres transaction log, 0 if null.",
        standby && !instance.replayed_timestamp.empty() ? seconds_text(epoch_of(instance.replayed_timestamp)) : "0");
    page.gauge("patroni_xlog_paused", "Value is 1 if the Postgres xlog is paused, 0 otherwise.",
               standby && instance.replay_paused);
    if (instance.server_version >= 90'600) {
        page.gauge("patroni_postgres_streaming", "Value is 1 if Postgres is streaming, 0 otherwise.",
                   seen.view.replication_state == "streaming");
        page.gauge("patroni_postgres_in_archive_recovery",
                   "Value is 1 if Postgres is replicating from archive, 0 otherwise.",
                   seen.view.replication_state == "in archive recovery");
    }
    page.gauge("patroni_postgres_server_version", "Version of Postgres (if running), 0 otherwise.",
               instance.server_version);
}

void put_cluster(Page& page, const Standing& seen) {
    const core::AgentView& view = seen.view;
    const bool failsafe_member = view.cluster && view.cluster->failsafe && view.cluster->failsafe->contains(view.name);
    page.gauge("patroni_cluster_unlocked", "Value is 1 if the cluster is unlocked, 0 if locked.",
               !seen.cluster || !seen.cluster->locked());
    page.gauge("patroni_failsafe_mode_is_active", "Value is 1 if failsafe mode is active, 0 if inactive.",
               view.failsafe_active);
    page.gauge("patroni_failsafe_mode_enabled", "Value is 1 if failsafe mode is enabled, 0 if disabled.",
               view.settings.failsafe_mode);
    page.gauge("patroni_failsafe_member", "Value is 1 if this node is a member of the failsafe map, 0 otherwise.",
               failsafe_member);
    page.gauge("patroni_postgres_timeline", "Postgres timeline of this node (if running), 0 otherwise.",
               seen.measured ? number(view.instance.timeline) : 0);
    page.gauge("patroni_dcs_last_seen", "Epoch timestamp when DCS was last contacted successfully by Patroni.",
               std::chrono::floor<std::chrono::seconds>(view.cluster_read_wall.time_since_epoch()).count());
    page.gauge("patroni_pending_restart", "Value is 1 if the node needs a restart, 0 otherwise.",
               !view.instance.pending_restart.empty());
    page.gauge("patroni_is_paused", "Value is 1 if auto failover is disabled, 0 otherwise.", view.settings.pause);
    page.add("patroni_postgres_state", "gauge", "Numeric representation of Postgres state.",
             std::to_string(state_number(seen.state)), state_comment());
    const auto tags = core::read_tags(view.tags);
    page.gauge("patroni_failover_priority", "Failover priority of this node, 0 if it must not be promoted.",
               tags.nofailover ? 0 : tags.failover_priority);
}

}  // namespace

std::string metrics_text(const Standing& seen) {
    Page page(seen.view);
    page.add("patroni_version", "gauge", "Patroni semver without periods.", padded_version());
    put_server(page, seen);
    put_cluster(page, seen);
    page.gauge("castle_may_write",
               "Value is 1 if the server acknowledges writes or may begin to without asking, 0 otherwise.",
               seen.view.may_write);
    page.gauge("castle_disk_full", "Value is 1 if there is no room for another WAL segment, 0 otherwise.",
               seen.view.instance.disk_full);
    page.gauge("castle_is_leader", "Value is 1 if this node holds the confirmed leader lock, 0 otherwise.",
               seen.is_leader);
    return page.take();
}

}  // namespace castle::api
