// The store against one real etcd, compared with what gRPC's own client sees on the same server.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dcs/etcd/store_driver.hpp"
#include "etcd_oracle/oracle.hpp"

namespace castle::dcs::testing {
namespace {

using namespace std::chrono_literals;
using core::Expect;
using core::KeyWrite;
using Leadership = ports::Renewal::Leadership;

class OneEtcd : public ::testing::Test {
protected:
    static void SetUpTestSuite() { etcd_ = new RealEtcd(); }
    static void TearDownTestSuite() {
        delete etcd_;
        etcd_ = nullptr;
    }
    // Every test has a cluster of its own, below its name.
    std::string prefix() const {
        return std::string("/service/") + ::testing::UnitTest::GetInstance()->current_test_info()->name() + "/";
    }
    static inline RealEtcd* etcd_ = nullptr;

    Oracle oracle{etcd_->endpoint(0)};
    Driver driver{etcd_->options(prefix())};
};

TEST_F(OneEtcd, ReadsWhatTheOracleReads) {
    EXPECT_TRUE(driver.read().keys.empty());
    oracle.put(prefix() + "config", "{}");
    oracle.put(prefix() + "members/a", std::string("\0\xff binary", 9));
    oracle.put("/service/other/config", "not ours");
    const core::Snapshot snapshot = driver.read();
    EXPECT_EQ(snapshot.keys, oracle.keys(prefix()));
    EXPECT_EQ(snapshot.keys.size(), 2u);
    EXPECT_GE(number(snapshot.revision), oracle.revision() - 1);
    EXPECT_NE(snapshot.cluster_id, 0u);
    EXPECT_NE(snapshot.raft_term, 0u);
}

TEST_F(OneEtcd, ReadsAMegabyte) {
    for (int i = 0; i < 8; ++i) oracle.put(prefix() + "big" + std::to_string(i), std::string(200'000, 'x'));
    EXPECT_EQ(driver.read().keys, oracle.keys(prefix()));
}

TEST_F(OneEtcd, WritesAllOrNothingAndOnlyAsExpected) {
    const Revision created =
        driver.must_write({{"leader", "a", false, {Expect::absent()}}, {"status", "1", false, {}}});
    EXPECT_EQ(driver.read().keys, oracle.keys(prefix()));
    EXPECT_EQ(oracle.keys(prefix()).at("leader").modified, created);

    struct Row {
        std::string_view rule;
        Expect (*expect)(const core::StoredValue& leader);
        bool holds;
    };
    const Row rows[] = {
        {"anything", [](const auto&) { return Expect::anything(); }, true},
        {"absent", [](const auto&) { return Expect::absent(); }, false},
        {"created", [](const auto& leader) { return Expect::created_at(leader.created); }, true},
        {"created at another revision", [](const auto& leader) { return Expect::created_at(leader.modified); }, false},
        {"modified", [](const auto& leader) { return Expect::modified_at(leader.modified); }, true},
        {"modified since", [](const auto& leader) { return Expect::modified_at(leader.created); }, false},
        {"value", [](const auto& leader) { return Expect::value_is(leader.value); }, true},
        {"other value", [](const auto&) { return Expect::value_is("c"); }, false},
        {"lease", [](const auto& leader) { return Expect::leased_by(leader.lease); }, true},
        {"other lease", [](const auto& leader) { return Expect::leased_by(LeaseId{number(leader.lease) + 1}); }, false},
    };
    for (const Row& row : rows) {
        SCOPED_TRACE(row.rule);
        driver.must_write({{"leader", "b", false, {Expect::created_at(created)}}});
        // What is expected of one key decides about both.
        const auto before = oracle.keys(prefix());
        auto result =
            driver.write({{"status", std::string(row.rule), false, {}},
                          {"leader", "b", false, {Expect::created_at(created), row.expect(before.at("leader"))}}});
        EXPECT_EQ(static_cast<bool>(result), row.holds);
        if (result) {
            EXPECT_EQ(oracle.keys(prefix()).at("status").value, row.rule);
            EXPECT_EQ(oracle.keys(prefix()).at("leader").modified, *result);
        } else {
            EXPECT_EQ(result.error().code, Errc::conflict);
            EXPECT_EQ(result.error().effect, Effect::none);
            EXPECT_EQ(oracle.keys(prefix()), before);
        }
    }
    EXPECT_FALSE(driver.write({{"nothing", "x", false, {Expect::value_is("")}}}));

    driver.must_write({{"leader", std::nullopt, false, {Expect::value_is("b")}}, {"never", std::nullopt, false, {}}});
    EXPECT_FALSE(oracle.keys(prefix()).contains("leader"));
}

TEST_F(OneEtcd, SaysWhatIsWrongWithARequest) {
    auto twice = driver.write({{"a", "1", false, {}}, {"a", "2", false, {}}});
    ASSERT_FALSE(twice);
    EXPECT_EQ(twice.error().code, Errc::invalid);
    EXPECT_EQ(twice.error().effect, Effect::none);
    auto huge = driver.write({{"a", std::string(3'000'000, 'x'), false, {}}});
    ASSERT_FALSE(huge);
    EXPECT_EQ(huge.error().effect, Effect::none);
    EXPECT_TRUE(oracle.keys(prefix()).empty());
}

TEST_F(OneEtcd, ShowsChangesByTheWatchAndNothingOlderThanItsAnswers) {
    ASSERT_TRUE(driver.until([&] { return driver.store().cached() != nullptr; }));
    for (int i = 0; i < 50; ++i) {
        const Revision written = driver.must_write({{"status", std::to_string(i), false, {}}});
        const auto at_once = driver.store().cached();
        EXPECT_TRUE(!at_once || at_once->revision >= written);
        ASSERT_TRUE(driver.until([&] { return driver.store().cached() != nullptr; }));
        EXPECT_EQ(driver.store().cached()->keys, oracle.keys(prefix()));
    }
    const auto count = driver.store().changed().count();
    oracle.put(prefix() + "config", "{}");
    oracle.put(prefix() + "members/a", "x");
    oracle.remove(prefix() + "status");
    ASSERT_TRUE(driver.until([&] { return driver.cached_keys() == oracle.keys(prefix()); }));
    EXPECT_GT(driver.store().changed().count(), count);

    // A revision that other clusters' writes have brought does not put the cache out of step for long.
    oracle.put("/service/other/config", "x");
    driver.must_write({{"never", std::nullopt, false, {}}});
    EXPECT_EQ(driver.read().keys, oracle.keys(prefix()));
    EXPECT_NE(driver.store().cached(), nullptr);
}

TEST_F(OneEtcd, LeasedKeysNeedALeaseAndGoWithIt) {
    const std::vector<KeyWrite> member = {{"members/a", "x", true, {}}};
    auto early = driver.write(member);
    ASSERT_FALSE(early);
    EXPECT_EQ(early.error().code, Errc::not_found);

    const ports::Renewal first = driver.must_renew(20s);
    EXPECT_TRUE(first.fresh);
    EXPECT_EQ(first.life, 20s);
    EXPECT_EQ(first.leadership, Leadership::not_asked);
    driver.must_write(member);
    EXPECT_EQ(oracle.keys(prefix()).at("members/a").lease, first.lease);
    EXPECT_EQ(driver.read().keys, oracle.keys(prefix()));

    const ports::Renewal second = driver.must_renew(20s);
    EXPECT_FALSE(second.fresh);
    EXPECT_EQ(second.lease, first.lease);
    EXPECT_GE(second.sent, first.sent);
    EXPECT_LE(second.sent, driver.now());

    EXPECT_FALSE(driver.must_ended(first.lease));
    oracle.revoke(first.lease);
    EXPECT_TRUE(driver.must_ended(first.lease));
    auto late = driver.write(member);
    ASSERT_FALSE(late);
    EXPECT_EQ(late.error().code, Errc::not_found);
    EXPECT_EQ(late.error().effect, Effect::none);
    EXPECT_FALSE(oracle.keys(prefix()).contains("members/a"));

    const ports::Renewal third = driver.must_renew(20s);
    EXPECT_TRUE(third.fresh);
    EXPECT_NE(third.lease, first.lease);
    driver.must_write(member);
    oracle.revoke(third.lease);
    const ports::Renewal fourth = driver.must_renew(20s);  // found out by the keep-alive this time
    EXPECT_TRUE(fourth.fresh);
}

TEST_F(OneEtcd, ALeaseThatNobodyRenewsEnds) {
    const ports::Renewal renewal = driver.must_renew(1s);
    EXPECT_EQ(oracle.time_to_live(renewal.lease).granted,
              std::chrono::duration_cast<std::chrono::seconds>(renewal.life));
    driver.must_write({{"members/a", "x", true, {}}});
    ASSERT_TRUE(driver.until([&] { return driver.cached_keys().contains("members/a"); }));
    ASSERT_TRUE(driver.until([&] { return !driver.cached_keys().contains("members/a"); }, 10s));
    EXPECT_GE(driver.now() - renewal.sent, renewal.life);
    EXPECT_TRUE(driver.must_ended(renewal.lease));
}

TEST_F(OneEtcd, ALeaseIsRemovedByTheWordOfTheLeaderOfToday) {
    const LeaseId lease = driver.must_renew(20s).lease;
    driver.must_write({{"members/a", "x", true, {}}});
    const auto look = driver.run(driver.store().look(lease, driver.now() + 5s));
    ASSERT_TRUE(look);
    const auto remove = [&](std::uint64_t term) {
        return driver.run(driver.store().remove(lease, term, driver.now() + 5s));
    };
    const Status of_another = remove(look->term - 1);
    ASSERT_FALSE(of_another);
    EXPECT_EQ(of_another.error().code, Errc::conflict);
    EXPECT_TRUE(oracle.keys(prefix()).contains("members/a"));
    EXPECT_TRUE(remove(look->term));
    EXPECT_FALSE(oracle.keys(prefix()).contains("members/a"));
    EXPECT_TRUE(remove(look->term));  // gone already
}

TEST_F(OneEtcd, AClaimIsConfirmedByTheLeaderKeyItself) {
    const ports::Renewal first = driver.must_renew(20s);
    const Revision created = driver.must_write({{"leader", "a", true, {Expect::absent()}}});
    const ports::Claim claim{"a", created};
    EXPECT_EQ(driver.must_renew(20s, claim).leadership, Leadership::confirmed);
    EXPECT_EQ(driver.must_renew(20s, ports::Claim{"b", created}).leadership, Leadership::lost);
    EXPECT_EQ(driver.must_renew(20s, ports::Claim{"a", Revision{number(created) + 1}}).leadership, Leadership::lost);

    // Deleted by hand and made again, even by ourselves, is another leadership.
    oracle.remove(prefix() + "leader");
    EXPECT_EQ(driver.must_renew(20s, claim).leadership, Leadership::lost);
    EXPECT_TRUE(!driver.store().cached() || !driver.store().cached()->keys.contains("leader"));
    const Revision again = driver.must_write({{"leader", "a", true, {Expect::absent()}}});
    EXPECT_EQ(driver.must_renew(20s, claim).leadership, Leadership::lost);
    EXPECT_EQ(driver.must_renew(20s, ports::Claim{"a", again}).leadership, Leadership::confirmed);

    // With the lease goes the leadership.
    oracle.revoke(first.lease);
    const ports::Renewal after = driver.must_renew(20s, ports::Claim{"a", again});
    EXPECT_TRUE(after.fresh);
    EXPECT_EQ(after.leadership, Leadership::lost);
}

TEST_F(OneEtcd, AChangedLifeTakesTheLeaderKeyAlong) {
    const ports::Renewal first = driver.must_renew(20s);
    const Revision created =
        driver.must_write({{"leader", "a", true, {Expect::absent()}}, {"members/a", "x", true, {}}});
    const ports::Renewal second = driver.must_renew(30s, ports::Claim{"a", created});
    EXPECT_TRUE(second.fresh);
    EXPECT_EQ(second.life, 30s);
    EXPECT_NE(second.lease, first.lease);
    EXPECT_EQ(second.leadership, Leadership::confirmed);
    const auto keys = oracle.keys(prefix());
    EXPECT_EQ(keys.at("leader").lease, second.lease);
    EXPECT_EQ(keys.at("leader").created, created);
    EXPECT_EQ(keys.at("members/a").lease, first.lease);  // the caller is told to write it again
    EXPECT_FALSE(driver.must_ended(first.lease));
    EXPECT_EQ(driver.must_renew(30s, ports::Claim{"a", created}).leadership, Leadership::confirmed);
}

TEST_F(OneEtcd, ARestartedAgentGoesOnWithItsLease) {
    const ports::Renewal first = driver.must_renew(20s);
    const Revision created = driver.must_write({{"leader", "a", true, {Expect::absent()}}});
    Driver restarted{etcd_->options(prefix())};
    restarted.store().adopt(first.lease, 20s);
    const ports::Renewal second = restarted.must_renew(20s, ports::Claim{"a", created});
    EXPECT_EQ(second.lease, first.lease);
    EXPECT_FALSE(second.fresh);
    EXPECT_EQ(second.leadership, Leadership::confirmed);

    // Without the lease, it takes the key under its new one.
    Driver forgetful{etcd_->options(prefix())};
    const ports::Renewal third = forgetful.must_renew(20s, ports::Claim{"a", created});
    EXPECT_TRUE(third.fresh);
    EXPECT_EQ(third.leadership, Leadership::confirmed);
    EXPECT_EQ(oracle.keys(prefix()).at("leader").lease, third.lease);

    Driver late{etcd_->options(prefix())};
    late.store().adopt(LeaseId{123456789}, 20s);  // long gone
    EXPECT_TRUE(late.must_renew(20s).fresh);
}

TEST_F(OneEtcd, OneOfManyWinsTheRaceForTheLeaderKey) {
    std::vector<std::unique_ptr<Driver>> drivers;
    int won = 0;
    for (int i = 0; i < 5; ++i) drivers.push_back(std::make_unique<Driver>(etcd_->options(prefix())));
    for (auto& racer : drivers) {
        racer->must_renew(20s);
        auto result = racer->write({{"leader", "x", true, {Expect::absent()}}});
        if (result)
            ++won;
        else
            EXPECT_EQ(result.error().code, Errc::conflict);
    }
    EXPECT_EQ(won, 1);
}

}  // namespace
}  // namespace castle::dcs::testing
