#include "dcs/etcd/rotation.hpp"

#include <gtest/gtest.h>

namespace castle::dcs {
namespace {

std::string text(const Rotation& rotation) {
    std::string all;
    for (const auto& endpoint : rotation.order()) all += (all.empty() ? "" : " ") + endpoint.text();
    return all;
}

TEST(Rotation, WhoAnswersStaysInFrontAndWhoFailsGoesLast) {
    Rotation rotation({{"a", 1}, {"b", 1}, {"a", 1}, {"c", 1}});
    EXPECT_EQ(text(rotation), "a:1 b:1 c:1");
    rotation.leave({"a", 1});
    EXPECT_EQ(text(rotation), "b:1 c:1 a:1");
    rotation.prefer({"c", 1});
    EXPECT_EQ(text(rotation), "c:1 b:1 a:1");
    rotation.leave({"unknown", 1});
    rotation.prefer({"unknown", 1});
    EXPECT_EQ(text(rotation), "c:1 b:1 a:1");
}

TEST(Rotation, LearnsMembersAndKeepsTheConfiguredAsTheLastResort) {
    Rotation rotation({{"vip", 1}, {"a", 1}});
    rotation.learn({{"a", 1}, {"b", 1}, {"c", 1}});
    EXPECT_EQ(text(rotation), "vip:1 a:1 b:1 c:1");  // it answers: no reason to move
    rotation.leave({"vip", 1});
    rotation.learn({{"c", 1}, {"d", 1}});
    EXPECT_EQ(text(rotation), "a:1 c:1 d:1 vip:1");  // "b" is no member any more
    rotation.learn({});
    EXPECT_EQ(text(rotation), "a:1 c:1 d:1 vip:1");
}

TEST(ClientUrl, IsUsedOnlyIfItHelps) {
    const std::vector<io::Endpoint> far = {{"10.0.0.1", 2379}};
    const std::vector<io::Endpoint> local = {{"127.0.0.1", 2379}, {"localhost", 2380}};
    struct Row {
        std::string_view url;
        bool secure;
        const std::vector<io::Endpoint>& configured;
        std::string_view expected;
    };
    const Row rows[] = {
        {"http://10.0.0.7:2379", false, far, "10.0.0.7:2379"},
        {"https://db.example:2379/", true, far, "db.example:2379"},
        {"http://[fd00::1]:2379", false, far, "[fd00::1]:2379"},
        {"http://10.0.0.7:2379", true, far, ""},  // never less than TLS
        {"https://10.0.0.7:2379", false, far, ""},
        {"http://0.0.0.0:2379", false, far, ""},
        {"http://[::]:2379", false, far, ""},
        {"http://localhost:2379", false, far, ""},  // etcd's default, meant for itself
        {"http://127.0.0.1:2379", false, far, ""},
        {"http://127.0.0.1:2379", false, local, "127.0.0.1:2379"},
        {"unix://localhost:0", false, local, ""},
        {"http://10.0.0.7", false, far, ""},
        {"http://10.0.0.7:0", false, far, ""},
        {"http://10.0.0.7:99999", false, far, ""},
        {"http://:2379", false, far, ""},
        {"", false, far, ""},
    };
    for (const Row& row : rows) {
        SCOPED_TRACE(row.url);
        const auto endpoint = usable_client_url(row.url, row.secure, row.configured);
        EXPECT_EQ(endpoint ? endpoint->text() : "", row.expected);
    }
}

}  // namespace
}  // namespace castle::dcs
