#include "dcs/etcd/snapshot_cache.hpp"

#include <algorithm>

#include "dcs/etcd/messages.hpp"

namespace castle::dcs {

SnapshotCache::SnapshotPtr SnapshotCache::get() const {
    return in_step_ && snapshot_ && snapshot_->revision >= floor_ ? snapshot_ : nullptr;
}

void SnapshotCache::take_read(core::Snapshot snapshot, Revision floor_before) {
    // A linearizable read cannot be older than what was answered before it began: then this is another store under the
    // same address, new or restored from a backup.
    if (snapshot_ && snapshot.incarnation < snapshot_->incarnation) return;  // of a store that is no more
    const bool replaced =
        snapshot_ && (snapshot.incarnation != snapshot_->incarnation || snapshot.cluster_id != snapshot_->cluster_id ||
                      snapshot.revision < floor_before);
    if (replaced)
        floor_ = snapshot.revision;
    else if (snapshot_ && snapshot.revision <= snapshot_->revision)
        return;  // the watch, or another read, was faster
    floor_ = std::max(floor_, snapshot.revision);
    const bool differs = !snapshot_ || replaced || snapshot.keys != snapshot_->keys;
    snapshot_ = std::make_shared<const core::Snapshot>(std::move(snapshot));
    if (differs) changed_.notify();
}

void SnapshotCache::take_events(const etcdpb::WatchResponse& response, std::string_view prefix) {
    if (!snapshot_ || response.header().cluster_id() != snapshot_->cluster_id) return;
    core::Snapshot next = *snapshot_;
    if (!fold(next, response, prefix)) return;
    snapshot_ = std::make_shared<const core::Snapshot>(std::move(next));
    changed_.notify();
}

void SnapshotCache::raise_floor(Revision revision) {
    floor_ = std::max(floor_, revision);
}

void SnapshotCache::set_in_step(bool in_step) {
    if (std::exchange(in_step_, in_step) != in_step) changed_.notify();
}

}  // namespace castle::dcs
