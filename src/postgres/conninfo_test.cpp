#include "postgres/conninfo.hpp"

#include <gtest/gtest.h>

namespace castle::postgres {
namespace {

TEST(Conninfo, KeepsTheOrderOfTheContractAndHidesThePassword) {
    ConnParams params{{"port", "5433"},      {"host", "10.0.0.1"}, {"user", "repl"},           {"password", "secret"},
                      {"sslmode", "prefer"}, {"passfile", "/p"},   {"application_name", "n 1"}};
    EXPECT_EQ(conninfo_text(params),
              "user=repl passfile=/p host=10.0.0.1 port=5433 sslmode=prefer application_name=n\\ 1");
}

TEST(Conninfo, ReadsWhatItWrites) {
    const ConnParams params{{"user", "o'neil \\ co"}, {"host", "/tmp"}, {"port", "5432"}};
    const auto again = parse_conninfo(conninfo_text(params));
    ASSERT_TRUE(again);
    EXPECT_EQ(*again, params);
}

TEST(Conninfo, ReadsQuotedValues) {
    const auto params = parse_conninfo(" host = 'a b'  user='it\\'s' port=1 password='' ");
    ASSERT_TRUE(params);
    EXPECT_EQ(params->at("host"), "a b");
    EXPECT_EQ(params->at("user"), "it's");
    EXPECT_EQ(params->at("password"), "");
    EXPECT_FALSE(parse_conninfo("host='open"));
    EXPECT_FALSE(parse_conninfo("host"));
    EXPECT_FALSE(parse_conninfo("=x"));
}

TEST(Conninfo, LeavesOutWhatOldVersionsDoNotKnow) {
    const Credentials login{"u", "", {{"sslcrldir", "/d"}, {"sslnegotiation", "direct"}, {"sslmode", "require"}}};
    EXPECT_EQ(conninfo_text(connect_params({"h", 1}, login, Version{130000})), "user=u host=h port=1 sslmode=require");
    EXPECT_EQ(conninfo_text(connect_params({"h", 1}, login, Version{170000})),
              "user=u host=h port=1 sslmode=require sslcrldir=/d sslnegotiation=direct");
}

TEST(Pgpass, OneLineForEachHostAndLocalhostForSockets) {
    EXPECT_EQ(pgpass_text({"a,b", 5432}, {"u", "p:w\\d", {}}), "a:5432:*:u:p\\:w\\\\d\nb:5432:*:u:p\\:w\\\\d\n");
    EXPECT_EQ(pgpass_text({"/tmp", 1}, {"u", "p", {}}), "/tmp:1:*:u:p\nlocalhost:1:*:u:p\n");
    EXPECT_EQ(pgpass_text({"a", 1}, {"u", "", {}}), "");
}

TEST(ConnUrl, PutsBracketsAroundIpv6) {
    EXPECT_EQ(conn_url("10.0.0.1", 5432, "postgres"), "postgres://10.0.0.1:5432/postgres");
    EXPECT_EQ(conn_url("::1", 5432, "postgres"), "postgres://[::1]:5432/postgres");
}

}  // namespace
}  // namespace castle::postgres
