#include "config/yaml_text.hpp"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "config/yaml.hpp"

namespace castle::config {
namespace {

std::string yaml_of(const char* json) {
    return yaml_text(boost::json::parse(json));
}

TEST(YamlText, IsWrittenAsPyYamlWritesIt) {  // each expected text was made by PyYAML 6.0
    struct Row {
        const char* json;
        const char* yaml;
    };
    const Row rows[] = {
        {R"({})", "{}\n"},
        {R"({"b":1,"a":{"d":true,"c":null}})", "a:\n  c: null\n  d: true\nb: 1\n"},
        {R"({"l":[1,[2,3],{"b":1,"a":2},[],{}]})", "l:\n- 1\n- - 2\n  - 3\n- a: 2\n  b: 1\n- []\n- {}\n"},
        {R"({"a":"on","b":"5","c":"","d":"a: b","e":"- x","f":"x # y","g":"2024-01-01","h":"~"})",
         "a: 'on'\nb: '5'\nc: ''\nd: 'a: b'\ne: '- x'\nf: 'x # y'\ng: '2024-01-01'\nh: '~'\n"},
        {R"({"a":"it's","b":"'q'","c":"a:b","d":"tab\there","e":"two\nlines","f":" lead","g":"\u00e4"})",
         "a: it's\nb: '''q'''\nc: a:b\nd: \"tab\\there\"\ne: 'two\n\n  lines'\nf: ' lead'\ng: \xc3\xa4\n"},
        {R"({"a":1.5,"b":1e20,"c":1e-7,"d":100.0})", "a: 1.5\nb: 1.0e+20\nc: 1.0e-07\nd: 100.0\n"},
        {R"({"5":1,"yes":2,"a b":3})", "'5': 1\na b: 3\n'yes': 2\n"},
    };
    for (const Row& row : rows) EXPECT_EQ(yaml_of(row.json), row.yaml) << row.json;
}

TEST(YamlText, LongTextIsFoldedAtABlank) {
    std::string words;
    for (int i = 0; i < 60; ++i) words += (i ? " word" : "word");
    const std::string yaml = yaml_text(boost::json::value{{"k", words}});
    const auto newline = yaml.find('\n');
    EXPECT_GE(newline, 200u);
    EXPECT_EQ(yaml.substr(newline + 1, 6), "  word");
    EXPECT_EQ(parse_yaml_value(yaml)->at("k").as_string(), words);
}

TEST(YamlText, FlowIsOneLine) {
    EXPECT_EQ(yaml_flow_text(boost::json::parse(R"({"zone":"eu","failover_priority":1,"x":[1,"a, b"]})")),
              "{failover_priority: 1, x: [1, 'a, b'], zone: eu}");
}

}  // namespace
}  // namespace castle::config
