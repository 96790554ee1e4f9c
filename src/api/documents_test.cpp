#include "api/documents.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/metrics.hpp"
#include "api/test_world.hpp"

namespace castle::api {
namespace {

std::string status_of(const core::AgentView& view) {
    return json_text(status_document(standing(view, test_now)));
}

TEST(JsonText, LooksLikePythons) {
    const auto value = boost::json::parse(R"({"a":[1,2.0,true,null],"b":{},"t":"ä\n\"\\😀"})");
    EXPECT_EQ(json_text(value), R"({"a": [1, 2.0, true, null], "b": {}, "t": "\u00e4\n\"\\\ud83d\ude00"})");
    EXPECT_EQ(json_text(boost::json::value("\xff")), R"("\ufffd")");
}

TEST(JsonText, IsJsonWhateverTheStoreHolds) {
    // A surrogate, beyond Unicode, and longer than need be: no UTF-8, though the bytes have its form.
    for (const char* text : {"\xed\xa0\x80", "\xf4\x90\x80\x80", "\xc0\xaf", "\xe0\x80\xaf"}) {
        const std::string written = json_text(boost::json::value(text));
        boost::system::error_code failed;
        boost::json::parse(written, failed);
        EXPECT_FALSE(failed) << written;
        EXPECT_TRUE(written.starts_with(R"("\ufffd)")) << written;
    }
    const auto too_large = boost::json::parse(R"([1e400,-1e400])");
    EXPECT_EQ(boost::json::parse(json_text(too_large)), too_large);
    EXPECT_EQ(json_text(boost::json::parse("0e400")), "null");
}

TEST(StatusDocument, OfAPrimary) {
    EXPECT_EQ(
        status_of(test_primary()),
        R"({"state": "running", "postmaster_start_time": "2024-08-28 19:39:26.352526+00:00", "role": "primary", )"
        R"("server_version": 160004, "xlog": {"location": 67108960}, "timeline": 5, "replication": [{"usename": "replicator", )"
        R"("application_name": "n2", "client_addr": "10.0.0.2", "state": "streaming", "sync_state": "async", )"
        R"("sync_priority": 0}], "dcs_last_seen": 1700000000, "database_system_identifier": "7268616322854375442", )"
        R"("patroni": {"version": "4.1.4", "scope": "demo", "name": "n1"}, )"
        R"("castle": {"version": "0.1.0", "may_write": true, "decision": "leads"}})");
}

TEST(StatusDocument, OfAStandbyWithEverything) {
    core::AgentView view = test_standby();
    auto cluster = std::make_shared<core::Cluster>(*view.cluster);
    cluster->sync = {.leader = "n1", .standbys = {"n2"}};
    view.cluster = cluster;
    view.settings.synchronous_mode = core::SynchronousMode::on;
    view.settings.pause = true;
    view.failsafe_active = true;
    view.watchdog_failed = true;
    view.sync_released = true;
    view.tags = {{"clonefrom", true}};
    view.instance.pending_restart["max_connections"] = {"100", "101"};
    view.scheduled_restart = core::ScheduledRestart{
        .schedule = "2026-01-01T00:00:00+00:00", .role = "replica", .postmaster_start_time = "x"};
    EXPECT_EQ(
        status_of(view),
        R"({"state": "running", "postmaster_start_time": "2024-08-28 19:39:26.352526+00:00", "role": "replica", )"
        R"("server_version": 160004, "xlog": {"received_location": 67108960, "replayed_location": 67108864, )"
        R"("replayed_timestamp": null, "paused": false}, "sync_standby": true, "timeline": 5, "replication_state": "streaming", )"
        R"("pause": true, "failsafe_mode_is_active": true, "dcs_last_seen": 1700000000, )"
        R"("tags": {"clonefrom": true, "nosync": true, "sync_priority": 0}, "database_system_identifier": "7268616322854375442", )"
        R"("pending_restart": true, "pending_restart_reason": {"max_connections": {"old_value": "100", "new_value": "101"}}, )"
        R"("patroni": {"version": "4.1.4", "scope": "demo", "name": "n2"}, )"
        R"("scheduled_restart": {"schedule": "2026-01-01T00:00:00+00:00", "role": "replica"}, "watchdog_failed": true, )"
        R"("castle": {"version": "0.1.0", "may_write": false, "decision": "follows"}})");
}

TEST(StatusDocument, OfAServerThatDoesNotAnswerOrIsDown) {
    core::AgentView silent = test_standby();
    silent.instance.read_failed = true;
    EXPECT_THAT(status_of(silent), ::testing::StartsWith(R"({"state": "unknown", "role": "replica", "dcs_last_seen")"));
    core::AgentView down = test_primary();
    down.state = "stopped";
    down.role = "demoted";
    down.instance.process = core::ProcessState::stopped;
    down.store_ok = false;
    EXPECT_THAT(
        status_of(down),
        ::testing::StartsWith(R"({"state": "stopped", "role": "demoted", "cluster_unlocked": true, "dcs_last_seen")"));
}

TEST(ClusterDocument, ShowsMembersByNameWithLag) {
    EXPECT_EQ(
        json_text(cluster_document(test_cluster(), {}, "demo")),
        R"({"members": [{"name": "n1", "role": "leader", "state": "running", "api_url": "http://10.0.0.1:8008/patroni", )"
        R"("host": "10.0.0.1", "port": 5432, "timeline": 5, "tags": {}}, )"
        R"({"name": "n2", "role": "replica", "state": "streaming", "api_url": "http://10.0.0.2:8008/patroni", )"
        R"("host": "10.0.0.2", "port": 5432, "timeline": 5, "receive_lsn": "0/4000060", "receive_lag": 0, )"
        R"("replay_lsn": "0/4000000", "replay_lag": 96, "lsn": "0/4000060", "lag": 0}], "scope": "demo"})");
}

TEST(ClusterDocument, ShowsRolesPauseAndPlans) {
    core::Cluster cluster = test_cluster();
    cluster.sync = {.leader = "n1", .standbys = {"n2"}};
    cluster.members["n3"] = test_member("n3", R"({"api_url":"http://10.0.0.3:8008/patroni","state":"stopped"})");
    cluster.failover = core::FailoverRequest{.leader = "n1", .candidate = "n2", .scheduled_at = test_wall};
    core::Settings settings;
    settings.pause = true;
    settings.synchronous_mode = core::SynchronousMode::on;
    std::string text = json_text(cluster_document(cluster, settings, "demo"));
    EXPECT_THAT(text, ::testing::HasSubstr(R"("name": "n2", "role": "sync_standby")"));
    EXPECT_THAT(
        text, ::testing::HasSubstr(
                  R"({"name": "n3", "role": "replica", "state": "stopped", "api_url": "http://10.0.0.3:8008/patroni", )"
                  R"("receive_lsn": "unknown", "receive_lag": "unknown", "replay_lsn": "unknown", )"
                  R"("replay_lag": "unknown", "lsn": "unknown", "lag": "unknown"})"));
    EXPECT_THAT(
        text,
        ::testing::EndsWith(
            R"("pause": true, "scheduled_switchover": {"at": "2023-11-14T22:13:20+00:00", "from": "n1", "to": "n2"}, "scope": "demo"})"));
    settings.synchronous_mode = core::SynchronousMode::quorum;
    settings.standby_cluster = core::StandbyCluster{};
    text = json_text(cluster_document(cluster, settings, "demo"));
    EXPECT_THAT(text, ::testing::HasSubstr(R"("role": "standby_leader")"));
    EXPECT_THAT(text, ::testing::HasSubstr(R"("role": "quorum_standby")"));
}

TEST(HistoryDocument, KeepsShortOldEntries) {
    core::Cluster cluster;
    EXPECT_EQ(json_text(history_document(cluster)), "[]");
    cluster.history = {
        {Timeline{1}, Lsn{0x3000000}, "no recovery target specified", "", ""},
        {Timeline{2}, Lsn{0x4000000}, "no recovery target specified", "2024-01-01T00:00:00+00:00", "n2"}};
    EXPECT_EQ(json_text(history_document(cluster)),
              R"([[1, 50331648, "no recovery target specified"], )"
              R"([2, 67108864, "no recovery target specified", "2024-01-01T00:00:00+00:00", "n2"]])");
}

TEST(Metrics, OfAPrimary) {
    const std::string text = metrics_text(standing(test_primary(), test_now));
    const std::string labels = R"({scope="demo",name="n1"} )";
    EXPECT_THAT(text, ::testing::StartsWith(
                          "# HELP patroni_version Patroni semver without periods.\n# TYPE patroni_version gauge\n"
                          "patroni_version" +
                          labels + "040104\n"));
    for (const char* line : {"patroni_postgres_running 1",
                             "patroni_postmaster_start_time 1724873966.352526",
                             "patroni_primary 1",
                             "patroni_standby_leader 0",
                             "patroni_replica 0",
                             "patroni_sync_standby 0",
                             "patroni_quorum_standby 0",
                             "patroni_xlog_location 67108960",
                             "patroni_xlog_received_location 0",
                             "patroni_xlog_replayed_location 0",
                             "patroni_xlog_replayed_timestamp 0",
                             "patroni_xlog_paused 0",
                             "patroni_postgres_streaming 0",
                             "patroni_postgres_in_archive_recovery 0",
                             "patroni_postgres_server_version 160004",
                             "patroni_cluster_unlocked 0",
                             "patroni_failsafe_mode_is_active 0",
                             "patroni_failsafe_mode_enabled 0",
                             "patroni_failsafe_member 0",
                             "patroni_postgres_timeline 5",
                             "patroni_dcs_last_seen 1700000000",
                             "patroni_pending_restart 0",
                             "patroni_is_paused 0",
                             "patroni_postgres_state 5",
                             "patroni_failover_priority 1",
                             "castle_may_write 1",
                             "castle_is_leader 1"}) {
        const std::string_view whole = line;
        const auto blank = whole.find(' ');
        const std::string expected =
            "\n" + std::string(whole.substr(0, blank)) + labels + std::string(whole.substr(blank + 1)) + "\n";
        EXPECT_THAT(text, ::testing::HasSubstr(expected));
    }
    EXPECT_THAT(text,
                ::testing::HasSubstr(
                    "# TYPE patroni_postgres_state gauge\n# Values: 0=initializing new cluster, 1=initdb failed, "));
    EXPECT_THAT(text, ::testing::HasSubstr("14=crashed\npatroni_postgres_state{"));
}

TEST(Metrics, OfAStandbyAndOfADeadServer) {
    core::AgentView view = test_standby();
    view.tags["nofailover"] = true;
    view.instance.replayed_timestamp = "2023-11-14 22:13:20.500000+00:00";
    std::string text = metrics_text(standing(view, test_now));
    for (const char* line :
         {"xlog_location{scope=\"demo\",name=\"n2\"} 0", "xlog_received_location{scope=\"demo\",name=\"n2\"} 67108960",
          "xlog_replayed_timestamp{scope=\"demo\",name=\"n2\"} 1700000000.500000",
          "postgres_streaming{scope=\"demo\",name=\"n2\"} 1", "failover_priority{scope=\"demo\",name=\"n2\"} 0"})
        EXPECT_THAT(text, ::testing::HasSubstr(line));
    view.state = "strange";
    view.instance.process = core::ProcessState::stopped;
    text = metrics_text(standing(view, test_now));
    EXPECT_THAT(text, ::testing::HasSubstr("postgres_state{scope=\"demo\",name=\"n2\"} -1"));
    EXPECT_THAT(text, ::testing::HasSubstr("server_version{scope=\"demo\",name=\"n2\"} 0"));
    EXPECT_THAT(text, ::testing::Not(::testing::HasSubstr("patroni_postgres_streaming")));
}

}  // namespace
}  // namespace castle::api
