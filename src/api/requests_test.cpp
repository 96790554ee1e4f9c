#include <gtest/gtest.h>

#include "api/access.hpp"
#include "api/restart_request.hpp"
#include "api/schedule.hpp"
#include "api/switchover_request.hpp"
#include "api/test_world.hpp"
#include "core/timestamp.hpp"

namespace castle::api {
namespace {

namespace json = boost::json;

json::object object(std::string_view text) {
    return json::parse(text).as_object();
}

TEST(Schedule, IsReadAsPeopleWriteIt) {
    // 2023-11-14 22:13:20 UTC is 1700000000.
    for (const char* text : {"2023-11-14T22:13:20+00:00", "2023-11-14 22:13:20Z", "2023-11-15T00:13:20+0200",
                             "2023-11-14 17:13:20 -05:00", "20231114T221320Z", "2023/11/14 22:13:20 UTC",
                             "2023-Nov-14, 10:13:20 pm GMT", "22:13:20 Z", "2023-11-15 00:13:20+2"}) {
        auto time = read_time(text, test_wall);
        ASSERT_TRUE(time) << text;
        EXPECT_EQ(*time, test_wall) << text;
    }
    EXPECT_EQ(*read_time("2023-11-14T22:13:20.25Z", test_wall) - test_wall, 250ms);
    EXPECT_EQ(*read_time("2023-11-14 UTC", test_wall),
              WallTime(std::chrono::sys_days(std::chrono::year(2023) / 11 / 14)));
    for (const char* text : {"2023-11-14T22:13:20", "22:13", "2023-11-14"})
        EXPECT_EQ(read_time(text, test_wall).error().code, Errc::denied) << text;
    for (const char* text : {"", "tomorrow", "2023-13-01T00:00Z", "2023-11-14T25:00Z", "2023-11-14T10:00 CEST",
                             "2023-11-14T10:00Zx", "1", "::Z", "9999-12-31T23:00-02:00"})
        EXPECT_EQ(read_time(text, test_wall).error().code, Errc::invalid) << text;
}

TEST(Schedule, RefusalsUseTheContractsWords) {
    const auto refused = [](const char* text) { return read_schedule(text, test_wall, "switchover").problem; };
    EXPECT_EQ(refused("2030-01-01T00:00:00").text, "Timezone information is mandatory for the scheduled switchover");
    EXPECT_EQ(refused("2030-01-01T00:00:00").status, 400);
    EXPECT_EQ(refused("2020-01-01T00:00:00Z").text, "Cannot schedule switchover in the past");
    EXPECT_EQ(refused("2020-01-01T00:00:00Z").status, 422);
    EXPECT_EQ(refused("x").text,
              "Unable to parse scheduled timestamp. It should be in an unambiguous format, e.g. ISO 8601");
    EXPECT_EQ(refused("x").status, 422);
    EXPECT_EQ(refused("2030-01-01T00:00:00Z").status, 0);
}

TEST(AddressSet, KnowsNetworksOfBothFamilies) {
    AddressSet set;
    for (const char* each : {"10.1.0.0/16", "192.168.1.1", "fd00::/9", "0.0.0.4/30"}) EXPECT_TRUE(set.add(each));
    for (const char* wrong : {"localhost", "10.0.0.0/33", "10.0.0.0/x", ""}) EXPECT_FALSE(set.add(wrong)) << wrong;
    for (const char* in : {"10.1.255.1", "192.168.1.1", "::ffff:10.1.0.1", "fd70::1", "0.0.0.7"})
        EXPECT_TRUE(set.contains(in)) << in;
    for (const char* out : {"10.2.0.1", "192.168.1.2", "fe80::1", "", "x", "0.0.0.8"})
        EXPECT_FALSE(set.contains(out)) << out;
}

TEST(Access, TheFirstCheckThatFailsAnswers) {
    AddressSet allowed;
    allowed.add("10.0.0.1");
    AccessRules rules{.check_address = true, .check_certificate = true, .auth = io::BasicAuth{"user", "pass"}};
    io::ServerRequest request{.peer = {"10.0.0.2", 1}};
    EXPECT_FALSE(refuse_access({}, {}, request));
    EXPECT_EQ(refuse_access(rules, allowed, request)->body, "Access is denied");
    request.peer.host = "10.0.0.1";
    EXPECT_EQ(refuse_access(rules, allowed, request)->body, "client certificate required");
    request.certificate = io::PeerCertificate{.verified = false};
    EXPECT_EQ(refuse_access(rules, allowed, request)->status, 403);
    request.certificate->verified = true;
    const auto nobody = refuse_access(rules, allowed, request);
    EXPECT_EQ(nobody->status, 401);
    EXPECT_EQ(nobody->body, "no auth header received");
    EXPECT_EQ(*io::find_header(nobody->headers, "WWW-Authenticate"), "Basic realm=\"Patroni\"");
    request.headers = {{"authorization", "Basic eA=="}};
    EXPECT_EQ(refuse_access(rules, allowed, request)->body, "not authenticated");
    request.headers = {{"authorization", io::BasicAuth{"user", "pass"}.header()}};
    EXPECT_FALSE(refuse_access(rules, allowed, request));
    EXPECT_TRUE(equal_in_constant_time("abc", "abc"));
    EXPECT_FALSE(equal_in_constant_time("abc", "abcabc"));
    EXPECT_FALSE(equal_in_constant_time("", "a"));
    EXPECT_FALSE(equal_in_constant_time("a", ""));
}

TEST(Restart, FiltersAreChecked) {
    struct Row {
        const char* body;
        bool paused;
        int status;
        std::string text;
    };
    const Row rows[] = {
        {"{}", false, 0, ""},
        {R"({"restart_pending":true,"role":"master","postgres_version":"15.3","timeout":"2min"})", false, 0, ""},
        {R"({"schedule":"2030-01-01T00:00:00Z"})", true, 500, "Can't schedule restart in the paused state"},
        {R"({"schedule":"2020-01-01T00:00:00Z"})", false, 422, "Cannot schedule restart in the past"},
        {R"({"role":"leader"})", false, 400, "PostgreSQL role should be either primary, standby_leader, or replica"},
        {R"({"postgres_version":"15"})", false, 400, "Invalid PostgreSQL version format: X.Y or X.Y.Z is accepted: 15"},
        {R"({"postgres_version":"9.6"})", false, 400,
         "Invalid PostgreSQL version format: X.Y or X.Y.Z is accepted: 9.6"},
        {R"({"postgres_version":"9.6.3"})", false, 0, ""},
        {R"({"postgres_version":"x.y"})", false, 400, "Invalid PostgreSQL version: x.y"},
        {R"({"timeout":0})", false, 400, "Timeout should be a positive number of seconds"},
        {R"({"timeout":9223372036854775807})", false, 400, "Timeout should be a positive number of seconds"},
        {R"({"timeout":"soon"})", false, 400, "Timeout should be a positive number of seconds"},
        {R"({"rolle":"x"})", false, 400, "Unknown filter for the scheduled restart: rolle"},
    };
    for (const Row& row : rows) {
        SCOPED_TRACE(row.body);
        const RestartCall call = read_restart(object(row.body), row.paused, test_wall);
        EXPECT_EQ(call.status, row.status);
        EXPECT_EQ(call.refusal, row.text);
    }
    const RestartCall call = read_restart(object(rows[1].body), false, test_wall);
    EXPECT_EQ(call.request.role, "primary");
    EXPECT_TRUE(call.request.only_pending);
    EXPECT_EQ(call.request.timeout, 120s);
}

TEST(Switchover, TheFirstProblemAnswers) {
    struct Row {
        const char* rule;
        const char* body;
        bool failover;
        bool paused;
        int status;
        std::string text;
    };
    const Row rows[] = {
        {"1", R"({"leader":"n1"})", true, false, 400, "Failover could be performed only to a specific candidate"},
        {"2", R"({"candidate":"n2"})", false, false, 400, "Switchover could be performed only from a specific leader"},
        {"3", R"({"candidate":"n2","scheduled_at":"2030-01-01T00:00:00Z"})", true, false, 400,
         "Failover can't be scheduled"},
        {"4", R"({"leader":"n1","scheduled_at":"2030-01-01T00:00:00Z"})", false, true, 400,
         "Can't schedule switchover in the paused state"},
        {"5", R"({"leader":"n1","scheduled_at":"2030-01-01T00:00:00"})", false, false, 400,
         "Timezone information is mandatory for the scheduled switchover"},
        {"6", R"({"leader":"n1"})", false, true, 400,
         "Switchover is possible only to a specific candidate in a paused state"},
        {"8", R"({"leader":"n1","member":"n1"})", true, false, 400, "Switchover target and source are the same"},
        {"fine", R"({"leader":"n1","candidate":"n2"})", false, true, 0, ""},
    };
    for (const Row& row : rows) {
        SCOPED_TRACE(row.rule);
        core::Settings settings;
        settings.pause = row.paused;
        const SwitchoverCall call = read_switchover(object(row.body), row.failover, settings, test_wall);
        EXPECT_EQ(call.status, row.status);
        EXPECT_EQ(call.refusal, row.text);
    }
    EXPECT_EQ(read_switchover(object(R"({"leader":"n1","candidate":"n2"})"), true, {}, test_wall).action, "switchover");
    EXPECT_EQ(read_switchover(object(R"({"candidate":"n2"})"), true, {}, test_wall).action, "failover");
}

// The leader drops a request whose time it cannot read, after the answer was that the switchover is scheduled.
TEST(Switchover, AScheduleIsWrittenAsMembersReadIt) {
    for (const char* text : {"2030-01-01T12:00:00+02:00", "20300101T100000Z", "2030/1/1 10:00 am UTC",
                             "2030-Jan-1, 10:00 Z", "2030-01-01T10:00Z", "2030-01-01 10:00:00 +0"}) {
        const auto body = object(R"({"leader":"n1","scheduled_at":")" + std::string(text) + R"("})");
        const SwitchoverCall call = read_switchover(body, false, {}, test_wall);
        ASSERT_TRUE(call.at) << text << ": " << call.refusal;
        const auto read = core::parse_timestamp(call.scheduled_text);
        ASSERT_TRUE(read) << text << ": " << call.scheduled_text;
        EXPECT_EQ(*read, *call.at) << text;
    }
}

TEST(Switchover, CandidatesAreThoseWhoMayTakeOver) {
    core::Settings plain, synchronous;
    synchronous.synchronous_mode = core::SynchronousMode::on;
    const core::Cluster cluster = test_cluster();
    core::Cluster alone = cluster;
    alone.members.erase("n2");
    core::Cluster synced = cluster;
    synced.sync = {.leader = "n1", .standbys = {"n2"}};
    const SwitchoverCall any{.action = "switchover", .leader = "n1"};
    const SwitchoverCall to_n2{.action = "switchover", .leader = "n1", .candidate = "n2"};
    EXPECT_EQ(candidates_for({.action = "switchover", .leader = "n9"}, cluster, plain).refusal,
              "leader name does not match");
    EXPECT_EQ(candidates_for(to_n2, cluster, synchronous).refusal, "candidate name does not match with sync_standby");
    EXPECT_EQ(candidates_for({.action = "failover", .candidate = "n2"}, cluster, synchronous).refusal, "");
    EXPECT_EQ(candidates_for({.action = "failover", .candidate = "n9"}, cluster, plain).refusal,
              "candidate does not exists");
    EXPECT_EQ(candidates_for(any, cluster, synchronous).refusal,
              "switchover is not possible: can not find sync_standby");
    EXPECT_EQ(candidates_for(any, alone, plain).refusal,
              "switchover is not possible: cluster does not have members except leader");
    EXPECT_EQ(candidates_for(any, cluster, plain).members.at(0).name, "n2");
    EXPECT_EQ(candidates_for(any, synced, synchronous).members.at(0).name, "n2");
    EXPECT_EQ(candidates_for(to_n2, synced, synchronous).members.size(), 1u);
    core::PeerStatus good{.name = "n2", .reached = true};
    core::PeerStatus tagged = good, broken = good;
    tagged.tags.nofailover = true;
    broken.watchdog_failed = true;
    EXPECT_TRUE(any_fit({tagged, good}));
    EXPECT_FALSE(any_fit({tagged, broken, {.name = "n3"}}));
}

TEST(Switchover, TheResultIsReadFromTheStore) {
    core::Cluster cluster = test_cluster();
    const auto text = [&](const char* action, const char* candidate, bool late) {
        const auto result = result_of(cluster, action, "n1", candidate, late);
        return result ? std::to_string(result->status) + " " + result->text : "wait";
    };
    EXPECT_EQ(text("switchover", "", false), "wait");
    EXPECT_EQ(text("switchover", "", true), "503 Switchover failed");
    EXPECT_EQ(text("failover", "", true), "503 Failover failed");
    cluster.failover = core::FailoverRequest{.leader = "n1"};
    EXPECT_EQ(text("switchover", "", true), "wait");
    cluster.leader->name = "n2";
    EXPECT_EQ(text("switchover", "", false), "200 Successfully switched over to \"n2\"");
    EXPECT_EQ(text("failover", "n2", false), "200 Successfully failed over to \"n2\"");
    EXPECT_EQ(text("switchover", "n3", false), "200 Switched over to \"n2\" instead of \"n3\"");
    EXPECT_EQ(text("failover", "n3", false), "200 Failed over to \"n2\" instead of \"n3\"");
    cluster.leader.reset();
    cluster.failover.reset();
    EXPECT_EQ(text("switchover", "", true), "wait");
}

}  // namespace
}  // namespace castle::api
