#include "config/tags.hpp"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

namespace castle::config {
namespace {

Tags tags_of(const char* json) {
    return read_tags(boost::json::parse(json).as_object());
}

TEST(Tags, FailoverPriorityAndNofailover) {
    struct Row {
        const char* json;
        bool nofailover;
        int priority;
        const char* warning;
    };
    const Row rows[] = {
        {R"({})", false, 1, ""},
        {R"({"nofailover":true})", true, 0, ""},
        {R"({"nofailover":"true"})", true, 0, ""},
        {R"({"nofailover":"false"})", false, 1, ""},
        {R"({"failover_priority":"2"})", false, 2, ""},
        {R"({"failover_priority":0})", true, 0, ""},
        {R"({"failover_priority":-1})", true, 0, ""},
        {R"({"failover_priority":"x"})", false, 1, ""},
        {R"({"nofailover":true,"failover_priority":0})", true, 0, ""},
        {R"({"nofailover":false,"failover_priority":3})", false, 3, ""},
        {R"({"nofailover":true,"failover_priority":1})", true, 0,
         "Conflicting configuration between nofailover: True and failover_priority: 1. Defaulting to nofailover: True"},
        {R"({"nofailover":false,"failover_priority":0})", false, 1,
         "Conflicting configuration between nofailover: False and failover_priority: 0. Defaulting to nofailover: "
         "False"},
    };
    for (const Row& row : rows) {
        SCOPED_TRACE(row.json);
        const Tags tags = tags_of(row.json);
        EXPECT_EQ(tags.nofailover, row.nofailover);
        EXPECT_EQ(tags.failover_priority, row.priority);
        EXPECT_EQ(tags.warnings.empty() ? "" : tags.warnings[0], row.warning);
    }
    EXPECT_EQ(tags_of(R"({"nosync":"true","sync_priority":"2"})").warnings[0],
              "Conflicting configuration between nosync: true and sync_priority: 2. Defaulting to nosync: true");
}

TEST(Tags, AreShownAsWritten) {
    struct Row {
        const char* json;
        const char* shown;
    };
    const Row rows[] = {
        {R"({"nosync":true,"sync_priority":"2"})", R"({"nosync":true,"sync_priority":"2"})"},
        {R"({"clonefrom":false,"nofailover":false,"noloadbalance":"false","zone":false})", R"({"zone":false})"},
        {R"({"nofailover":false,"failover_priority":"1"})", R"({"nofailover":false,"failover_priority":"1"})"},
        {R"({"nostream":"true","replicatefrom":"n1"})", R"({"nostream":"true","replicatefrom":"n1"})"},
    };
    for (const Row& row : rows) EXPECT_EQ(boost::json::serialize(tags_of(row.json).shown), row.shown);
    EXPECT_TRUE(tags_of(R"({"nostream":"true"})").nostream);
}

}  // namespace
}  // namespace castle::config
