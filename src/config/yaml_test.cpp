#include "config/yaml.hpp"

#include <gtest/gtest.h>

#include <boost/json/serialize.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace castle::config {
namespace {

std::string json_of(std::string_view yaml) {
    const auto document = parse_yaml(yaml, "t.yml");
    return document ? boost::json::serialize(document->data) : "error: " + document.error().message;
}

TEST(Yaml, PlainScalarsAreTypedByYaml11) {
    struct Row {
        const char* text;
        const char* json;
    };
    const Row rows[] = {
        {"on", "true"},
        {"Off", "false"},
        {"yes", "true"},
        {"NO", "false"},
        {"true", "true"},
        {"False", "false"},
        {"y", "\"y\""},
        {"oN", "\"oN\""},
        {"~", "null"},
        {"null", "null"},
        {"", "null"},
        {"0", "0"},
        {"-5", "-5"},
        {"+7", "7"},
        {"030", "24"},
        {"0o30", "\"0o30\""},
        {"08", "\"08\""},
        {"0x1F", "31"},
        {"0b101", "5"},
        {"1_000", "1000"},
        {"1:30", "90"},
        {"1:30:00", "5400"},
        {"18446674406744077370951:16", R"("18446674406744077370951:16")"},
        {"1:75", "\"1:75\""},
        {"127.0.0.1:8008", "\"127.0.0.1:8008\""},
        {"1.5", "1.5E0"},
        {".5", "5E-1"},
        {"1.", "1E0"},
        {"1.5e3", "\"1.5e3\""},
        {"1.5e+3", "1.5E3"},
        {"1e3", "\"1e3\""},
        {"10.0.0.1", "\"10.0.0.1\""},
        {"2024-01-01", "\"2024-01-01\""},
        {"9223372036854775807", "9223372036854775807"},
        {"18446744073709551615", "18446744073709551615"},
        {"'on'", "\"on\""},
        {"\"030\"", "\"030\""},
        {"!!str 5", "\"5\""},
        {"!!int '5'", "5"},
        {"-", "[null]"},
        {"a b", "\"a b\""},
        {"16MB", "\"16MB\""},
        {".", "\".\""},
        {"_1", "\"_1\""},
        {"-.5", "\"-.5\""},
        {"190:20:30.15", "6.8523015E5"},
        {"=", "\"=\""},
    };
    for (const Row& row : rows) {
        SCOPED_TRACE(row.text);
        const auto value = parse_yaml_value(row.text);
        ASSERT_TRUE(value) << value.error().message;
        EXPECT_EQ(boost::json::serialize(*value), row.json);
    }
}

TEST(Yaml, KeysKeepTheirOrderAndTheirPlace) {
    const auto document = parse_yaml("b: 1\na:\n  # a comment\n  d: x\n  c: [1,\n   2]\n", "patroni.yml");
    ASSERT_TRUE(document);
    EXPECT_EQ(boost::json::serialize(document->data), R"({"b":1,"a":{"d":"x","c":[1,2]}})");
    EXPECT_EQ(document->place_of("b").text(), "patroni.yml:1");
    EXPECT_EQ(document->place_of("a.d").text(), "patroni.yml:4");
    EXPECT_EQ(document->place_of("a.c.1").text(), "patroni.yml:6");
    EXPECT_EQ(document->place_of("a.nothing.here").text(), "patroni.yml:2") << "the nearest one above";
    EXPECT_EQ(document->place_of("nothing").text(), "patroni.yml");
}

TEST(Yaml, AnchorsAndMergesWork) {
    EXPECT_EQ(json_of("x: &x {a: 1, b: 2}\ny:\n  b: 3\n  <<: *x\n"), R"({"x":{"a":1,"b":2},"y":{"a":1,"b":3}})");
    EXPECT_EQ(json_of("x: &x {a: 1}\ny: &y {a: 2, c: 3}\nz: {<<: [*x, *y]}\n"),
              R"({"x":{"a":1},"y":{"a":2,"c":3},"z":{"a":1,"c":3}})");
    EXPECT_EQ(json_of("'<<': 1"), R"({"<<":1})") << "quoted, it is a key like any other";
    EXPECT_TRUE(json_of("<<: 5").starts_with("error: t.yml:1: \"<<\" needs a map"));
}

TEST(Yaml, AKeyGivenTwiceIsAMistakeAndTheLaterCounts) {
    const auto document = parse_yaml("a:\n  ttl: 1\n  ttl: 2\n", "t.yml");
    ASSERT_TRUE(document);
    EXPECT_EQ(boost::json::serialize(document->data), R"({"a":{"ttl":2}})");
    ASSERT_EQ(document->mistakes.size(), 1u);
    EXPECT_EQ(document->mistakes[0].text(), "t.yml:3: a.ttl  is given twice, first in line 2");
    EXPECT_FALSE(parse_yaml_value("{a: 1, a: 2}"));
}

TEST(Yaml, WhatCannotBeReadNamesItsLine) {
    EXPECT_TRUE(json_of("a: 1\nb: [1\nc: 2\n").starts_with("error: t.yml:")) << json_of("a: 1\nb: [1\nc: 2\n");
    EXPECT_EQ(json_of("a: 1\nb: !secret x\n"), "error: t.yml:2: unknown tag \"!secret\"");
    EXPECT_EQ(json_of("- 1\n"), "error: t.yml:1: must be a map of keys and values");
    EXPECT_EQ(json_of("a: 1\n---\nb: 2\n"),
              "error: t.yml: goes on after the end of its YAML document; exactly one is expected");
    // With YAML::LoadAll this never came to an end.
    EXPECT_TRUE(json_of("a: 1\n]\n").starts_with("error: t.yml")) << json_of("a: 1\n]\n");
    EXPECT_EQ(json_of("? [a]\n: 1\n"), "error: t.yml:1: a key must be a plain word");
    EXPECT_EQ(json_of(""), "{}");
    EXPECT_EQ(json_of("# nothing\n"), "{}");
}

TEST(Yaml, ADocumentWithoutEndIsRefused) {
    EXPECT_TRUE(json_of("a: &a [*a]").starts_with("error: ")) << "refers to itself";
    std::string laughs = "a: &a [x, x, x, x, x, x, x, x, x, x]\n";
    for (char c = 'b'; c < 'j'; ++c) {
        const std::string before(1, static_cast<char>(c - 1));
        laughs += std::string(1, c) + ": &" + c + " [";
        for (int i = 0; i < 10; ++i) laughs += (i ? ", *" : "*") + before;
        laughs += "]\n";
    }
    EXPECT_TRUE(json_of(laughs).ends_with("is nested too deeply or too large"));
}

TEST(Yaml, ADirectoryIsMergedInTheOrderOfNames) {
    char pattern[] = "/tmp/castle-yaml-XXXXXX";
    ASSERT_TRUE(::mkdtemp(pattern));
    const std::string dir = pattern;
    std::ofstream(dir + "/10-base.yml") << "scope: demo\npostgresql:\n  listen: a\n  parameters:\n    x: 1\n    y: 2\n";
    std::ofstream(dir + "/20-local.yaml") << "name: n1\npostgresql:\n  parameters:\n    x: 5\n    y: null\n";
    std::ofstream(dir + "/30-ignored.txt") << "name: n2\n";
    const auto document = load_yaml(dir);
    ASSERT_TRUE(document) << document.error().message;
    EXPECT_EQ(boost::json::serialize(document->data),
              R"({"scope":"demo","postgresql":{"listen":"a","parameters":{"x":5}},"name":"n1"})");
    EXPECT_EQ(document->place_of("postgresql.parameters.x").text(), dir + "/20-local.yaml:4");
    EXPECT_EQ(document->place_of("postgresql.listen").text(), dir + "/10-base.yml:3");
    std::filesystem::remove_all(dir);
    EXPECT_EQ(load_yaml(dir).error().code, Errc::not_found);
}

}  // namespace
}  // namespace castle::config
