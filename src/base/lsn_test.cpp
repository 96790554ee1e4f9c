#include "base/lsn.hpp"

#include <gtest/gtest.h>

namespace castle {
namespace {

TEST(Lsn, ReadsAndPrintsAsPostgresqlDoes) {
    for (const char* text : {"0/0", "0/3000148", "16/B374D848", "FFFFFFFF/FFFFFFFF"}) {
        const auto lsn = Lsn::parse(text);
        ASSERT_TRUE(lsn) << text;
        EXPECT_EQ(lsn->text(), text);
    }
    EXPECT_EQ(Lsn::parse("1/10")->offset(), 0x100000010U);
}

TEST(Lsn, RefusesWhatIsNotAPosition) {
    for (const char* text : {"", "/", "1", "1/", "/1", "g/1", "1/1 ", "-1/1", "100000000/0", "1/2/3"})
        EXPECT_FALSE(Lsn::parse(text)) << text;
}

TEST(Lsn, WhoIsInFrontLagsByNothing) {
    EXPECT_EQ(lag_bytes(Lsn{10}, Lsn{4}), 6U);
    EXPECT_EQ(lag_bytes(Lsn{4}, Lsn{10}), 0U);
}

}  // namespace
}  // namespace castle
