// Keeps the snapshot cache in step with etcd by a watch on everything below the prefix.
//
// After a lost connection the watch goes on from the revision after the last one known; if that has been compacted
// away, from now. Either way one linearizable read, sent after the watch was confirmed, closes every gap before the
// cache counts as in step. A silent watch is asked for a sign of life each second, so that one that hangs is left.
#pragma once

#include "dcs/etcd/client.hpp"
#include "dcs/etcd/snapshot_cache.hpp"

namespace castle::dcs {

// Everything below the prefix, in one linearizable read; the cache gets it as well.
Task<Result<SnapshotCache::SnapshotPtr>> read_all(Client& client, SnapshotCache& cache, std::string prefix,
                                                  BootTime deadline);

// Runs until it is destroyed.
Task<> feed(Client& client, SnapshotCache& cache, std::string prefix);

}  // namespace castle::dcs
