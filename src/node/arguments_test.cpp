#include "node/arguments.hpp"

#include <gtest/gtest.h>

namespace castle::node {
namespace {

TEST(Arguments, AreReadAndDirectoriesMadeAbsolute) {
    const auto read = read_up({"--nodes", "5", "--dir", "/tmp/a/../b/", "--port-base", "17000", "--foreground"});
    const auto* options = std::get_if<UpOptions>(&read);
    ASSERT_TRUE(options);
    EXPECT_EQ(options->nodes, 5);
    EXPECT_EQ(options->dir, "/tmp/b");
    EXPECT_EQ(options->port_base, 17000);
    EXPECT_TRUE(options->foreground);
}

TEST(Arguments, WithoutADirectoryItIsTheUsualOne) {
    const auto read = read_status({});
    const auto* options = std::get_if<PlaceOptions>(&read);
    ASSERT_TRUE(options);
    EXPECT_TRUE(options->dir.ends_with("pgcastle/local")) << options->dir;
}

TEST(Arguments, ACommandAfterDashesKeepsItsOwnOptions) {
    const auto read = read_watch_writes({"--dir", "/d", "--", "pgcastle", "switchover", "--dir", "x", "--", "y"});
    const auto* options = std::get_if<WatchWritesOptions>(&read);
    ASSERT_TRUE(options);
    EXPECT_EQ(options->dir, "/d");
    EXPECT_EQ(options->command, (std::vector<std::string>{"pgcastle", "switchover", "--dir", "x", "--", "y"}));
}

TEST(Arguments, WrongOnesEndWithStatusTwoAndHelpWithZero) {
    ::testing::internal::CaptureStdout();
    ::testing::internal::CaptureStderr();
    EXPECT_EQ(std::get<int>(read_up({"--node", "3"})), 2);
    EXPECT_EQ(std::get<int>(read_down({"now"})), 2);
    EXPECT_EQ(std::get<int>(read_up({"--help"})), 0);
    const std::string help = ::testing::internal::GetCapturedStdout();
    ::testing::internal::GetCapturedStderr();
    EXPECT_NE(help.find("/var/lib/pgcastle/local"), std::string::npos);
    EXPECT_NE(help.find("--postgres-bin"), std::string::npos);
}

}  // namespace
}  // namespace castle::node
