#include "dcs/etcd/snapshot_cache.hpp"

#include <gtest/gtest.h>

#include "dcs/etcd/messages.hpp"

namespace castle::dcs {
namespace {

constexpr std::string_view prefix = "/service/test/";

core::Snapshot snapshot(std::int64_t revision, std::map<std::string, core::StoredValue> keys = {},
                        std::uint64_t cluster = 1) {
    return {.revision = Revision{revision}, .cluster_id = cluster, .raft_term = 2, .keys = std::move(keys)};
}
core::StoredValue value(std::string text, std::int64_t created, std::int64_t modified) {
    return {std::move(text), Revision{created}, Revision{modified}, {}};
}

class Events {
public:
    explicit Events(std::uint64_t cluster = 1) { response_.mutable_header()->set_cluster_id(cluster); }
    Events& put(const std::string& key, const std::string& text, std::int64_t created, std::int64_t modified) {
        add(key, modified, etcdpb::Event::PUT).set_value(text);
        response_.mutable_events()->rbegin()->mutable_kv()->set_create_revision(created);
        return *this;
    }
    Events& remove(const std::string& key, std::int64_t modified) {
        add(key, modified, etcdpb::Event::DELETE);
        return *this;
    }
    operator const etcdpb::WatchResponse&() const { return response_; }

private:
    etcdpb::KeyValue& add(const std::string& key, std::int64_t modified, etcdpb::Event::EventType type) {
        auto& event = *response_.add_events();
        event.set_type(type);
        event.mutable_kv()->set_key(std::string(prefix) + key);
        event.mutable_kv()->set_mod_revision(modified);
        return *event.mutable_kv();
    }
    etcdpb::WatchResponse response_;
};

TEST(SnapshotCache, FoldsEventsAndPassesOverThoseItKnows) {
    SnapshotCache cache;
    cache.set_in_step(true);
    cache.take_read(snapshot(10, {{"leader", value("a", 5, 9)}, {"sync", value("x", 6, 6)}}), Revision{});
    auto seen = cache.changed().count();
    cache.take_events(Events().put("leader", "old", 5, 8).remove("sync", 10), prefix);  // were in the read
    EXPECT_EQ(cache.get()->keys.size(), 2u);
    EXPECT_EQ(cache.changed().count(), seen);

    // Two changes of one revision belong together.
    cache.take_events(Events().remove("leader", 12).remove("sync", 12).put("status", "1", 12, 12), prefix);
    EXPECT_EQ(cache.get()->revision, Revision{12});
    EXPECT_EQ(cache.get()->keys, (std::map<std::string, core::StoredValue>{{"status", value("1", 12, 12)}}));
    EXPECT_GT(cache.changed().count(), seen);
}

TEST(SnapshotCache, NeverShowsWhatIsOlderThanAnAnswer) {
    SnapshotCache cache;
    EXPECT_EQ(cache.get(), nullptr);
    cache.take_read(snapshot(10), Revision{});
    EXPECT_EQ(cache.get(), nullptr);  // the watch is not in step
    cache.set_in_step(true);
    ASSERT_NE(cache.get(), nullptr);
    cache.raise_floor(Revision{13});  // a write was answered
    EXPECT_EQ(cache.get(), nullptr);
    cache.take_events(Events().put("leader", "a", 12, 12), prefix);
    EXPECT_EQ(cache.get(), nullptr);
    cache.take_events(Events().put("leader", "b", 12, 13), prefix);
    ASSERT_NE(cache.get(), nullptr);
    EXPECT_EQ(cache.get()->keys.at("leader").value, "b");
    cache.take_read(snapshot(11), cache.floor());  // impossible of the same store: see below
    cache.set_in_step(false);
    EXPECT_EQ(cache.get(), nullptr);
}

TEST(SnapshotCache, ALateReadDoesNotUndoWhatTheWatchHasBrought) {
    SnapshotCache cache;
    cache.set_in_step(true);
    cache.take_read(snapshot(10), Revision{});
    const Revision floor = cache.floor();
    cache.take_events(Events().put("leader", "a", 12, 12), prefix);
    cache.take_read(snapshot(11), floor);
    EXPECT_EQ(cache.get()->revision, Revision{12});
    EXPECT_TRUE(cache.get()->keys.contains("leader"));
}

TEST(SnapshotCache, ReadsThatChangeNothingDisturbNobody) {
    SnapshotCache cache;
    cache.take_read(snapshot(10, {{"a", value("1", 3, 3)}}), Revision{});
    const auto seen = cache.changed().count();
    cache.take_read(snapshot(20, {{"a", value("1", 3, 3)}}), cache.floor());
    EXPECT_EQ(cache.changed().count(), seen);
    EXPECT_EQ(cache.last()->revision, Revision{20});
}

TEST(SnapshotCache, AReplacedStoreStartsAnew) {
    SnapshotCache cache;
    cache.set_in_step(true);
    cache.take_read(snapshot(1000, {{"leader", value("a", 5, 9)}}), Revision{});
    cache.take_events(Events(2).put("leader", "b", 1001, 1001), prefix);  // of another cluster
    EXPECT_EQ(cache.get()->revision, Revision{1000});
    cache.take_read(snapshot(3, {}, 2), cache.floor());
    ASSERT_NE(cache.get(), nullptr);
    EXPECT_EQ(cache.get()->revision, Revision{3});
    EXPECT_TRUE(cache.get()->keys.empty());

    // Restored from a backup: the same cluster, and a linearizable read that is older than an answer before it.
    cache.take_read(snapshot(500, {}, 2), cache.floor());
    cache.take_read(snapshot(400, {}, 2), cache.floor());
    EXPECT_EQ(cache.get()->revision, Revision{400});
}

TEST(Messages, TheEndOfARangeIsTheNextPrefix) {
    EXPECT_EQ(range_end("/a/"), "/a0");
    EXPECT_EQ(range_end("a\xff"), "b");
    EXPECT_EQ(range_end("\xff\xff"), std::string(1, '\0'));
    EXPECT_EQ(range_end(""), std::string(1, '\0'));
}

TEST(Messages, FoldingGarbageKeepsTheSnapshotWhole) {
    core::Snapshot base = snapshot(10, {{"leader", value("a", 5, 9)}});
    etcdpb::WatchResponse response;
    response.add_events();  // no key at all
    response.add_events()->mutable_kv()->set_key("/elsewhere");
    response.mutable_events()->rbegin()->mutable_kv()->set_mod_revision(99);
    EXPECT_FALSE(fold(base, response, prefix));
    EXPECT_EQ(base.revision, Revision{10});
    EXPECT_EQ(base.keys.size(), 1u);
}

}  // namespace
}  // namespace castle::dcs
