// The store while etcd's servers freeze, die, come back, forget and lose their memory of old revisions.
#include <gtest/gtest.h>

#include "dcs/etcd/store_driver.hpp"
#include "etcd_oracle/oracle.hpp"

namespace castle::dcs::testing {
namespace {

using namespace std::chrono_literals;
using core::Expect;
using Leadership = ports::Renewal::Leadership;

constexpr const char* prefix = "/service/test/";

bool shows(Driver& driver, const std::string& key, const std::string& value) {
    return driver.until(
        [&] {
            const auto keys = driver.cached_keys();
            return keys.contains(key) && keys.at(key).value == value;
        },
        10s);
}

// The member that the store asks first.
int front(Driver& driver, const RealEtcd& etcd) {
    int number = 0;
    while (!same(etcd.endpoint(number), driver.store().client().endpoints().front())) ++number;
    return number;
}

// Waits until a cluster that has just been started, or has lost a member, has a leader.
void settle(Driver& driver) {
    driver.read(20s);
}

TEST(ThreeEtcds, AFrozenOneIsLeftForAnother) {
    RealEtcd etcd({.members = 3});
    Driver driver{etcd.options()};
    settle(driver);
    const auto renewal = driver.must_renew(20s);
    const Revision created = driver.must_write({{"leader", "a", true, {Expect::absent()}}});
    ASSERT_TRUE(shows(driver, "leader", "a"));

    for (int round = 0; round < 2; ++round) {
        const int number = front(driver, etcd);
        etcd.freeze(number);
        // Reads and renewals go on within the budget, also if it was etcd's leader that froze.
        EXPECT_EQ(driver.read(5s).keys.at("leader").value, "a");
        const auto confirmed = driver.renew(20s, ports::Claim{"a", created}, 5s);
        ASSERT_TRUE(confirmed) << confirmed.error().message;
        EXPECT_EQ(confirmed->leadership, Leadership::confirmed);
        EXPECT_EQ(confirmed->lease, renewal.lease);
        // The watch has moved as well.
        Oracle oracle{etcd.endpoint((number + 1) % 3)};
        oracle.put(std::string(prefix) + "status", std::to_string(round));
        EXPECT_TRUE(shows(driver, "status", std::to_string(round)));
        etcd.thaw(number);
        settle(driver);
    }
}

TEST(ThreeEtcds, AWriteToAFrozenOneIsSentToAnotherInstead) {
    RealEtcd etcd({.members = 3});
    EtcdOptions options = etcd.options();
    settle(*std::make_unique<Driver>(options));
    // A follower: with the leader, a write that was passed on to it would be in doubt.
    const int follower = etcd.leader() == 0 ? 1 : 0;
    options.endpoints = {etcd.endpoint(follower), etcd.endpoint(2)};
    if (etcd.leader() == 2) options.endpoints[1] = etcd.endpoint(1 - follower);
    options.use_proxies = true;
    Driver driver{options};
    driver.must_write({{"status", "1", false, {}}});
    ASSERT_EQ(front(driver, etcd), follower);
    etcd.freeze(follower);
    driver.run(sleep_for(driver.loop(), 150ms));  // what was heard before says nothing about now
    const BootTime begun = driver.now();
    const auto written = driver.write({{"status", "2", false, {Expect::value_is("1")}}}, 8s);
    EXPECT_TRUE(written) << written.error().message;
    EXPECT_LT(driver.now() - begun, 4s);
    EXPECT_EQ(driver.read(5s).keys.at("status").value, "2");
    etcd.thaw(follower);
}

TEST(ThreeEtcds, ASilentWatchIsMovedWithoutAnyCall) {
    RealEtcd etcd({.members = 3});
    Driver driver{etcd.options()};
    settle(driver);
    ASSERT_TRUE(driver.until([&] { return driver.store().cached() != nullptr; }, 10s));
    const int frozen = front(driver, etcd);
    etcd.freeze(frozen);
    Oracle oracle{etcd.endpoint((frozen + 1) % 3)};
    oracle.put(std::string(prefix) + "config", "seen");
    EXPECT_TRUE(shows(driver, "config", "seen"));
    etcd.thaw(frozen);
}

TEST(ThreeEtcds, OneThatDiesIsLeftAtOnce) {
    RealEtcd etcd({.members = 3});
    Driver driver{etcd.options()};
    settle(driver);
    driver.must_renew(20s);
    const Revision created = driver.must_write({{"leader", "a", true, {Expect::absent()}}});
    for (int number = 0; number < 2; ++number) {
        etcd.kill(number);
        const auto confirmed = driver.renew(20s, ports::Claim{"a", created}, 10s);
        ASSERT_TRUE(confirmed) << confirmed.error().message;
        EXPECT_EQ(confirmed->leadership, Leadership::confirmed);
        driver.put("status", std::to_string(number));
        EXPECT_TRUE(shows(driver, "status", std::to_string(number)));
        etcd.start(number);
        settle(driver);
    }
}

TEST(ThreeEtcds, AreLearnedFromOneOfThem) {
    RealEtcd etcd({.members = 3});
    EtcdOptions options = etcd.options();
    options.endpoints.resize(1);
    options.members_every = 200ms;
    Driver driver{options};
    settle(driver);
    EXPECT_TRUE(driver.until([&] { return driver.store().client().endpoints().size() == 3; }, 15s));
    etcd.kill(0);
    driver.put("status", "1");
    etcd.start(0);

    options.use_proxies = true;
    Driver careful{options};
    settle(careful);
    EXPECT_EQ(careful.store().client().endpoints().size(), 1u);
}

TEST(ThreeEtcds, WithoutAQuorumNothingIsConfirmed) {
    RealEtcd etcd({.members = 3});
    Driver driver{etcd.options()};
    settle(driver);
    driver.must_renew(20s);
    const Revision created = driver.must_write({{"leader", "a", true, {Expect::absent()}}});
    etcd.freeze(1);
    etcd.freeze(2);
    const BootTime begun = driver.now();
    const auto renewed = driver.renew(20s, ports::Claim{"a", created}, 2s);
    EXPECT_FALSE(renewed);
    const auto read = driver.try_read(1s);
    EXPECT_FALSE(read);
    EXPECT_LT(driver.now() - begun, 3'500ms);
    etcd.thaw(1);
    etcd.thaw(2);
    settle(driver);
    EXPECT_EQ(driver.must_renew(20s, ports::Claim{"a", created}).leadership, Leadership::confirmed);
}

TEST(LonelyEtcd, FrozenEndsCallsAtTheirDeadlineAndServesAgainAfterwards) {
    RealEtcd etcd;
    Driver driver{etcd.options()};
    driver.read();
    etcd.freeze(0);
    const BootTime begun = driver.now();
    const auto read = driver.try_read(1'500ms);
    ASSERT_FALSE(read);
    EXPECT_EQ(read.error().code, Errc::timed_out);
    EXPECT_GE(driver.now() - begun, 1'500ms);
    EXPECT_LT(driver.now() - begun, 1'900ms);
    // Never sent: it is known to be silent.
    const auto written = driver.write({{"status", "1", false, {}}}, 1s);
    ASSERT_FALSE(written);
    EXPECT_EQ(written.error().effect, Effect::none);
    etcd.thaw(0);
    EXPECT_TRUE(driver.read(5s).keys.empty());
}

TEST(LonelyEtcd, AWriteThatWasSentAndNotAnsweredIsInDoubt) {
    RealEtcd etcd;
    Driver driver{etcd.options()};
    driver.must_write({{"status", "1", false, {}}});  // heard of just now: the next write goes out at once
    etcd.freeze(0);
    const auto written = driver.write({{"status", "2", false, {Expect::value_is("1")}}}, 3s);
    ASSERT_FALSE(written);
    EXPECT_EQ(written.error().effect, Effect::unknown) << written.error().message;
    etcd.thaw(0);
    // It did happen, once; or it did not: reading tells.
    const auto now = driver.read(5s).keys.at("status");
    EXPECT_TRUE(now.value == "1" || now.value == "2");
}

TEST(LonelyEtcd, AnAbsentOneIsAnErrorAtTheDeadline) {
    RealEtcd etcd;
    Driver driver{etcd.options()};
    driver.read();
    etcd.kill(0);
    // A write on the old connection would be in doubt: this read finds it closed, and every new one refused.
    EXPECT_FALSE(driver.try_read(1s));
    const BootTime begun = driver.now();
    const auto written = driver.write({{"status", "1", false, {}}}, 1s);
    ASSERT_FALSE(written);
    EXPECT_EQ(written.error().code, Errc::timed_out);
    EXPECT_EQ(written.error().effect, Effect::none) << written.error().message;
    EXPECT_LT(driver.now() - begun, 1'400ms);
    etcd.start(0);
    driver.must_write({{"status", "1", false, {}}});
    EXPECT_TRUE(shows(driver, "status", "1"));
}

TEST(LonelyEtcd, AWatchSurvivesARestartAndWhatHappenedMeanwhile) {
    RealEtcd etcd;
    Driver driver{etcd.options()};
    driver.must_write({{"status", "1", false, {}}, {"sync", "x", false, {}}});
    ASSERT_TRUE(shows(driver, "status", "1"));
    etcd.kill(0);
    etcd.start(0);
    {
        Oracle oracle{etcd.endpoint(0)};
        oracle.put(std::string(prefix) + "status", "2");
        oracle.remove(std::string(prefix) + "sync");
    }
    EXPECT_TRUE(driver.until(
        [&] { return driver.cached_keys().contains("status") && driver.cached_keys().at("status").value == "2"; },
        10s));
    EXPECT_FALSE(driver.cached_keys().contains("sync"));
}

TEST(LonelyEtcd, AWatchSurvivesCompaction) {
    RealEtcd etcd;
    Driver driver{etcd.options()};
    driver.must_write({{"status", "1", false, {}}, {"sync", "x", false, {}}});
    ASSERT_TRUE(shows(driver, "status", "1"));
    // The store is not running between its calls. What its watch would have to go on from is compacted away meanwhile.
    etcd.kill(0);
    etcd.start(0);
    Oracle oracle{etcd.endpoint(0)};
    for (int i = 0; i < 20; ++i) oracle.put(std::string(prefix) + "status", std::to_string(i));
    oracle.remove(std::string(prefix) + "sync");
    oracle.compact(oracle.revision());
    EXPECT_TRUE(shows(driver, "status", "19"));
    EXPECT_FALSE(driver.cached_keys().contains("sync"));
    oracle.put(std::string(prefix) + "status", "and so on");
    EXPECT_TRUE(shows(driver, "status", "and so on"));
}

TEST(LonelyEtcd, CompactionUnderAWatchIsNotNoticed) {
    RealEtcd etcd;
    Driver driver{etcd.options()};
    Oracle oracle{etcd.endpoint(0)};
    for (int i = 0; i < 10; ++i) {
        driver.must_write({{"status", std::to_string(i), false, {}}});
        oracle.compact(oracle.revision());
        EXPECT_TRUE(shows(driver, "status", std::to_string(i)));
    }
}

TEST(LonelyEtcd, ANewStoreUnderTheOldAddressIsAnotherStore) {
    RealEtcd etcd;
    Driver driver{etcd.options()};
    for (int i = 0; i < 5; ++i) driver.must_write({{"status", std::to_string(i), false, {}}});
    const auto before = driver.read();
    etcd.kill(0);
    std::filesystem::remove_all(etcd.file("e0"));
    etcd.start(0, "--initial-cluster-token=another");
    EXPECT_TRUE(driver.until([&] { return driver.store().cached() && driver.store().cached()->keys.empty(); }, 10s));
    const auto after = driver.read();
    EXPECT_NE(after.cluster_id, before.cluster_id);
    EXPECT_LT(after.revision, before.revision);
    driver.must_write({{"status", "new", false, {Expect::absent()}}});
    EXPECT_TRUE(shows(driver, "status", "new"));
}

// What the agent's claim was made in is no more: that is not the same as a key that is gone.
TEST(LonelyEtcd, ALeadershipOfAnotherStoreIsNeitherConfirmedNorLost) {
    RealEtcd etcd;
    Driver driver{etcd.options()};
    driver.must_renew(20s);
    const Revision created = driver.must_write({{"leader", "a", true, {Expect::absent()}}});
    const ports::Claim claim{"a", created, driver.store().incarnation()};
    EXPECT_EQ(driver.must_renew(20s, claim).leadership, Leadership::confirmed);
    const auto look = driver.run(driver.store().look(driver.must_renew(20s).lease, driver.now() + 5s));
    ASSERT_TRUE(look) << look.error().message;
    EXPECT_EQ(look->life, 20s);
    EXPECT_GE(look->left, 15s);
    EXPECT_LT(look->left, 20s);
    EXPECT_EQ(driver.run(driver.store().look(LeaseId{12345}, driver.now() + 5s)).error().code, Errc::not_found);
    run_program({"etcdctl", "--endpoints", etcd.endpoint(0).text(), "snapshot", "save", etcd.file("backup")});
    for (int i = 0; i < 5; ++i) driver.must_write({{"status", std::to_string(i), false, {}}});
    const auto before = driver.read();

    // Put back to an older state, with all its leases: even the very same key proves nothing.
    etcd.kill(0);
    std::filesystem::remove_all(etcd.file("e0"));
    etcd.restore(0, etcd.file("backup"));
    etcd.start(0);
    const auto restored = driver.read(20s);
    EXPECT_NE(restored.incarnation, before.incarnation);
    EXPECT_LT(restored.revision, before.revision);
    EXPECT_EQ(restored.keys.at("leader").created, created);
    EXPECT_EQ(driver.must_renew(20s, claim).leadership, Leadership::elsewhere);
    EXPECT_TRUE(driver.until(
        [&] { return driver.store().cached() && driver.store().cached()->incarnation == restored.incarnation; }, 10s));
    driver.must_write({{"status", "x", false, {}}});
    EXPECT_TRUE(shows(driver, "status", "x"));

    // And one that is new and empty.
    etcd.kill(0);
    std::filesystem::remove_all(etcd.file("e0"));
    etcd.start(0, "--initial-cluster-token=another");
    const auto empty = driver.read(20s);
    EXPECT_NE(empty.incarnation, restored.incarnation);
    const auto renewed = driver.must_renew(20s, claim);
    EXPECT_EQ(renewed.leadership, Leadership::elsewhere);
    EXPECT_TRUE(renewed.fresh);
    EXPECT_TRUE(driver.write({{"leader", "a", true, {Expect::absent()}}}));
}

}  // namespace
}  // namespace castle::dcs::testing
