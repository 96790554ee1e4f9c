// Between the port's values and etcd's messages. Pure.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/snapshot.hpp"
#include "ports/store.hpp"
#include "src/wire/etcd/etcd.pb.h"

namespace castle::dcs {

// The end of the range of all keys that begin with `prefix`: its last byte one higher.
std::string range_end(std::string_view prefix);

etcdpb::RangeRequest whole_range(const std::string& prefix);
core::Snapshot snapshot_of(const etcdpb::RangeResponse& response, std::string_view prefix);

// Takes the events that are newer than the snapshot into it. Says whether there were any.
bool fold(core::Snapshot& snapshot, const etcdpb::WatchResponse& response, std::string_view prefix);

// All expectations as comparisons, all changes as operations; leased ones under `lease`.
etcdpb::TxnRequest txn_of(const std::vector<core::KeyWrite>& writes, const std::string& prefix, LeaseId lease);

// "Is the leader key ours, at this create revision, under this lease?" with the key itself read if not.
etcdpb::TxnRequest confirm_txn(const std::string& leader_key, const ports::Claim& claim, LeaseId lease);
// Puts the leader key under `lease`, if it is still the very one of `seen`.
etcdpb::TxnRequest move_txn(const etcdpb::KeyValue& seen, LeaseId lease);

}  // namespace castle::dcs
