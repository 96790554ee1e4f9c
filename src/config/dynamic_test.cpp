#include "config/dynamic.hpp"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>

#include "config/yaml.hpp"

namespace castle::config {
namespace {

using namespace std::chrono_literals;
using core::Settings;

DynamicSettings settings_of(const char* json) {
    return read_settings(boost::json::parse(json).as_object());
}

EffectivePostgresql effective(const char* yaml, const char* dynamic) {
    const auto local = parse_yaml(yaml, "p.yml");
    EXPECT_TRUE(local) << (local ? "" : local.error().message);
    return effective_postgresql(*local, boost::json::parse(dynamic).as_object());
}

TEST(Dynamic, NothingGivenMeansTheDefaults) {
    const auto read = settings_of("{}");
    EXPECT_EQ(read.settings, Settings{});
    EXPECT_TRUE(read.warnings.empty());
}

TEST(Dynamic, EverySettingIsRead) {
    using enum core::SynchronousMode;
    struct Row {
        const char* json;
        void (*change)(Settings&);
    };
    const Row rows[] = {
        {R"({"ttl":20,"loop_wait":"2","retry_timeout":"3s"})",
         [](Settings& s) { s.ttl = 20s, s.loop_wait = 2s, s.retry_timeout = 3s; }},
        {R"({"ttl":5})", [](Settings& s) { s.ttl = 5s; }},  // repaired later, not here
        {R"({"ttl":"1min"})", [](Settings& s) { s.ttl = 60s; }},
        {R"({"maximum_lag_on_failover":"16MB"})", [](Settings& s) { s.maximum_lag_on_failover = 16 << 20; }},
        {R"({"maximum_lag_on_syncnode":-1})", [](Settings&) {}},
        {R"({"check_timeline":"on","pause":true,"failsafe_mode":1})",
         [](Settings& s) { s.check_timeline = s.pause = s.failsafe_mode = true; }},
        {R"({"max_timelines_history":7})", [](Settings& s) { s.max_timelines_history = 7; }},
        {R"({"primary_start_timeout":0})", [](Settings& s) { s.primary_start_timeout = 0s; }},
        {R"({"master_start_timeout":7})", [](Settings& s) { s.primary_start_timeout = 7s; }},
        {R"({"master_start_timeout":7,"primary_start_timeout":8})", [](Settings& s) { s.primary_start_timeout = 8s; }},
        {R"({"master_stop_timeout":"1min"})", [](Settings& s) { s.primary_stop_timeout = 60s; }},
        {R"({"synchronous_mode":true})", [](Settings& s) { s.synchronous_mode = on; }},
        {R"({"synchronous_mode":"quorum"})", [](Settings& s) { s.synchronous_mode = quorum; }},
        {R"({"synchronous_mode":"off"})", [](Settings&) {}},
        {R"({"synchronous_mode":true,"standby_cluster":{"host":"h"}})",
         [](Settings& s) { s.standby_cluster = core::StandbyCluster{.host = "h"}; }},
        {R"({"standby_cluster":{"primary_slot_name":"x"}})", [](Settings&) {}},
        {R"({"standby_cluster":{"restore_command":"cp","create_replica_methods":["a","basebackup"]}})",
         [](Settings& s) {
             s.standby_cluster =
                 core::StandbyCluster{.restore_command = "cp", .create_replica_methods = {"a", "basebackup"}};
         }},
        {R"({"synchronous_node_count":2,"synchronous_mode_strict":"yes"})",
         [](Settings& s) { s.synchronous_node_count = 2, s.synchronous_mode_strict = true; }},
        {R"({"member_slots_ttl":"30min"})", [](Settings& s) { s.member_slots_ttl = 30min; }},
        {R"({"slots":{"a":null,"b":0,"c":{"type":"physical","cluster_type":"standby"}}})",
         [](Settings& s) {
             s.permanent_slots["a"] = s.permanent_slots["b"] = {};
             s.permanent_slots["c"].where = core::PermanentSlot::Where::standby;
         }},
        {R"({"slots":{"old":null},"permanent_slots":{"l":{"database":"d","plugin":"p"}}})",
         [](Settings& s) {
             s.permanent_slots["l"] = {.kind = core::PermanentSlot::Kind::logical, .database = "d", .plugin = "p"};
         }},
        {R"({"ignore_slots":[{"name":"x","plugin":"p"},{}]})",
         [](Settings& s) { s.ignore_slots.push_back({.name = "x", .plugin = "p"}); }},
        {R"({"postgresql":{"use_slots":false}})", [](Settings& s) { s.use_slots = false; }},
        {R"({"unknown":{"key":1}})", [](Settings&) {}},
    };
    for (const Row& row : rows) {
        SCOPED_TRACE(row.json);
        Settings expected;
        row.change(expected);
        const auto read = settings_of(row.json);
        EXPECT_EQ(read.settings, expected);
        EXPECT_TRUE(read.warnings.empty()) << read.warnings[0];
    }
}

TEST(Dynamic, UnreadableValuesLeaveTheDefaultAndAWarning) {
    for (const char* json :
         {R"({"ttl":"soon"})", R"({"ttl":"1MB"})", R"({"maximum_lag_on_failover":-1})",
          R"({"synchronous_mode":"maybe"})", R"({"pause":"maybe"})", R"({"slots":[1]})",
          R"({"slots":{"Bad-Name":null}})", R"({"ttl":[1]})", R"({"slots":{"l":{"type":"logical"}}})",
          R"({"ignore_slots":{"name":"x"}})", R"({"standby_cluster":"h"})", R"({"synchronous_node_count":0})",
          R"({"ttl":99999999999999999})"}) {
        SCOPED_TRACE(json);
        const auto read = settings_of(json);
        EXPECT_EQ(read.settings, Settings{});
        EXPECT_EQ(read.warnings.size(), 1u);
    }
    EXPECT_EQ(settings_of(R"({"ttl":"soon"})").warnings[0],
              "dynamic configuration: ttl soon is not an integer in units of s");
}

TEST(Dynamic, WhatIsNoObjectIsRefused) {
    EXPECT_FALSE(parse_dynamic("{"));
    EXPECT_FALSE(parse_dynamic("[]"));
    EXPECT_FALSE(parse_dynamic(""));
    EXPECT_TRUE(parse_dynamic("{}"));
}

TEST(EffectivePostgresql, ParametersAreMergedByTheContract) {
    const auto [p, warnings, mistakes] =
        effective(R"(
postgresql:
  listen: 10.0.0.1:5433
  data_dir: /d
  use_slots: true
  parameters: {work_mem: 8MB, Shared_Buffers: 1GB, max_connections: 500, archive_mode: on}
)",
                  R"({"postgresql":{"use_slots":false,"data_dir":"/not/this","listen":"x:1",
        "parameters":{"work_mem":"4MB","shared_buffers":"2GB","max_connections":200,"max_wal_senders":1,"wal_level":"hot_standby",
                      "wal_keep_segments":100,"restore_command":"cp %f %p","autovacuum":false,"port":1}}})");
    EXPECT_EQ(p.data_dir, "/d");
    EXPECT_EQ(p.config_dir, "/d");
    EXPECT_EQ(p.listen, (Address{"10.0.0.1", 5433}));
    EXPECT_EQ(p.connect_address, (Address{"10.0.0.1", 5433}));
    EXPECT_FALSE(p.use_slots) << "dynamic only";
    EXPECT_EQ(p.parameters, (Parameters{{"work_mem", "8MB"},
                                        {"Shared_Buffers", "1GB"},
                                        {"archive_mode", "on"},
                                        {"autovacuum", "off"},
                                        {"wal_keep_segments", "100"}}));
    EXPECT_EQ(p.recovery_conf, (Parameters{{"restore_command", "cp %f %p"}}));
    EXPECT_EQ(p.controlled, (Parameters{{"wal_level", "replica"},
                                        {"hot_standby", "on"},
                                        {"max_connections", "200"},
                                        {"max_wal_senders", "10"},
                                        {"max_replication_slots", "10"},
                                        {"max_worker_processes", "8"},
                                        {"max_prepared_transactions", "0"},
                                        {"max_locks_per_transaction", "64"},
                                        {"track_commit_timestamp", "off"},
                                        {"wal_log_hints", "on"}}));
    ASSERT_EQ(warnings.size(), 3u);
    EXPECT_EQ(warnings[0],
              "dynamic configuration: postgresql.parameters.max_wal_senders 1 must be at least 3; using 10");
    EXPECT_EQ(warnings[1],
              "dynamic configuration: postgresql.parameters.port 1 is set by the agent and cannot be configured here");
    EXPECT_EQ(warnings[2],
              "p.yml:6: postgresql.parameters.max_connections 500 is ignored here: set it in the dynamic "
              "configuration (edit-config)");
}

