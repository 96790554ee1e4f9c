// For tests: a healthy primary and a healthy standby as their agents would publish them, from which each test departs.
#pragma once

#include <boost/json.hpp>

#include "api/standing.hpp"

namespace castle::api {

using namespace std::chrono_literals;

inline const BootTime test_now{1'000'000ms};
inline const WallTime test_wall{std::chrono::seconds(1'700'000'000)};  // 2023-11-14 22:13:20 UTC

inline core::Member test_member(const std::string& name, const std::string& json_text) {
    core::Member member{.name = name, .record = boost::json::parse(json_text).as_object()};
    const auto text = [&](const char* key) {
        const auto* value = member.record.if_contains(key);
        return value && value->is_string() ? std::string(value->as_string()) : std::string();
    };
    member.conn_url = text("conn_url");
    member.api_url = text("api_url");
    member.state = text("state");
    member.role = text("role");
    if (const auto* tags = member.record.if_contains("tags")) member.tags = core::read_tags(tags->as_object());
    return member;
}

inline core::Cluster test_cluster() {
    core::Cluster cluster{.revision = Revision{100},
                          .initialize = "7268616322854375442",
                          .config = R"({"ttl":30})",
                          .config_modified = Revision{90},
                          .leader = core::LeaderKey{"n1", Revision{50}, LeaseId{7}}};
    cluster.status.optime = Lsn{0x4000060};
    cluster.members["n1"] =
        test_member("n1", R"({"conn_url":"postgres://10.0.0.1:5432/postgres","api_url":"http://10.0.0.1:8008/patroni",
        "state":"running","role":"primary","version":"4.1.4","xlog_location":67108960,"timeline":5,"tags":{}})");
    cluster.members["n2"] =
        test_member("n2", R"({"conn_url":"postgres://10.0.0.2:5432/postgres","api_url":"http://10.0.0.2:8008/patroni",
        "state":"running","role":"replica","version":"4.1.4","xlog_location":67108960,"receive_lsn":67108960,"replay_lsn":67108864,
        "replication_state":"streaming","timeline":5})");
    return cluster;
}

inline core::AgentView test_primary(core::Cluster cluster = test_cluster()) {
    core::AgentView view{.name = "n1", .scope = "demo", .state = "running", .role = "primary"};
    view.instance = {.data = core::DataDir::present,
                     .process = core::ProcessState::running,
                     .accepting = true,
                     .in_recovery = false,
                     .looked_at = test_now - 1s,
                     .postmaster_start_time = "2024-08-28 19:39:26.352526+00:00",
                     .postmaster_start_epoch = 1724873966.352526,
                     .server_version = 160004,
                     .timeline = Timeline{5},
                     .flushed = Lsn{0x4000060}};
    view.instance.control = core::ControlData{.system_id = "7268616322854375442"};
    view.instance.walsenders = {{.application_name = "n2",
                                 .user = "replicator",
                                 .client_addr = "10.0.0.2",
                                 .state = "streaming",
                                 .sync_state = "async"}};
    view.cluster = std::make_shared<core::Cluster>(std::move(cluster));
    view.cluster_read_at = test_now - 1s;
    view.cluster_read_wall = test_wall;
    view.store_ok = true;
    view.leader_until = test_now + 20s;
    view.next_run = test_now + 5s;
    view.may_write = true;
    view.last_reason = "leads";
    return view;
}

inline core::AgentView test_standby(core::Cluster cluster = test_cluster()) {
    core::AgentView view = test_primary(std::move(cluster));
    view.name = "n2";
    view.role = "replica";
    view.instance.in_recovery = true;
    view.instance.flushed = Lsn{};
    view.instance.received = Lsn{0x4000060};
    view.instance.replayed = Lsn{0x4000000};
    view.instance.streaming = true;
    view.instance.latest_end = Lsn{0x4000060};
    view.instance.walsenders.clear();
    view.replication_state = "streaming";
    view.leader_until = {};
    view.may_write = false;
    view.last_reason = "follows";
    return view;
}

}  // namespace castle::api
