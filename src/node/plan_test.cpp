#include "node/plan.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "postgres/conninfo.hpp"

namespace castle::node {
namespace {

using ::testing::HasSubstr;

Plan some_plan() {
    return {.dir = "/tmp/castle",
            .nodes = 3,
            .port_base = 15500,
            .postgres_bin = "/usr/lib/postgresql/15/bin",
            .postgres_major = 15,
            .etcd = "/usr/bin/etcd",
            .passwords = {"a", "b", "c", "d", "e"}};
}

TEST(Plan, ComesBackFromItsFile) {
    const Plan plan = some_plan();
    const auto again = Plan::from_json(plan.to_json(), "/somewhere/else");
    ASSERT_TRUE(again) << again.error().message;
    EXPECT_EQ(again->dir, "/somewhere/else");
    EXPECT_EQ(again->passwords, plan.passwords);
    EXPECT_EQ(again->to_json(), plan.to_json());
}

TEST(Plan, SaysWhatIsWrongWithItsFile) {
    struct Row {
        std::string_view text, says;
    };
    const Row rows[] = {
        {"", "not readable as JSON"},
        {"[]", "not readable as JSON"},
        {"{}", "\"format\" is missing"},
        {R"({"format":2})", "another version of pgcastle"},
        {R"({"format":1,"scope":"castle","nodes":3,"port_base":1,"postgres_bin":"/b","postgres_major":15,"etcd":"e"})",
         "\"passwords\" is missing"},
    };
    for (const Row& row : rows) {
        const auto plan = Plan::from_json(row.text, "/tmp/d");
        ASSERT_FALSE(plan) << row.text;
        EXPECT_THAT(plan.error().message, HasSubstr("/tmp/d/castle.json: "));
        EXPECT_THAT(plan.error().message, HasSubstr(row.says));
    }
}

TEST(Plan, HasADifferentPortForEverything) {
    Plan plan = some_plan();
    plan.nodes = nodes_max;
    std::set<int> ports;
    for (const Plan::Port& each : plan.ports()) ports.insert(each.number);
    EXPECT_EQ(ports.size(), plan.ports().size());
    EXPECT_EQ(ports.size(), 2u * nodes_max + 2);
    EXPECT_EQ(plan.member(2).postgres_port, 15502);
    EXPECT_EQ(plan.member(2).rest_port, 15522);
}

TEST(Plan, ConnectionStringNamesAllMembers) {
    Plan plan = some_plan();
    plan.dir = "/home/o'neil/my castle";
    const auto read = postgres::parse_conninfo(plan.connection_string());
    ASSERT_TRUE(read);
    EXPECT_EQ(read->at("host"), "127.0.0.1,127.0.0.1,127.0.0.1");
    EXPECT_EQ(read->at("port"), "15501,15502,15503");
    EXPECT_EQ(read->at("target_session_attrs"), "read-write");
    EXPECT_EQ(read->at("passfile"), plan.dir + "/pgpass");
}

TEST(Plan, NeverShowsAPasswordInTheConnectionString) {
    Plan plan = some_plan();
    plan.passwords.superuser = "verysecret";
    EXPECT_EQ(plan.connection_string().find("verysecret"), std::string::npos);
}

TEST(Plan, RefusesDirectoriesThatSomethingCannotUse) {
    EXPECT_TRUE(check_directory_name("/var/lib/pgcastle/local"));
    EXPECT_TRUE(check_directory_name("/home/me/with blank"));
    EXPECT_TRUE(check_directory_name("/" + std::string(88, 'x')));
    for (const std::string& dir :
         {"/" + std::string(89, 'x'), std::string("/tmp/a,b"), std::string("/tmp/a'b"), std::string("/tmp/a\nb")}) {
        const auto checked = check_directory_name(dir);
        ASSERT_FALSE(checked) << dir;
        EXPECT_THAT(checked.error().message, HasSubstr("--dir"));
    }
}

TEST(Plan, UsualDirectoryIsOneThatTheServersUserCanEnter) {
    EXPECT_EQ(default_directory(true, "/root"), "/var/lib/pgcastle/local");
    EXPECT_EQ(default_directory(false, "/home/me"), "/home/me/.pgcastle/local");
}

}  // namespace
}  // namespace castle::node
