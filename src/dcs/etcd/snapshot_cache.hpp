// The snapshot that reads and the watch keep up to date, and whether it may be shown. Never older than anything this
// store has already answered with. Pure, but for the signal.
#pragma once

#include <memory>
#include <string_view>

#include "core/snapshot.hpp"
#include "src/wire/etcd/etcd.pb.h"
#include "task/wait.hpp"

namespace castle::dcs {

class SnapshotCache {
public:
    using SnapshotPtr = std::shared_ptr<const core::Snapshot>;

    // Null while the watch is not in step, or has not yet brought what we know to have happened.
    SnapshotPtr get() const;
    SnapshotPtr last() const { return snapshot_; }  // in step or not

    // A linearizable read that was begun when floor() was `floor_before` has been answered.
    void take_read(core::Snapshot snapshot, Revision floor_before);
    // The watch has brought something.
    void take_events(const etcdpb::WatchResponse& response, std::string_view prefix);
    // A write was answered with this revision: what is older must not be shown any more.
    void raise_floor(Revision revision);
    Revision floor() const { return floor_; }

    void set_in_step(bool in_step);
    Signal& changed() { return changed_; }

private:
    SnapshotPtr snapshot_;
    Revision floor_{};
    bool in_step_ = false;
    Signal changed_;
};

}  // namespace castle::dcs
