#include "config/units.hpp"

#include <gtest/gtest.h>

namespace castle::config {
namespace {

TEST(Units, WholeNumbersReadAsPostgresqlReadsThem) {
    struct Row {
        std::string_view text, unit;
        std::optional<std::int64_t> expected;
    };
    const Row rows[] = {
        {"10", "", 10},
        {" 10 ", "", 10},
        {"+10", "", 10},
        {"-1", "B", -1},
        {"0x1F", "", 31},
        {"-0x1f", "", -31},
        {"017", "", 15},
        {"0", "", 0},
        {"08", "", {}},
        {"1.5", "", 2},
        {"2.5", "", 2},
        {"1e3", "", 1000},
        {"", "", {}},
        {"kB", "kB", {}},
        {"ten", "", {}},
        {"10 ", "s", 10},
        {"1MB", "B", 1048576},
        {"1 MB", "kB", 1024},
        {"1mB", "kB", {}},
        {"1MB", "", {}},
        {"1s", "kB", {}},
        {"1MB", "s", {}},
        {"16MB", "MB", 16},
        {"128MB", "8kB", 16384},
        {"1.5GB", "MB", 1536},
        {"30.1GB", "MB", 30822},
        {"1TB", "GB", 1024},
        {"90s", "min", 2},
        {"1d", "s", 86400},
        {"1h", "min", 60},
        {"5min", "s", 300},
        {"1500ms", "s", 2},
        {"1000000us", "s", 1},
        {"9223372036854775807", "", 9223372036854775807},
        {"99999999999999999999", "", {}},
        {"1e400", "", {}},
    };
    for (const Row& row : rows) {
        SCOPED_TRACE(std::string(row.text) + " in " + std::string(row.unit));
        EXPECT_EQ(parse_int(row.text, row.unit), row.expected);
    }
}

TEST(Units, BooleansAreEightWordsInAnyCase) {
    for (const char* word : {"on", "ON", "true", "True", "yes", "1"}) EXPECT_EQ(parse_bool(word), true) << word;
    for (const char* word : {"off", "Off", "false", "no", "NO", "0"}) EXPECT_EQ(parse_bool(word), false) << word;
    for (const char* word : {"", "o", "t", "maybe", "2"}) EXPECT_EQ(parse_bool(word), std::nullopt) << word;
    EXPECT_EQ(bool_of(boost::json::value(1)), true);
    EXPECT_EQ(bool_of(boost::json::value(nullptr)), std::nullopt);
    EXPECT_EQ(int_of(boost::json::value(true)), std::nullopt);
}

TEST(Units, NumbersAreWrittenShortly) {
    EXPECT_EQ(real_text(0.9), "0.9");
    EXPECT_EQ(real_text(2), "2.0");
    EXPECT_EQ(real_text(1e-5), "1e-05");
    EXPECT_EQ(real_text(123456.75), "123456.75");
    EXPECT_EQ(python_text_of(boost::json::value(true)), "True");
    EXPECT_EQ(text_of(boost::json::value(true)), "true");
    EXPECT_EQ(text_of(boost::json::value("a b")), "a b");
}

}  // namespace
}  // namespace castle::config
