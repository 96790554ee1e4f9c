#include "node/member_config.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/dynamic.hpp"
#include "config/local.hpp"
#include "config/yaml.hpp"

namespace castle::node {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

Plan some_plan() {
    return {.dir = "/home/me/my castle",
            .postgres_bin = "/usr/lib/postgresql/15/bin",
            .postgres_major = 15,
            .etcd = "/usr/bin/etcd",
            .passwords = {"pwsuper", "pwrepl", "pwrewind", "pwrest", "pwetcd"}};
}

config::Local read(const std::string& text) {
    auto document = config::Document{};
    auto parsed = config::parse_yaml(text, "patroni.yml");
    EXPECT_TRUE(parsed) << parsed.error().message;
    if (parsed) document = *std::move(parsed);
    return config::read_local(std::move(document));
}

TEST(MemberConfig, IsReadWithoutAMistakeAndAnAgentCanStartWithIt) {
    const Plan plan = some_plan();
    const config::Local local = read(member_config(plan, plan.member(2)));
    std::vector<std::string> mistakes;
    for (const auto& each : local.document.mistakes) mistakes.push_back(each.text());
    EXPECT_THAT(mistakes, IsEmpty());
    const Status startable = config::check_startable(local);
    EXPECT_TRUE(startable) << startable.error().message;
    EXPECT_EQ(local.name, "n2");
    EXPECT_EQ(local.scope, "castle");
    EXPECT_EQ(local.restapi.listen.port, 15522);
    EXPECT_EQ(local.restapi.authentication->password, "pwrest");
    EXPECT_EQ(local.castle.fence_dir, "/home/me/my castle/fence");
    EXPECT_EQ(local.watchdog.mode, config::Watchdog::Mode::off);
    ASSERT_TRUE(local.store);
    EXPECT_EQ(local.store->username, "root");
}

TEST(MemberConfig, ItsTimesFitTogetherWithoutBeingRepaired) {
    const Plan plan = some_plan();
    const config::Local local = read(member_config(plan, plan.member(1)));
    const auto& dcs = local.bootstrap.dcs;
    const auto ttl = dcs.at("ttl").as_int64();
    EXPECT_LE(dcs.at("loop_wait").as_int64() + 2 * dcs.at("retry_timeout").as_int64(), ttl);
}

TEST(MemberConfig, ListensOnTheLoopbackAddressOnlyAndTrustsNobody) {
    const Plan plan = some_plan();
    for (const MemberPlan& each : plan.members()) {
        const std::string text = member_config(plan, each);
        EXPECT_EQ(text.find("trust"), std::string::npos);
        EXPECT_EQ(text.find("0.0.0.0"), std::string::npos);
        EXPECT_THAT(text, HasSubstr("listen: 127.0.0.1:" + std::to_string(each.postgres_port)));
    }
}

TEST(MemberConfig, CommandLineConfigurationIsReadWithoutAMistake) {
    const config::Local local = read(ctl_config(some_plan()));
    EXPECT_THAT(local.document.mistakes, IsEmpty());
    EXPECT_EQ(local.ctl.authentication->password, "pwrest");
    EXPECT_TRUE(local.store);
}

TEST(MemberConfig, PasswordFileHasALineForEachMember) {
    EXPECT_EQ(pgpass_text(some_plan()),
              "127.0.0.1:15501:*:postgres:pwsuper\n127.0.0.1:15502:*:postgres:pwsuper\n"
              "127.0.0.1:15503:*:postgres:pwsuper\n");
}

}  // namespace
}  // namespace castle::node
