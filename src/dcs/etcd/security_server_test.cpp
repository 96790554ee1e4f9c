// The store with TLS and client certificates, and with users whose tokens run out.
#include <gtest/gtest.h>

#include <fstream>

#include "dcs/etcd/store_driver.hpp"

namespace castle::dcs::testing {
namespace {

using namespace std::chrono_literals;
using core::Expect;

TEST(EtcdTls, ServesThoseWhoShowACertificate) {
    RealEtcd etcd({.tls = true});
    Driver driver{etcd.options()};
    driver.read();
    driver.must_renew(20s);
    driver.must_write({{"leader", "a", true, {Expect::absent()}}});
    EXPECT_TRUE(driver.until([&] { return driver.cached_keys().contains("leader"); }));

    struct Row {
        std::string_view rule;
        void (*change)(const RealEtcd& etcd, EtcdOptions& options);
    };
    const Row rows[] = {
        {"no client certificate", [](const RealEtcd&, EtcdOptions& options) { options.tls.cert_file.clear(); }},
        {"an authority that the server is not of",
         [](const RealEtcd& real, EtcdOptions& options) { options.tls.ca_file = real.file("stranger.crt"); }},
        {"files that are missing", [](const RealEtcd&, EtcdOptions& options) { options.tls.cert_file = "/nowhere"; }},
        {"no TLS at all", [](const RealEtcd&, EtcdOptions& options) { options.secure = false; }},
    };
    for (const Row& row : rows) {
        SCOPED_TRACE(row.rule);
        EtcdOptions options = etcd.options();
        row.change(etcd, options);
        Driver refused{options};
        const auto read = refused.try_read(400ms);
        ASSERT_FALSE(read);
        EXPECT_NE(read.error().message.find("127.0.0.1"), std::string::npos) << read.error().message;
        const auto written = refused.write({{"status", "1", false, {}}}, 200ms);
        ASSERT_FALSE(written);
    }
    EXPECT_FALSE(driver.read().keys.contains("status"));
}

TEST(EtcdTls, TakesUpRenewedCertificatesWithTheNextConnection) {
    RealEtcd etcd({.tls = true});
    EtcdOptions options = etcd.options();
    options.tls.cert_file = etcd.file("mine.crt");
    options.tls.key_file = etcd.file("mine.key");
    std::filesystem::copy_file(etcd.file("stranger.crt"), etcd.file("mine.crt"));
    std::filesystem::copy_file(etcd.file("stranger.key"), etcd.file("mine.key"));
    Driver driver{options};
    EXPECT_FALSE(driver.try_read(500ms));
    constexpr auto over = std::filesystem::copy_options::overwrite_existing;
    std::filesystem::copy_file(etcd.file("client.crt"), etcd.file("mine.crt"), over);
    std::filesystem::copy_file(etcd.file("client.key"), etcd.file("mine.key"), over);
    EXPECT_TRUE(driver.try_read(5s));
}

class EtcdWithUsers : public ::testing::Test {
protected:
    static void SetUpTestSuite() {
        std::string pattern = (std::filesystem::temp_directory_path() / "castle-jwt-XXXXXX").string();
        ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
        keys_ = pattern;
        const std::string key = (keys_ / "jwt.key").string(), pub = (keys_ / "jwt.pub").string();
        run_program({"openssl", "genrsa", "-out", key, "2048"});
        run_program({"openssl", "rsa", "-in", key, "-pubout", "-out", pub});
        // The tokens live for one second, so that every test here sees some run out. Cheap passwords.
        etcd_ = new RealEtcd({.arguments = {"--bcrypt-cost=4", "--auth-token=jwt,pub-key=" + pub + ",priv-key=" + key +
                                                                   ",sign-method=RS256,ttl=1s"}});
        Driver{etcd_->options()}.read();
        control({"user", "add", "root:root"});
        control({"user", "grant-role", "root", "root"});
        control({"role", "add", "castle"});
        control({"role", "grant-permission", "castle", "--prefix=true", "readwrite", "/service/test/"});
        control({"user", "add", "castle:secret"});
        control({"user", "grant-role", "castle", "castle"});
        control({"auth", "enable"});
    }
    static void TearDownTestSuite() {
        delete etcd_;
        etcd_ = nullptr;
        std::filesystem::remove_all(keys_);
    }
    static void control(std::vector<std::string> arguments) {
        arguments.insert(arguments.begin(), {"etcdctl", "--endpoints", etcd_->endpoint(0).text()});
        run_program(arguments);
    }
    static EtcdOptions as(const std::string& user, const std::string& password) {
        EtcdOptions options = etcd_->options();
        options.user = user;
        options.password = password;
        return options;
    }
    static inline RealEtcd* etcd_ = nullptr;
    static inline std::filesystem::path keys_;
};

TEST_F(EtcdWithUsers, AreLoggedInAgainWhenTheTokenRunsOut) {
    Driver driver{as("castle", "secret")};
    driver.read();
    driver.must_renew(20s);
    const Revision created = driver.must_write({{"leader", "a", true, {}}});
    const BootTime end = driver.now() + 3s;
    for (int i = 0; driver.now() < end; ++i) {
        driver.run(sleep_for(driver.loop(), 400ms));
        const auto renewed = driver.renew(20s, ports::Claim{"a", created}, 3s);
        ASSERT_TRUE(renewed) << renewed.error().message;
        EXPECT_EQ(renewed->leadership, ports::Renewal::Leadership::confirmed);
        driver.must_write({{"status", std::to_string(i), false, {}}});
        EXPECT_TRUE(driver.until([&] {
            const auto keys = driver.cached_keys();
            return keys.contains("status") && keys.at("status").value == std::to_string(i);
        }));
    }
}

TEST_F(EtcdWithUsers, AWrongPasswordIsSaidAtOnce) {
    struct Row {
        std::string_view rule;
        EtcdOptions options;
    };
    EtcdOptions elsewhere = as("castle", "secret");
    elsewhere.prefix = "/service/other/";
    const Row rows[] = {{"wrong password", as("castle", "guess")},
                        {"unknown user", as("nobody", "secret")},
                        {"no user", as("", "")},
                        {"no right to these keys", elsewhere}};
    for (const Row& row : rows) {
        SCOPED_TRACE(row.rule);
        Driver driver{row.options};
        const BootTime begun = driver.now();
        const auto read = driver.try_read(5s);
        ASSERT_FALSE(read);
        EXPECT_EQ(read.error().code, Errc::denied) << read.error().message;
        EXPECT_EQ(read.error().message.find("secret"), std::string::npos);
        EXPECT_EQ(read.error().message.find("guess"), std::string::npos);
        const auto written = driver.write({{"status", "1", false, {}}});
        ASSERT_FALSE(written);
        EXPECT_EQ(written.error().code, Errc::denied);
        EXPECT_EQ(written.error().effect, Effect::none);
        EXPECT_LT(driver.now() - begun, 3s);
        EXPECT_EQ(driver.store().cached(), nullptr);
    }
}

TEST_F(EtcdWithUsers, SurviveThatTheirRightsAreChanged) {
    Driver driver{as("castle", "secret")};
    driver.must_write({{"status", "1", false, {}}});
    const auto as_root = [](std::vector<std::string> arguments) {
        arguments.insert(arguments.begin(), {"--user", "root:root"});
        control(arguments);
    };
    as_root({"user", "add", "third:x"});  // the revision of the rules is newer than that of the token
    driver.must_write({{"status", "2", false, {}}});
    EXPECT_EQ(driver.read().keys.at("status").value, "2");
    as_root({"auth", "disable"});
    driver.must_write({{"status", "3", false, {}}});
    EXPECT_TRUE(driver.until([&] { return driver.cached_keys().contains("status"); }));
    control({"auth", "enable"});
    driver.must_write({{"status", "4", false, {}}});
    EXPECT_EQ(driver.read().keys.at("status").value, "4");
}

// A login that takes longer than an attempt: with a password as expensive as that, three programs that logged in by
// themselves for each call kept etcd busy for ever, and none of them ever had a token.
TEST(EtcdWithExpensivePasswords, ServesManyClientsThatComeAtOnce) {
    RealEtcd etcd({.arguments = {"--bcrypt-cost=13"}});
    Driver{etcd.options()}.read();
    const auto control = [&](std::vector<std::string> arguments) {
        arguments.insert(arguments.begin(), {"etcdctl", "--endpoints", etcd.endpoint(0).text()});
        run_program(arguments);
    };
    control({"user", "add", "root:root"});
    control({"user", "grant-role", "root", "root"});
    control({"auth", "enable"});
    EtcdOptions options = etcd.options();
    options.user = options.password = "root";
    struct Client {
        static Task<int> work(io::Loop& loop, EtcdOptions options, int& served) {
            EtcdStore store(loop, std::move(options));
            while (true) {
                // As agents do: short budgets, again and again.
                const auto renewed = co_await store.renew(20s, {}, loop.now() + 1s);
                if (renewed) break;
            }
            const auto read = co_await store.read(loop.now() + 5s);
            if (read) ++served;
            co_return 0;
        }
        static Task<> run(io::Loop& loop, EtcdOptions options, int& served) {
            (void)co_await work(loop, options, served);
        }
    };
    io::Loop loop;
    int served = 0;
    Scope clients(loop);
    for (int i = 0; i < 3; ++i) clients.spawn(Client::run(loop, options, served));
    EXPECT_TRUE(io::run_to_end(loop, wait_until(
                                         loop, [&] { return served == 3; }, loop.now() + 20s)));
}

}  // namespace
}  // namespace castle::dcs::testing
