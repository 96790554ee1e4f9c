#include "ctl/text_table.hpp"

#include <gtest/gtest.h>

namespace castle::ctl {
namespace {

TEST(TextTable, ATitleStandsOverTheTopRule) {
    EXPECT_EQ(draw({" Cluster: demo ", {"Member", "Longer column"}, {Align::left, Align::right}, {{"n1", "5"}}}),
              "+ Cluster: demo ---------+\n"
              "| Member | Longer column |\n"
              "+--------+---------------+\n"
              "| n1     |             5 |\n"
              "+--------+---------------+\n");
}

TEST(TextTable, ATitleThatIsTooLongIsCut) {
    EXPECT_EQ(draw({" Cluster: demo ", {"TL"}, {}, {}}), "+ Clu+\n| TL |\n+----+\n+----+\n");
}

TEST(TextTable, LinesInACellMakeRulesBetweenRows) {
    EXPECT_EQ(draw({"", {"A", "B"}, {}, {{"x", "1\n2"}, {"\xc3\xa4", ""}}}),
              "+---+---+\n| A | B |\n+---+---+\n| x | 1 |\n|   | 2 |\n+---+---+\n| \xc3\xa4 |   |\n+---+---+\n");
}

}  // namespace
}  // namespace castle::ctl
