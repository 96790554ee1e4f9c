#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "base/text.hpp"
#include "ctl/edit_values.hpp"
#include "ctl/made_up.hpp"

namespace castle::ctl {
namespace {

using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using Words = std::vector<std::string>;

// A leader n1 and replicas n2, n3; n3 must not become leader.
class Commands : public ::testing::Test {
protected:
    testing::MadeUpCluster cluster;
    testing::MadeUpTerminal terminal;
    config::Variables variables;

    Commands() {
        cluster.keys = {
            {"/service/demo/initialize", "7710398855979172257"},
            {"/service/demo/leader", "n1"},
            {"/service/demo/config", R"({"ttl":20,"loop_wait":2,"postgresql":{"parameters":{"a.b":1}}})"},
            {"/service/demo/members/n1",
             R"({"api_url":"http://n1:8008/patroni","role":"primary","state":"running","conn_url":"postgres://10.0.0.1:5432/postgres"})"},
            {"/service/demo/members/n2",
             R"({"api_url":"http://n2:8008/patroni","role":"replica","state":"running","pending_restart":true,"conn_url":"postgres://10.0.0.2:5433/postgres"})"},
            {"/service/demo/members/n3",
             R"({"api_url":"http://n3:8008/patroni","role":"replica","state":"running","tags":{"nofailover":true}})"},
        };
    }

    int run(const std::string& line, Words answers = {}) {
        terminal = {};
        terminal.answers.assign(answers.begin(), answers.end());
        cluster.requests.clear();
        cluster.writes.clear();
        const Surroundings surroundings{
            "patronictl", variables,
            "",           "",
            "",           [this](const config::Local&) {
                                            return std::make_unique<testing::MadeUpRemote>(cluster); }};
        return ctl::run(split(line, ' '), surroundings, terminal);
    }

    // What was printed, without tables.
    std::string said() const {
        std::string text;
        for (const std::string& line : split(terminal.output, '\n'))
            if (!line.empty() && !line.starts_with('|') && !line.starts_with('+')) text += line + "\n";
        return text;
    }
    void answers(const std::string& call, Answer answer) { cluster.answers[call].push_back(std::move(answer)); }
};

TEST_F(Commands, ListShowsTheTable) {
    EXPECT_EQ(run("list demo"), 0);
    EXPECT_THAT(terminal.output, HasSubstr("| n1     | 10.0.0.1:5432 | Leader  | running |"));
    EXPECT_EQ(run("list"), 0) << "no name is a warning";
    EXPECT_EQ(terminal.output, "");
    EXPECT_EQ(terminal.errors, "2026-03-04 05:00:00 - WARNING - Listing members: No cluster names were provided\n");
    variables["PATRONI_SCOPE"] = "demo";
    EXPECT_EQ(run("list -t"), 0);
    EXPECT_THAT(terminal.output, HasSubstr("2026-03-04 05:00:00\n+ Cluster: demo (7710398855979172257) "));
    EXPECT_EQ(run("list -f nonsense"), 1);
}

TEST_F(Commands, WrongUsageIsTwoAndHelpIsZero) {
    EXPECT_EQ(run("restart"), 2);
    EXPECT_THAT(terminal.errors, HasSubstr("Error: Missing argument 'CLUSTER_NAME'.\n"));
    EXPECT_EQ(run("--help"), 0);
    EXPECT_EQ(run("switchover"), 1) << "no cluster name anywhere";
    EXPECT_EQ(run("-c /nonex list"), 1);
    EXPECT_EQ(
        terminal.errors,
        "Error: Provided config file /nonex not existing or no read rights. Check the -c/--config-file parameter\n");
    EXPECT_EQ(run("-d redis://h list"), 1);
    EXPECT_EQ(terminal.errors, "Error: Unknown dcs scheme: redis\n");
}

TEST_F(Commands, EveryCommandOfTheProgramRuns) {
    for (const char* name : {"list", "topology", "history", "show-config", "version", "dsn"})
        EXPECT_EQ(run(std::string(name) + " demo"), 0) << name << terminal.errors;
}

TEST_F(Commands, HistoryShowConfigDsnAndVersion) {
    cluster.keys["/service/demo/history"] =
        R"([[1,84159488,"no recovery target specified","2026-01-01T10:00:00+00:00","n1"],[2,84160000,"x"]])";
    EXPECT_EQ(run("history demo"), 0);
    EXPECT_EQ(terminal.output,
              "+----+----------+------------------------------+---------------------------+------------+\n"
              "| TL |      LSN | Reason                       | Timestamp                 | New Leader |\n"
              "+----+----------+------------------------------+---------------------------+------------+\n"
              "|  1 | 84159488 | no recovery target specified | 2026-01-01T10:00:00+00:00 | n1         |\n"
              "|  2 | 84160000 | x                            |                           |            |\n"
              "+----+----------+------------------------------+---------------------------+------------+\n");
    EXPECT_EQ(run("history demo -f json"), 0);
    EXPECT_THAT(terminal.output, HasSubstr(R"("Reason": "x", "Timestamp": "", "New Leader": ""}])"));
    EXPECT_EQ(run("show-config demo"), 0);
    EXPECT_EQ(terminal.output, "loop_wait: 2\npostgresql:\n  parameters:\n    a.b: 1\nttl: 20\n\n");
    EXPECT_EQ(run("show-config none"), 0);
    EXPECT_EQ(terminal.output, "");
    EXPECT_EQ(run("dsn demo"), 0);
    EXPECT_EQ(terminal.output, "host=10.0.0.1 port=5432\n");
    EXPECT_EQ(run("dsn demo -m n2"), 0);
    EXPECT_EQ(terminal.output, "host=10.0.0.2 port=5433\n");
    EXPECT_EQ(run("dsn demo -m nosuch"), 1);
    EXPECT_EQ(terminal.errors, "Error: Can not find a suitable member\n");
    EXPECT_EQ(run("dsn demo -m n1 -r any"), 1);
    EXPECT_EQ(terminal.errors, "Error: --role and --member are mutually exclusive options\n");

    EXPECT_EQ(run("version"), 0);
    EXPECT_EQ(terminal.output, "patronictl version 4.1.4\n");
    answers("GET n1 patroni", {200, R"({"patroni":{"version":"4.1.4"},"server_version":150020})"});
    answers("GET n3 patroni", {200, R"({"patroni":{"version":"3.0.2"}})"});
    EXPECT_EQ(run("version demo"), 0);
    EXPECT_EQ(terminal.output,
              "patronictl version 4.1.4\n\nn1: Patroni 4.1.4 PostgreSQL 15.20\n"
              "n2: failed to get version: connect n2: Connection refused\nn3: Patroni 3.0.2\n");
}

TEST_F(Commands, EditConfigShowsTheDifferenceAndCompares) {
    EXPECT_EQ(run("edit-config demo -s ttl=21 --force"), 0);
    EXPECT_EQ(terminal.output,
              "--- \n+++ \n@@ -2,4 +2,4 @@\n postgresql:\n   parameters:\n     a.b: 1\n-ttl: 20\n+ttl: "
              "21\nConfiguration changed\n");
    EXPECT_THAT(cluster.writes,
                ElementsAre(R"(config@7={"ttl":21,"loop_wait":2,"postgresql":{"parameters":{"a.b":1}}})"));
    EXPECT_EQ(run("edit-config demo -s ttl=21 --force"), 0);
    EXPECT_EQ(terminal.output, "Not changed\n");
    EXPECT_EQ(run("edit-config demo -p superuser_reserved_connections=6 -q", {"n"}), 0);
    EXPECT_EQ(terminal.output, "Apply these changes? [y/N]: n\n");
    EXPECT_THAT(cluster.writes, IsEmpty());
    EXPECT_EQ(run("edit-config demo -p superuser_reserved_connections=6", {"y"}), 0);
    EXPECT_THAT(terminal.output, HasSubstr("+    superuser_reserved_connections: 6\n"));
    EXPECT_EQ(run("edit-config demo -s ttl=22"), 1) << "the input ends at the question";
    EXPECT_EQ(terminal.errors, "Aborted!\n");
    EXPECT_EQ(run("edit-config demo -s ttl", {}), 1);
    EXPECT_EQ(terminal.errors, "Error: Invalid parameter setting ttl\n");
    EXPECT_EQ(run("edit-config none -s ttl=1"), 1);
    EXPECT_EQ(terminal.errors, "Error: The config key does not exist in the cluster none\n");
    cluster.conflict = true;
    EXPECT_EQ(run("edit-config demo -s ttl=30 --force"), 1);
    EXPECT_EQ(terminal.errors, "Error: Config modification aborted due to concurrent changes\n");
}

TEST_F(Commands, EditConfigValues) {
    struct Row {
        const char* pair;
        const char* expected;
    };
    const Row rows[] = {
        {"ttl=30", R"({"a":{"b":1},"ttl":30})"},
        {"a.b=null", "{}"},
        {"a.c.d=on", R"({"a":{"b":1,"c":{"d":true}}})"},
        {"a.b.c=5", R"({"a":{"b":{"c":5}}})"},
        {"x.y=null", R"({"a":{"b":1}})"},
        {"l=[1, x]", R"({"a":{"b":1},"l":[1,"x"]})"},
        {"postgresql.parameters.pg_stat_statements.track=all",
         R"({"a":{"b":1},"postgresql":{"parameters":{"pg_stat_statements.track":"all"}}})"},
        {" s = a=b", R"({"a":{"b":1},"s":"a=b"})"},
    };
    for (const Row& row : rows) {
        auto configuration = boost::json::parse(R"({"a":{"b":1}})").as_object();
        EXPECT_TRUE(set_value(configuration, row.pair)) << row.pair;
        EXPECT_EQ(boost::json::serialize(configuration), row.expected) << row.pair;
    }
}

TEST_F(Commands, EditConfigFromInputAndEditor) {
    const auto edit = [&](const std::string& line, const std::string& input, const std::string& edited) {
        terminal = {};
        terminal.input = input;
        terminal.edited = edited;
        terminal.answers = {"y"};
        cluster.writes.clear();
        const Surroundings surroundings{
            "patronictl", {},
            "",           "",
            "",           [this](const config::Local&) {
                                            return std::make_unique<testing::MadeUpRemote>(cluster); }};
        return ctl::run(split(line, ' '), surroundings, terminal);
    };
    EXPECT_EQ(edit("edit-config demo --apply -", "ttl: null\n", ""), 0);
    EXPECT_THAT(terminal.output, EndsWith("-ttl: 20\nUse --force option to apply changes\n"));
    EXPECT_THAT(cluster.writes, IsEmpty());
    EXPECT_EQ(edit("edit-config demo --replace - --force", "ttl: 33\n", ""), 0);
    EXPECT_THAT(cluster.writes, ElementsAre(R"(config@7={"ttl":33})"));
    EXPECT_EQ(edit("edit-config demo --apply - --force", "[1]", ""), 1);
    EXPECT_EQ(edit("edit-config demo --apply /nowhere --force", "", ""), 1);
    EXPECT_EQ(edit("edit-config demo", "", "ttl: 34\n"), 0);
    EXPECT_EQ(terminal.seen_by_editor, "ttl: 33\n");
    EXPECT_THAT(cluster.writes, ElementsAre(R"(config@7={"ttl":34})"));
    EXPECT_EQ(edit("edit-config demo", "", ""), 0);
    EXPECT_EQ(terminal.output, "Not changed\n");
    EXPECT_EQ(edit("edit-config demo", "", "ttl: [\n"), 1) << "an unreadable text changes nothing";
}

TEST_F(Commands, SwitchoverAsksStepByStep) {
    answers("POST n1 switchover", {200, "Successfully switched over to \"n2\""});
    EXPECT_EQ(run("switchover demo", {"", "n2", "", "y"}), 0) << terminal.errors;
    EXPECT_EQ(said(),
              "Current cluster topology\n"
              "Primary [n1]: \n"
              "Candidate ['n2'] []: n2\n"
              "When should the switchover take place (e.g. 2026-03-04T06:00 )  [now]: \n"
              "Are you sure you want to switchover cluster demo, demoting current leader n1? [y/N]: y\n"
              "2026-03-04 05:00:00.00000 Successfully switched over to \"n2\"\n");
    EXPECT_THAT(cluster.requests, ElementsAre(R"(POST n1 switchover {"candidate":"n2","leader":"n1"})"));
}

TEST_F(Commands, SwitchoverRefusesWhatCannotBe) {
    struct Row {
        const char* line;
        Words answers;
        const char* error;
    };
    const Row rows[] = {
        {"switchover demo --leader nosuch --force", {}, "Member nosuch is not the leader of cluster demo"},
        {"switchover demo --candidate n1 --force", {}, "Member n1 is already the leader of cluster demo"},
        {"switchover demo --candidate n3 --force",
         {},
         "Member n3 does not exist in cluster demo or is tagged as nofailover"},
        {"switchover demo --scheduled soon --force",
         {},
         "Unable to parse scheduled timestamp (soon). It should be in an unambiguous format (e.g. ISO 8601)"},
        {"switchover demo", {"n1", "n2", "now", "n"}, "Aborting switchover"},
        {"switchover demo", {"n1", "n2", "2026-01-01T10:00", "n"}, "Aborting scheduled switchover"},
        {"failover demo --force", {}, "Failover could be performed only to a specific candidate"},
        {"failover demo", {"n2", ""}, "Aborting failover"},
        {"switchover none --force", {}, "This cluster has no leader"},
        {"failover none --candidate x --force", {}, "No candidates found to failover to"},
        {"switchover demo --group", {}, ""},
    };
    for (const Row& row : rows) {
        SCOPED_TRACE(row.line);
        const int status = run(row.line, row.answers);
        if (*row.error) EXPECT_EQ(terminal.errors, std::string("Error: ") + row.error + "\n");
        EXPECT_EQ(status, *row.error ? 1 : 2);
        EXPECT_THAT(cluster.requests, IsEmpty());
    }
    cluster.keys["/service/demo/config"] = R"({"pause":true})";
    EXPECT_EQ(run("switchover demo --scheduled 2026-01-01T10:00+00:00 --force"), 1);
    EXPECT_EQ(terminal.errors, "Error: Can't schedule switchover in the paused state\n");
    EXPECT_THAT(terminal.output, EndsWith(" Maintenance mode: on\n"));
}

TEST_F(Commands, SwitchoverIsScheduledWithItsZone) {
    answers("POST n1 switchover", {202, "Switchover scheduled"});
    EXPECT_EQ(run("switchover demo --scheduled 2026-01-01T10:00 --force"), 0);
    EXPECT_THAT(
        cluster.requests,
        ElementsAre(
            R"(POST n1 switchover {"candidate":null,"leader":"n1","scheduled_at":"2026-01-01T10:00:00+00:00"})"));
}

TEST_F(Commands, ARefusedSwitchoverIsToldAndEndsWithZero) {
    answers("POST n1 switchover", {412, "leader name does not match"});
    EXPECT_EQ(run("switchover demo --force"), 0);
    EXPECT_THAT(terminal.output, EndsWith("Switchover failed, details: 412, leader name does not match\n"));
    answers("POST n1 switchover",
            {503, "Switchover status unknown after 20 seconds; operation may still be in progress"});
    EXPECT_EQ(run("switchover demo --force"), 0);
    EXPECT_THAT(terminal.output, HasSubstr("Switchover result unknown, details: 503, Switchover status unknown after"));
    answers("POST n1 switchover", {501, "... Server does not support this operation ..."});
    answers("POST n1 failover", {200, "Successfully failed over to \"n2\""});
    EXPECT_EQ(run("switchover demo --force"), 0);
    EXPECT_THAT(said(), EndsWith("Successfully failed over to \"n2\"\n"));
}

TEST_F(Commands, WithoutAnAnswerTheWishIsWrittenToTheStore) {
    EXPECT_EQ(run("switchover demo --candidate n2 --force"), 0);
    EXPECT_THAT(said(),
                HasSubstr("2026-03-04 05:00:00.00000 Could not switchover using Patroni api, falling back to DCS\n"));
    EXPECT_THAT(cluster.writes, ElementsAre(R"(failover={"leader":"n1","member":"n2"})"));
    cluster.keys.erase("/service/demo/leader");
    EXPECT_EQ(run("failover demo --candidate n2 --force"), 0);
    EXPECT_THAT(cluster.requests, ElementsAre(R"(POST n2 failover {"candidate":"n2"})"))
        << "leaderless: the candidate is asked";
    EXPECT_THAT(cluster.writes, ElementsAre(R"(failover={"member":"n2"})"));
}

TEST_F(Commands, FailoverToAnAsynchronousNodeIsAskedTwice) {
    cluster.keys["/service/demo/config"] = R"({"synchronous_mode":true})";
    cluster.keys["/service/demo/sync"] = R"({"leader":"n1","sync_standby":"n3"})";
    EXPECT_EQ(run("failover demo --candidate n2", {"n"}), 1);
    EXPECT_THAT(terminal.output, EndsWith("Are you sure you want to failover to the asynchronous node n2? [y/N]: n\n"));
    EXPECT_EQ(terminal.errors, "Error: Aborting failover\n");
    cluster.keys["/service/demo/sync"] = R"({"leader":"n1","sync_standby":"N2"})";
    EXPECT_EQ(run("failover demo --candidate n2", {"n"}), 1);
    EXPECT_THAT(terminal.output,
                EndsWith("Are you sure you want to failover cluster demo, demoting current leader n1? [y/N]: n\n"));
}

TEST_F(Commands, RestartOfNamedMembers) {
    answers("POST n1 restart", {200, "restarted successfully"});
    answers("POST n2 restart", {503, "restart failed"});
    EXPECT_EQ(run("restart demo n1 n2 nosuch --force --timeout 5"), 0) << "failures of members are printed, no more";
    EXPECT_EQ(said(),
              "Success: restart on member n1\nFailed: restart for member n2, status code=503, (restart failed)\n");
    EXPECT_THAT(cluster.requests,
                ElementsAre(R"(POST n1 restart {"timeout":"5"})", R"(POST n2 restart {"timeout":"5"})"));
    EXPECT_EQ(run("restart demo n3 --force"), 0);
    EXPECT_EQ(said(), "Failed: restart for member n3, connect n3: Connection refused\n");
    EXPECT_EQ(run("restart demo nosuch --force"), 1);
    EXPECT_EQ(terminal.errors, "Error: No 'any' among provided members\n");
    EXPECT_EQ(run("restart none --force"), 1);
    EXPECT_EQ(terminal.errors, "Error: none cluster doesn't have any members\n");
}

TEST_F(Commands, RestartAsksAndFilters) {
    answers("POST n2 restart", {202, "Restart scheduled"});
    EXPECT_EQ(run("restart demo -r replica --pending", {"now", "y", "15.9"}), 0) << terminal.errors;
    EXPECT_EQ(said(),
              "When should the restart take place (e.g. 2026-03-04T06:00)  [now]: now\n"
              "Are you sure you want to restart members n2? [y/N]: y\n"
              "Restart if the PostgreSQL version is less than provided (e.g. 9.5.2)  []: 15.9\n"
              "Success: restart scheduled on member n2\n");
    EXPECT_THAT(cluster.requests, ElementsAre(R"(POST n2 restart {"restart_pending":true,"postgres_version":"15.9"})"));
    EXPECT_EQ(run("restart demo n1", {"now", "no"}), 1);
    EXPECT_EQ(terminal.errors, "Error: Aborted restart\n");
    EXPECT_EQ(run("restart demo n1 --scheduled 2026-05-01T10:00Z", {"no"}), 1);
    EXPECT_THAT(terminal.output,
                HasSubstr("Are you sure you want to schedule restart of members n1 at 2026-05-01 10:00:00+00:00?"));
    EXPECT_EQ(terminal.errors, "Error: Aborted scheduled restart\n");
    EXPECT_EQ(run("restart demo n1 --pg-version x --force"), 1);
    answers("POST n1 restart", {409, "Another restart is already scheduled"});
    EXPECT_EQ(run("restart demo n1 --force"), 0);
    EXPECT_EQ(said(), "Failed: another restart is already scheduled on member n1\n");
    EXPECT_EQ(run("restart demo --any --force"), 0);
    EXPECT_EQ(cluster.requests.size(), 1u);
}

TEST_F(Commands, AForcedScheduleReplacesTheOneBefore) {
    cluster.keys["/service/demo/members/n2"] =
        R"({"api_url":"http://n2:8008/patroni","scheduled_restart":{"schedule":"x"}})";
    answers("DELETE n2 restart", {200, "scheduled restart deleted"});
    answers("POST n2 restart", {202, ""});
    EXPECT_EQ(run("restart demo n2 --scheduled 2026-05-01T10:00Z --force"), 0);
    EXPECT_THAT(cluster.requests,
                ElementsAre("DELETE n2 restart", R"(POST n2 restart {"schedule":"2026-05-01T10:00:00+00:00"})"));
    cluster.keys["/service/demo/config"] = R"({"pause":"on"})";
    EXPECT_EQ(run("restart demo n2 --scheduled 2026-05-01T10:00Z --force"), 1);
    EXPECT_EQ(terminal.errors, "Error: Can't schedule restart in the paused state\n");
}

TEST_F(Commands, ReloadTellsWhatEachMemberSays) {
    answers("POST n1 reload", {202, "reload scheduled"});
    answers("POST n2 reload", {200, ""});
    answers("POST n3 reload", {500, "oh"});
    EXPECT_EQ(run("reload demo", {"y"}), 0);
    EXPECT_EQ(said(),
              "Are you sure you want to reload members n1, n2, n3? [y/N]: y\n"
              "Reload request received for member n1 and will be processed within 2 seconds\n"
              "No changes to apply on member n2\n"
              "Failed: reload for member n3, status code=500, (oh)\n");
}

TEST_F(Commands, ReinitAsksWhomAndWaits) {
    answers("POST n2 reinitialize", {503, "restart already in progress"});
    answers("POST n2 reinitialize", {200, "reinitialize started"});
    answers("GET n2 patroni", {503, R"({"state":"creating replica"})"});
    answers("GET n2 patroni", {200, R"({"state":"running"})"});
    EXPECT_EQ(run("reinit demo --wait --from-leader", {"n2", "y", "y"}), 0) << terminal.errors;
    EXPECT_EQ(said(),
              "Which member do you want to reinitialize [n2, n3]? []: n2\n"
              "Are you sure you want to reinitialize members n2? [y/N]: y\n"
              "Failed: reinitialize for member n2, status code=503, (restart already in progress)\n"
              "Do you want to cancel it and reinitialize anyway? [y/N]: y\n"
              "Success: reinitialize for member n2\n"
              "Waiting for reinitialize to complete on: n2\n"
              "Reinitialize is completed on: n2\n");
    EXPECT_EQ(cluster.sleeps, 2);
    EXPECT_THAT(cluster.requests, ElementsAre(R"(POST n2 reinitialize {"force":false,"from_leader":true})",
                                              R"(POST n2 reinitialize {"force":true,"from_leader":true})",
                                              "GET n2 patroni", "GET n2 patroni"));
    EXPECT_EQ(run("reinit demo", {"n1"}), 1);
    EXPECT_EQ(terminal.errors, "Error: n1 is not a member of cluster\n");
    EXPECT_EQ(run("reinit demo n1 --force"), 1);
    EXPECT_EQ(terminal.errors, "Error: No 'replica' among provided members\n");
    EXPECT_EQ(run("reinit demo n2", {"n"}), 1);
    EXPECT_EQ(terminal.errors, "Error: Aborted reinitialize\n");
}

TEST_F(Commands, PauseAsksTheLeaderFirst) {
    answers("PATCH n2 config", {200, "{}"});
    EXPECT_EQ(run("pause demo"), 0);
    EXPECT_THAT(cluster.requests,
                ElementsAre(R"(PATCH n1 config {"pause":true})", R"(PATCH n2 config {"pause":true})"));
    EXPECT_EQ(said(), "Success: cluster management is paused\n");
    EXPECT_THAT(terminal.errors, HasSubstr("Member n1 is not accessible"));
    EXPECT_EQ(run("pause demo"), 1);
    EXPECT_EQ(terminal.errors.substr(terminal.errors.rfind("Error")),
              "Error: Can not find accessible cluster member\n");
    EXPECT_EQ(run("resume demo"), 1);
    EXPECT_EQ(terminal.errors, "Error: Cluster is not paused\n");
    cluster.keys["/service/demo/config"] = R"({"pause":true,"loop_wait":2})";
    EXPECT_EQ(run("pause demo"), 1);
    EXPECT_EQ(terminal.errors, "Error: Cluster is already paused\n");
    answers("PATCH n1 config", {200, "{}"});
    EXPECT_EQ(run("resume demo"), 0);
    EXPECT_EQ(said(), "Success: cluster management is resumed\n");
}

TEST_F(Commands, PauseWaitsUntilAllMembersHaveSeenIt) {
    const auto see = [](testing::MadeUpCluster& c, const char* name) {
        auto& value = c.keys[std::string("/service/demo/members/") + name];
        value.insert(1, R"("pause":true,)");
    };
    cluster.while_sleeping = [&](testing::MadeUpCluster& c) {
        if (c.sleeps == 1) see(c, "n1"), see(c, "n2");
        if (c.sleeps == 2) see(c, "n3");
    };
    answers("PATCH n1 config", {200, "{}"});
    EXPECT_EQ(run("pause demo --wait"), 0);
    EXPECT_EQ(
        said(),
        "'pause' request sent, waiting until it is recognized by all nodes\nSuccess: cluster management is paused\n");
    cluster.while_sleeping = [](testing::MadeUpCluster&) {};
    cluster.keys["/service/demo/config"] = R"({"pause":true,"loop_wait":2})";
    answers("PATCH n1 config", {200, "{}"});
    EXPECT_EQ(run("resume demo --wait"), 0);
    EXPECT_THAT(said(), EndsWith("n1, n2, n3 members didn't recognized pause state after 2 seconds\n"));
}

TEST_F(Commands, FlushDropsWhatWasScheduled) {
    EXPECT_EQ(run("flush demo switchover"), 0);
    EXPECT_EQ(terminal.output, "No pending scheduled switchover\n");
    cluster.keys["/service/demo/failover"] = R"({"leader":"n1","scheduled_at":"2026-05-01T10:00:00+00:00"})";
    answers("DELETE n1 switchover", {200, "scheduled switchover deleted"});
    EXPECT_EQ(run("flush demo switchover"), 0);
    EXPECT_EQ(terminal.output, "Success: scheduled switchover deleted\n");
    EXPECT_EQ(run("flush demo switchover"), 0);
    EXPECT_THAT(terminal.output, EndsWith("Could not find any accessible member of cluster demo\n"));
    EXPECT_THAT(cluster.writes, ElementsAre("failover@7={}"));
    EXPECT_EQ(run("flush demo n1 restart --force"), 0);
    EXPECT_EQ(said(), "No scheduled restart for member n1\n");
}

TEST_F(Commands, RemoveAsksThreeTimes) {
    EXPECT_EQ(run("remove demo", {"other"}), 1);
    EXPECT_EQ(terminal.errors, "Error: Cluster names specified do not match\n");
    EXPECT_EQ(run("remove demo", {"demo", "yes"}), 1);
    EXPECT_EQ(terminal.errors, "Error: You did not exactly type \"Yes I am aware\"\n");
    EXPECT_EQ(run("remove demo", {"demo", "Yes I am aware", "n2"}), 1);
    EXPECT_EQ(terminal.errors, "Error: You did not specify the current leader of the cluster\n");
    EXPECT_THAT(cluster.keys, Not(IsEmpty()));
    cluster.keys["/service/demo2/leader"] = "x";
    EXPECT_EQ(run("remove demo", {"demo", "Yes I am aware", "n1"}), 0);
    EXPECT_EQ(cluster.keys, (std::map<std::string, std::string>{{"/service/demo2/leader", "x"}}));
}

TEST_F(Commands, QueryRunsOnTheChosenMember) {
    const auto rows = [](std::vector<std::vector<boost::json::value>> values) {
        return SqlRows{{"a", "b"}, std::move(values)};
    };
    const auto in_recovery = [](bool yes) { return SqlRows{{"pg_is_in_recovery"}, {{boost::json::value(yes)}}}; };
    const std::string ask = " SELECT pg_catalog.pg_is_in_recovery()";
    cluster.sql["10.0.0.1 S"] = rows({{1, "x"}, {nullptr, true}});
    cluster.sql["10.0.0.2 S"] = rows({{2, "y"}});
    cluster.sql["10.0.0.1" + ask] = in_recovery(false);
    cluster.sql["10.0.0.2" + ask] = in_recovery(true);
    EXPECT_EQ(run("query demo -c S"), 0);
    EXPECT_EQ(terminal.output, "a\tb\n1\tx\nNone\tTrue\n");
    EXPECT_EQ(run("query demo -c S --format json --username u --password -d db", {"secret"}), 0);
    EXPECT_THAT(terminal.output, EndsWith("[{\"a\": 1, \"b\": \"x\"}, {\"a\": null, \"b\": true}]\n"));
    EXPECT_EQ(cluster.logins.back(), "u:secret@10.0.0.1:5432/db");
    EXPECT_EQ(run("query demo -c S -m n2 --delimiter ;"), 0);
    EXPECT_EQ(terminal.output, "a;b\n2;y\n");
    EXPECT_EQ(run("query demo -c S -r replica"), 0);
    EXPECT_EQ(terminal.output, "a\tb\n2\ty\n");
    EXPECT_EQ(run("query demo -c wrong"), 0);
    EXPECT_EQ(terminal.output, "2026-03-04 05:00:00\tERROR, SQLSTATE: 42601\n");
    cluster.no_sql = {"10.0.0.1"};
    EXPECT_EQ(run("query demo -c S"), 0);
    EXPECT_EQ(terminal.output, "2026-03-04 05:00:00\tNo connection to role 'leader' is available\n");
    EXPECT_EQ(run("query demo -c S -m n1 --format json"), 0);
    EXPECT_EQ(terminal.output, "[{}]\n");
    EXPECT_THAT(terminal.errors, EndsWith("2026-03-04 05:00:00 No connection to member n1 is available\n"));
    cluster.no_sql = {};
    cluster.sql["10.0.0.1" + ask] = in_recovery(true);
    EXPECT_EQ(run("query demo -c S -r primary"), 0);
    EXPECT_THAT(terminal.output, HasSubstr("No connection to role 'primary' is available"));
    EXPECT_EQ(run("query demo"), 1);
    EXPECT_EQ(run("query demo -c S -f x"), 1);
    EXPECT_EQ(run("query demo -c S -m x -r any"), 1);
}

TEST_F(Commands, CitusClustersAreListedByGroup) {
    cluster.keys = {{"/service/c/0/leader", "a"}, {"/service/c/0/members/a", "{}"}, {"/service/c/1/members/b", "{}"}};
    variables = {{"PATRONI_CITUS_GROUP", "0"}, {"PATRONI_CITUS_DATABASE", "d"}, {"PATRONI_SCOPE", "c"}};
    EXPECT_EQ(run("list -f tsv"), 0);
    EXPECT_THAT(terminal.output, HasSubstr("Cluster\tGroup\tMember"));
    EXPECT_THAT(terminal.output, HasSubstr("\nc\t0\ta\t"));
    EXPECT_THAT(terminal.output, HasSubstr("\nc\t1\tb\t"));
    EXPECT_EQ(run("list --group 1"), 0);
    EXPECT_THAT(terminal.output, HasSubstr("+ Citus cluster: c (group: 1, uninitialized) "));
    EXPECT_EQ(run("switchover --force"), 1);
    EXPECT_EQ(terminal.errors, "Error: For Citus clusters the --group must me specified\n");
}

}  // namespace
}  // namespace castle::ctl