TEST(EffectivePostgresql, OtherKeysAreReplacedWhole) {
    const auto [p, warnings, mistakes] =
        effective("postgresql: {pg_hba: [local], callbacks: {on_start: mine}}",
                  R"({"postgresql":{"pg_hba":["a","b"],"callbacks":{"on_stop":"theirs"},"use_pg_rewind":true,
                      "parameters_replica":{"work_mem":"1MB","max_connections":5},"pg_hba_standby_leader":["x"]}})");
    EXPECT_EQ(p.pg_hba, std::vector<std::string>{"local"});
    EXPECT_EQ(p.callbacks, (Callbacks{.on_start = "mine"}));
    EXPECT_TRUE(p.use_pg_rewind);
    EXPECT_EQ(p.parameters_for(ServerRole::replica), (Parameters{{"work_mem", "1MB"}}));
    EXPECT_EQ(p.parameters_for(ServerRole::primary), Parameters{});
    EXPECT_EQ(p.pg_hba_for(ServerRole::standby_leader), std::vector<std::string>{"x"});
    EXPECT_EQ(p.pg_hba_for(ServerRole::replica), std::vector<std::string>{"local"});
    EXPECT_EQ(warnings.size(), 1u) << "a controlled parameter cannot depend on the role";
}

TEST(EffectivePostgresql, MethodsLoginsAndOptions) {
    const auto [p, warnings, mistakes] = effective(R"(
postgresql:
  listen: "*:5432"
  bin_dir: /usr/lib/pg/bin
  bin_name: {pg_ctl: my_ctl}
  authentication:
    superuser: {username: postgres, password: 123, sslmode: require, nonsense: x}
    replication: {username: rep}
  create_replica_methods: [wal_e, missing, basebackup]
  wal_e: {command: "fetch it", no_leader: '1', keep_data: true, threads: 4}
  basebackup: [{checkpoint: fast}, verbose, {pgdata: /x}]
  rewind: {progress: true, debug: false, dry-run: true}
  recovery_conf: {restore_command: x, primary_conninfo: y, recovery_target_time: z}
  pg_ctl_timeout: 2min
)",
                                                   "{}");
    EXPECT_EQ(p.connect_address, (Address{"localhost", 5432}));
    EXPECT_EQ(p.program("pg_ctl"), "/usr/lib/pg/bin/my_ctl");
    EXPECT_EQ(p.program("initdb"), "/usr/lib/pg/bin/initdb");
    EXPECT_EQ(p.superuser, (Login{"postgres", "123", {{"sslmode", "require"}}}));
    EXPECT_EQ(p.login_for_rewind(), p.superuser);
    ASSERT_EQ(p.create_replica_methods.size(), 2u);
    EXPECT_EQ(
        p.create_replica_methods[0],
        (ReplicaMethod{
            .name = "wal_e", .command = "fetch it", .keep_data = true, .no_leader = true, .options = {"--threads=4"}}));
    EXPECT_TRUE(p.create_replica_methods[1].built_in());
    EXPECT_EQ(p.basebackup_options, (std::vector<std::string>{"--checkpoint=fast", "--verbose"}));
    EXPECT_EQ(p.rewind_options, std::vector<std::string>{"--progress"});
    EXPECT_EQ(p.recovery_conf, (Parameters{{"restore_command", "x"}}));
    EXPECT_EQ(p.pg_ctl_timeout, 120s);
    EXPECT_EQ(warnings.size(), 3u);
    EXPECT_EQ(effective("{}", "{}").postgresql.create_replica_methods.size(), 1u);
}

}  // namespace
}  // namespace castle::config
