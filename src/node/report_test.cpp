#include "node/report.hpp"

#include <gtest/gtest.h>

namespace castle::node {
namespace {

TEST(Report, ComesBackFromItsLine) {
    const Report report{
        .supervisor = 17,
        .stopping = true,
        .doing = "stopping \"etcd\"\n",
        .parts = {{.name = "etcd", .state = PartState::running, .pid = 18},
                  {.name = "n1", .state = PartState::restarting, .restarts = 2, .last_end = "exit status 1"},
                  {.name = "n2"}}};
    const std::string line = report.to_line();
    EXPECT_EQ(line.find('\n'), std::string::npos);
    const auto again = Report::from_line(line);
    ASSERT_TRUE(again) << again.error().message;
    EXPECT_EQ(*again, report);
}

TEST(Report, GarbageIsAnError) {
    for (const char* line : {"", "x", "[]", "{}", R"({"supervisor":1,"stopping":0})"})
        EXPECT_FALSE(Report::from_line(line));
}

}  // namespace
}  // namespace castle::node
