#include "config/address.hpp"

#include <gtest/gtest.h>

namespace castle::config {
namespace {

TEST(Address, IsReadAsItIsWritten) {
    struct Row {
        const char* text;
        std::uint16_t default_port;
        std::optional<Address> expected;
    };
    const Row rows[] = {
        {"10.0.0.1:5432", 0, Address{"10.0.0.1", 5432}},
        {"10.0.0.1", 5432, Address{"10.0.0.1", 5432}},
        {"10.0.0.1", 0, {}},
        {"h1, h2:5433", 5432, Address{"h1,h2", 5433}},
        {"[::1]:5432", 0, Address{"::1", 5432}},
        {"[::1]", 5432, Address{"::1", 5432}},
        {"::1:5432", 0, Address{"::1", 5432}},
        {"[::1],[fe80::2]:5432", 0, Address{"::1,fe80::2", 5432}},
        {":8008", 0, Address{"", 8008}},
        {"*:8008", 0, Address{"*", 8008}},
        {"host:70000", 0, {}},
        {"host:", 0, {}},
        {"host:x", 5432, {}},
    };
    for (const Row& row : rows) {
        SCOPED_TRACE(row.text);
        EXPECT_EQ(parse_address(row.text, row.default_port), row.expected);
    }
    EXPECT_EQ((Address{"::1", 80}.text()), "[::1]:80");
    EXPECT_EQ((Address{"a,b", 80}.hosts()), (std::vector<std::string>{"a", "b"}));
    EXPECT_TRUE(is_unreachable_for_others("LOCALHOST"));
    EXPECT_FALSE(is_unreachable_for_others("127.0.0.2"));
}

TEST(Address, UrlsComeApart) {
    const auto url = parse_url("https://us%40er:p%3Aw@[fe80::1]:2379/v3");
    ASSERT_TRUE(url);
    EXPECT_EQ(url->scheme, "https");
    EXPECT_EQ(url->username, "us@er");
    EXPECT_EQ(url->password, "p:w");
    EXPECT_EQ(url->host, "fe80::1");
    EXPECT_EQ(url->port, 2379);
    EXPECT_EQ(url->path, "/v3");
    EXPECT_EQ(parse_url("host")->port, std::nullopt);
    EXPECT_EQ(parse_url("fe80::1")->host, "fe80::1");
    EXPECT_FALSE(parse_url("http://:80"));
    EXPECT_FALSE(parse_url("http://h:x"));
}

}  // namespace
}  // namespace castle::config
