#include "ctl/member_table.hpp"

#include <gtest/gtest.h>

namespace castle::ctl {
namespace {

using Keys = std::map<std::string, std::string>;

ClusterView view_of_keys(const Keys& keys) {
    core::Snapshot snapshot;
    for (const auto& [key, value] : keys) snapshot.keys[key] = {value, Revision{1}, Revision{1}, LeaseId{1}};
    return view_of(core::read_cluster(snapshot));
}

std::string shown(const Keys& keys, MemberTableOptions options = {.cluster_name = "ctrdemo"}) {
    return member_table({view_of_keys(keys)}, options);
}

// clang-format off: the samples are easier to read in one piece
// Samples recorded from a live cluster of Patroni.
const Keys recorded{
    {"initialize", "7710398855979172257"},
    {"leader", "n-1"},
    {"config", R"({"ttl":20,"loop_wait":2})"},
    {"status", R"({"optime":84158976})"},
    {"members/n-1",
     R"({"conn_url":"postgres://127.0.0.1:15501/postgres","state":"running","role":"primary","timeline":1,
        "xlog_location":84158976,"tags":{"failover_priority":1,"zone":"eu"}})"},
    {"members/n-2",
     R"({"conn_url":"postgres://127.0.0.1:15502/postgres","state":"running","role":"replica","timeline":1,
        "xlog_location":84158976,"receive_lsn":84158976,"replay_lsn":84158976,"replication_state":"streaming",
        "tags":{"failover_priority":1,"zone":"eu"}})"},
};

TEST(MemberTable, ListDrawsTheRecordedSample) {
    EXPECT_EQ(shown(recorded),
              "+ Cluster: ctrdemo (7710398855979172257) "
              "--------+----+-------------+-----+------------+-----+----------------------+\n"
              "| Member | Host            | Role    | State     | TL | Receive LSN | Lag | Replay LSN | Lag | Tags     "
              "            |\n"
              "+--------+-----------------+---------+-----------+----+-------------+-----+------------+-----+----------"
              "------------+\n"
              "| n-1    | 127.0.0.1:15501 | Leader  | running   |  1 |             |     |            |     | "
              "failover_priority: 1 |\n"
              "|        |                 |         |           |    |             |     |            |     | zone: eu "
              "            |\n"
              "+--------+-----------------+---------+-----------+----+-------------+-----+------------+-----+----------"
              "------------+\n"
              "| n-2    | 127.0.0.1:15502 | Replica | streaming |  1 |   0/5042A00 |   0 |  0/5042A00 |   0 | "
              "failover_priority: 1 |\n"
              "|        |                 |         |           |    |             |     |            |     | zone: eu "
              "            |\n"
              "+--------+-----------------+---------+-----------+----+-------------+-----+------------+-----+----------"
              "------------+\n");
}

TEST(MemberTable, TopologyDrawsTheRecordedSample) {
    EXPECT_EQ(shown(recorded, {.cluster_name = "ctrdemo", .format = Format::topology}),
              "+ Cluster: ctrdemo (7710398855979172257) "
              "--------+----+-------------+-----+------------+-----+----------------------------------+\n"
              "| Member | Host            | Role    | State     | TL | Receive LSN | Lag | Replay LSN | Lag | Tags     "
              "                        |\n"
              "+--------+-----------------+---------+-----------+----+-------------+-----+------------+-----+----------"
              "------------------------+\n"
              "| n-1    | 127.0.0.1:15501 | Leader  | running   |  1 |             |     |            |     | "
              "{failover_priority: 1, zone: eu} |\n"
              "| + n-2  | 127.0.0.1:15502 | Replica | streaming |  1 |   0/5042A00 |   0 |  0/5042A00 |   0 | "
              "{failover_priority: 1, zone: eu} |\n"
              "+--------+-----------------+---------+-----------+----+-------------+-----+------------+-----+----------"
              "------------------------+\n");
}

Keys with_old_member() {
    Keys keys = recorded;
    keys.erase("members/n-2");
    keys["members/n-1"] =
        R"({"conn_url":"postgres://127.0.0.1:15501/postgres","state":"running","role":"primary","timeline":1,
        "pending_restart":true,"pending_restart_reason":{"max_connections":{"old_value":"100","new_value":"101"}},
        "tags":{"failover_priority":1,"zone":"eu"}})";
    keys["members/n-3"] =
        R"({"conn_url":"postgres://127.0.0.1:15503/postgres","state":"running","role":"replica","timeline":1,
        "xlog_location":84158976,"pending_restart":true,"tags":{"failover_priority":1,"zone":"eu"}})";
    return keys;
}

TEST(MemberTable, TsvIsTheRecordedSample) {
    EXPECT_EQ(shown(with_old_member(), {.cluster_name = "ctrdemo", .format = Format::tsv}),
              "Cluster\tMember\tHost\tRole\tState\tTL\tReceive LSN\tReceive Lag\tReplay LSN\tReplay Lag\tPending "
              "restart\tPending restart reason\tTags\n"
              "ctrdemo\tn-1\t127.0.0.1:15501\tLeader\trunning\t1\t\t\t\t\t*\tmax_connections: "
              "100->101\t{failover_priority: 1, zone: eu}\n"
              "ctrdemo\tn-3\t127.0.0.1:15503\tReplica\trunning\t1\tunknown\t\t0/5042A00\t0\t*\t\t{failover_priority: "
              "1, zone: eu}\n");
}

