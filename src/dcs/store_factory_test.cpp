#include "dcs/store_factory.hpp"

#include <gtest/gtest.h>

namespace castle::dcs {
namespace {

using namespace std::chrono_literals;

config::Local local(config::Etcd3 etcd) {
    config::Local local;
    local.scope = "demo";
    local.store = std::move(etcd);
    return local;
}

TEST(StoreFactory, TakesOverWhatTheConfigurationSays) {
    const config::Local configured = local({.hosts = {{"10.0.0.1", 2379}, {"fd00::1", 2380}},
                                            .protocol = "https",
                                            .use_proxies = true,
                                            .username = "u",
                                            .password = "p",
                                            .cacert = "ca",
                                            .cert = "c",
                                            .key = "k"});
    const auto options = etcd_options(configured, {.watch = false, .ttl = 20s});
    ASSERT_TRUE(options) << options.error().message;
    ASSERT_EQ(options->endpoints.size(), 2u);
    EXPECT_EQ(options->endpoints[1].text(), "[fd00::1]:2380");
    EXPECT_TRUE(options->secure);
    EXPECT_EQ(options->tls.ca_file, "ca");
    EXPECT_EQ(options->tls.cert_file, "c");
    EXPECT_EQ(options->tls.key_file, "k");
    EXPECT_EQ(options->user, "u");
    EXPECT_EQ(options->password, "p");
    EXPECT_TRUE(options->use_proxies);
    EXPECT_EQ(options->prefix, "/service/demo/");
    EXPECT_FALSE(options->watch);
    EXPECT_EQ(options->members_every, 200s);

    io::Loop loop;
    EXPECT_TRUE(make_store(loop, configured));
}

TEST(StoreFactory, SaysWhyThereIsNoStore) {
    config::Local none = local({});
    none.store = Error{Errc::not_found, "no store is configured"};
    EXPECT_EQ(etcd_options(none).error().message, "no store is configured");
    EXPECT_EQ(etcd_options(local({})).error().code, Errc::invalid);
}

}  // namespace
}  // namespace castle::dcs
