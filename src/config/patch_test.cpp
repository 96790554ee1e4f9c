#include "config/patch.hpp"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

namespace castle::config {
namespace {

TEST(Patch, EveryRuleOfTheContract) {
    struct Row {
        const char* rule;
        const char* target;
        const char* changes;
        const char* result;
        bool changed;
    };
    const Row rows[] = {
        {"a new key", R"({"a":1})", R"({"b":2})", R"({"a":1,"b":2})", true},
        {"null deletes and keeps the order", R"({"a":1,"b":2,"c":3})", R"({"a":null})", R"({"b":2,"c":3})", true},
        {"null of what is not there", R"({"a":1})", R"({"b":null})", R"({"a":1})", false},
        {"object into object", R"({"a":{"b":1,"c":2}})", R"({"a":{"b":3}})", R"({"a":{"b":3,"c":2}})", true},
        {"object over scalar", R"({"a":1})", R"({"a":{"b":1}})", R"({"a":{"b":1}})", true},
        {"scalar over object", R"({"a":{"b":1}})", R"({"a":1})", R"({"a":1})", true},
        {"same text is no change", R"({"a":1})", R"({"a":"1"})", R"({"a":1})", false},
        {"a boolean is not its JSON text", R"({"a":true})", R"({"a":"true"})", R"({"a":"true"})", true},
        {"lists are replaced", R"({"a":[1,2]})", R"({"a":[1]})", R"({"a":[1]})", true},
        {"equal lists", R"({"a":[1,{"b":2}]})", R"({"a":[1,{"b":2}]})", R"({"a":[1,{"b":2}]})", false},
        {"nulls inside a new object stay", R"({})", R"({"slots":{"s":null}})", R"({"slots":{"s":null}})", true},
        {"deep deletion", R"({"a":{"b":{"c":1}}})", R"({"a":{"b":{"c":null}}})", R"({"a":{"b":{}}})", true},
    };
    for (const Row& row : rows) {
        SCOPED_TRACE(row.rule);
        auto target = boost::json::parse(row.target).as_object();
        EXPECT_EQ(patch(target, boost::json::parse(row.changes).as_object()), row.changed);
        EXPECT_EQ(boost::json::serialize(target), row.result);
    }
}

}  // namespace
}  // namespace castle::config