TEST(MemberTable, JsonIsTheRecordedSample) {
    Keys keys = with_old_member();
    keys["members/n-3"] =
        R"({"conn_url":"postgres://127.0.0.1:15503/postgres","state":"running","role":"replica","timeline":1,
        "xlog_location":84158976})";
    EXPECT_EQ(
        shown(keys, {.cluster_name = "ctrdemo", .format = Format::json}),
        R"([{"Cluster": "ctrdemo", "Member": "n-1", "Host": "127.0.0.1:15501", "Role": "Leader", "State": "running", "TL": 1, )"
        R"("Pending restart": "*", "Pending restart reason": "max_connections: 100->101", "Tags": {"failover_priority": 1, )"
        R"("zone": "eu"}}, {"Cluster": "ctrdemo", "Member": "n-3", "Host": "127.0.0.1:15503", "Role": "Replica", )"
        R"("State": "running", "TL": 1, "Receive LSN": "unknown", "Replay LSN": "0/5042A00", "Replay Lag": 0}])"
        "\n");
}

TEST(MemberTable, YamlIsTheRecordedSample) {
    Keys keys = recorded;
    keys.erase("members/n-1");
    EXPECT_EQ(shown(keys, {.cluster_name = "ctrdemo", .format = Format::yaml}),
              "- Cluster: ctrdemo\n  Host: 127.0.0.1:15502\n  Member: n-2\n  Receive LSN: 0/5042A00\n  Receive Lag: 0\n"
              "  Replay LSN: 0/5042A00\n  Replay Lag: 0\n  Role: Replica\n  State: streaming\n  TL: 1\n  Tags:\n"
              "    failover_priority: 1\n    zone: eu\n\n");
}

TEST(MemberTable, HostsShowTheirPortOnlyWhereItTells) {
    const auto host_of = [](const char* one, const char* two) {
        const std::string text = shown({{"leader", "a"},
                                        {"members/a", std::string(R"({"conn_url":")") + one + R"("})"},
                                        {"members/b", std::string(R"({"conn_url":")") + two + R"("})"}},
                                       {.cluster_name = "x", .format = Format::tsv});
        const auto line = text.find("x\ta\t") + 4;
        return text.substr(line, text.find('\t', line) - line);
    };
    EXPECT_EQ(host_of("postgres://10.0.0.1:5432/postgres", "postgres://10.0.0.2:5432/postgres"), "10.0.0.1");
    EXPECT_EQ(host_of("postgres://10.0.0.1:5432/postgres", "postgres://10.0.0.2:5433/postgres"), "10.0.0.1:5432");
    EXPECT_EQ(host_of("postgres://10.0.0.1:5432/postgres", "postgres://10.0.0.1:5432/postgres"), "10.0.0.1:5432");
    EXPECT_EQ(host_of("postgres://[::1]:5432/postgres", "postgres://10.0.0.1:5433/postgres"), "[::1]:5432");
}

TEST(MemberTable, RolesStatesAndWhatStandsBelow) {
    const std::string text =
        shown({{"leader", "a"},
               {"initialize", ""},
               {"config", R"({"synchronous_mode":"quorum","pause":true})"},
               {"sync", R"({"leader":"a","sync_standby":"B","quorum":0})"},
               {"failover", R"({"leader":"a","member":"b","scheduled_at":"2026-01-01T10:00:00+00:00"})"},
               {"status", R"({"optime":104857600})"},
               {"members/a", R"({"state":"running","role":"primary"})"},
               {"members/b", R"({"state":"running","receive_lsn":52428800})"},
               {"members/c", R"({"state":"stopping","role":"replica"})"},
               {"members/d", "broken"}},
              {.cluster_name = "demo", .extended = true});
    EXPECT_EQ(text,
              "+ Cluster: demo (initializing) "
              "--+----------+----+-------------+-----+------------+-----+-----------------+------------------------+---"
              "----------------+------+\n"
              "| Member | Host | Role           | State    | TL | Receive LSN | Lag | Replay LSN | Lag | Pending "
              "restart | Pending restart reason | Scheduled restart | Tags |\n"
              "+--------+------+----------------+----------+----+-------------+-----+------------+-----+---------------"
              "--+------------------------+-------------------+------+\n"
              "| a      |      | Leader         | running  |    |             |     |            |     |               "
              "  |                        |                   |      |\n"
              "| b      |      | Quorum Standby | running  |    |   0/3200000 |  50 |    unknown |     |               "
              "  |                        |                   |      |\n"
              "| c      |      | Replica        | stopping |    |     unknown |     |    unknown |     |               "
              "  |                        |                   |      |\n"
              "| d      |      | Replica        |          |    |     unknown |     |    unknown |     |               "
              "  |                        |                   |      |\n"
              "+--------+------+----------------+----------+----+-------------+-----+------------+-----+---------------"
              "--+------------------------+-------------------+------+\n"
              " Maintenance mode: on\n"
              " Switchover scheduled at: 2026-01-01T10:00:00+00:00\n"
              "                    from: a\n"
              "                      to: b\n");
}

TEST(MemberTable, TopologyShowsWhoFollowsWhom) {
    const std::string text = shown({{"leader", "n2"},
                                    {"members/n1", R"({"tags":{"replicatefrom":"n3"}})"},
                                    {"members/n2", R"({"tags":{"replicatefrom":"n1"}})"},
                                    {"members/n3", "{}"},
                                    {"members/x", R"({"tags":{"replicatefrom":"y"}})"},
                                    {"members/y", R"({"tags":{"replicatefrom":"x"}})"}},
                                   {.cluster_name = "demo", .format = Format::topology});
    std::string order;
    for (const char* name : {"| n2 ", "| + n3 ", "|   + n1 ", "| x ", "| y "}) {
        EXPECT_NE(text.find(name), std::string::npos) << name << "\n" << text;
        EXPECT_GT(text.find(name), order.empty() ? 0 : text.find(order)) << name;
        order = name;
    }
}

// clang-format on

}  // namespace
}  // namespace castle::ctl
