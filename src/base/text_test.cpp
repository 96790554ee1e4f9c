#include "base/text.hpp"

#include <gtest/gtest.h>

namespace castle {
namespace {

TEST(Text, NumbersAreTakenWholeOrNotAtAll) {
    EXPECT_EQ(*parse_int("-12"), -12);
    EXPECT_EQ(*parse_uint("18446744073709551615"), ~std::uint64_t{0});
    for (const char* bad : {"", " 1", "1 ", "1x", "+1", "99999999999999999999"}) EXPECT_FALSE(parse_int(bad)) << bad;
    EXPECT_FALSE(parse_uint("-1"));
}

TEST(Text, SplitKeepsEmptyPartsAndJoinUndoesIt) {
    EXPECT_TRUE(split("", ',').empty());
    for (const char* text : {"a", "a,b", "a,", ",a", ",,"}) EXPECT_EQ(join(split(text, ','), ","), text);
}

TEST(Text, TrimAndCase) {
    EXPECT_EQ(trim(" \t a b\n"), "a b");
    EXPECT_EQ(trim("  "), "");
    EXPECT_TRUE(equal_nocase("Node-A", "nODE-a"));
    EXPECT_FALSE(equal_nocase("a", "ab"));
}

TEST(Error, SaysWhatWasBeingDone) {
    EXPECT_EQ((Error{Errc::timed_out, "no answer"}.in("renew lease").message), "renew lease: no answer");
}

}  // namespace
}  // namespace castle
