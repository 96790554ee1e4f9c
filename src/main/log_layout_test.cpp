#include "main/log_layout.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <ctime>

namespace castle {
namespace {

const LogRecord record{ports::Level::warning, "no action. I am (n1), the leader with the lock",
                       WallTime{std::chrono::microseconds{1'700'000'000'123'456}}, 42};

struct LogLayout : ::testing::Test {
    void SetUp() override {
        setenv("TZ", "UTC", 1);
        tzset();
    }
    config::Log settings;
};

TEST_F(LogLayout, TheLevelStandsAtColumn24) {
    const std::string line = lay_out(settings, record);
    EXPECT_EQ(line, "2023-11-14 22:13:20,123 WARNING: no action. I am (n1), the leader with the lock");
    EXPECT_EQ(line.substr(24, 7), "WARNING");
}

TEST_F(LogLayout, PythonsFieldsAndWidthsAreUnderstood) {
    settings.format = "%(levelname)-9s|%(process)5d|%(name)s|100%%|%(nosuch)s %(message)s";
    EXPECT_EQ(lay_out(settings, record),
              "WARNING  |   42|pgcastle|100%|%(nosuch)s no action. I am (n1), the leader with the lock");
    settings.format = "%(asctime)s";
    settings.dateformat = "%H.%M";
    EXPECT_EQ(lay_out(settings, record), "22.13");
    settings.format = "%(unclosed";
    EXPECT_EQ(lay_out(settings, record), "%(unclosed");
}

TEST_F(LogLayout, ALineStaysALineAndUtf8) {
    LogRecord broken = record;
    broken.message = "a\nb\xff \xc3\xa9\x01";
    settings.format = "%(message)s";
    EXPECT_EQ(lay_out(settings, broken), "a | b? \xc3\xa9 ");
}

TEST_F(LogLayout, JsonHasTheFieldsAskedFor) {
    settings.type = config::Log::Type::json;
    settings.static_fields = {{"app", "db"}};
    EXPECT_EQ(
        lay_out(settings, record),
        R"({"asctime":"2023-11-14 22:13:20,123","levelname":"WARNING","message":"no action. I am (n1), the leader with the lock","app":"db"})");
    settings.format_fields = {"message", {{"levelname", "severity"}}};
    EXPECT_EQ(lay_out(settings, record),
              R"({"message":"no action. I am (n1), the leader with the lock","severity":"WARNING","app":"db"})");
}

}  // namespace
}  // namespace castle
