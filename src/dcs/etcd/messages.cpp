#include "dcs/etcd/messages.hpp"

#include <algorithm>

namespace castle::dcs {
namespace {

using etcdpb::Compare;

Compare& equal(etcdpb::TxnRequest& txn, const std::string& key, Compare::CompareTarget target) {
    Compare& compare = *txn.add_compare();
    compare.set_result(Compare::EQUAL);
    compare.set_target(target);
    compare.set_key(key);
    return compare;
}

void add_expectation(etcdpb::TxnRequest& txn, const std::string& key, const core::Expect& expect) {
    using What = core::Expect::What;
    switch (expect.what) {
        case What::anything: break;
        case What::absent: equal(txn, key, Compare::CREATE).set_create_revision(0); break;
        case What::created_at: equal(txn, key, Compare::CREATE).set_create_revision(number(expect.revision)); break;
        case What::modified_at: equal(txn, key, Compare::MOD).set_mod_revision(number(expect.revision)); break;
        case What::value_is: equal(txn, key, Compare::VALUE).set_value(expect.value); break;
        case What::leased_by: equal(txn, key, Compare::LEASE).set_lease(number(expect.lease)); break;
    }
}

core::StoredValue value_of(const etcdpb::KeyValue& kv) {
    return {kv.value(), Revision{kv.create_revision()}, Revision{kv.mod_revision()}, LeaseId{kv.lease()}};
}

}  // namespace

std::string range_end(std::string_view prefix) {
    std::string end(prefix);
    while (!end.empty() && static_cast<unsigned char>(end.back()) == 0xff) end.pop_back();
    if (end.empty()) return std::string(1, '\0');  // everything
    end.back() = static_cast<char>(static_cast<unsigned char>(end.back()) + 1);
    return end;
}

etcdpb::RangeRequest whole_range(const std::string& prefix) {
    etcdpb::RangeRequest request;
    request.set_key(prefix);
    request.set_range_end(range_end(prefix));
    return request;
}

core::Snapshot snapshot_of(const etcdpb::RangeResponse& response, std::string_view prefix) {
    core::Snapshot snapshot;
    snapshot.revision = Revision{response.header().revision()};
    snapshot.cluster_id = response.header().cluster_id();
    snapshot.raft_term = response.header().raft_term();
    for (const auto& kv : response.kvs())
        if (kv.key().starts_with(prefix)) snapshot.keys.emplace(kv.key().substr(prefix.size()), value_of(kv));
    return snapshot;
}

bool fold(core::Snapshot& snapshot, const etcdpb::WatchResponse& response, std::string_view prefix) {
    bool changed = false;
    // Several events may bear one revision: compare with where the snapshot stood before all of them.
    const Revision before = snapshot.revision;
    for (const auto& event : response.events()) {
        const auto& kv = event.kv();
        const Revision modified{kv.mod_revision()};
        if (modified <= before || !kv.key().starts_with(prefix)) continue;
        const std::string key = kv.key().substr(prefix.size());
        if (event.type() == etcdpb::Event::DELETE)
            snapshot.keys.erase(key);
        else
            snapshot.keys[key] = value_of(kv);
        snapshot.revision = std::max(snapshot.revision, modified);
        changed = true;
    }
    return changed;
}

etcdpb::TxnRequest txn_of(const std::vector<core::KeyWrite>& writes, const std::string& prefix, LeaseId lease) {
    etcdpb::TxnRequest txn;
    for (const auto& write : writes) {
        const std::string key = prefix + write.key;
        for (const auto& expect : write.expect) add_expectation(txn, key, expect);
        etcdpb::RequestOp& op = *txn.add_success();
        if (write.value) {
            op.mutable_request_put()->set_key(key);
            op.mutable_request_put()->set_value(*write.value);
            if (write.leased) op.mutable_request_put()->set_lease(number(lease));
        } else {
            op.mutable_request_delete_range()->set_key(key);
        }
    }
    return txn;
}

etcdpb::TxnRequest confirm_txn(const std::string& leader_key, const ports::Claim& claim, LeaseId lease) {
    etcdpb::TxnRequest txn;
    equal(txn, leader_key, Compare::VALUE).set_value(claim.name);
    equal(txn, leader_key, Compare::CREATE).set_create_revision(number(claim.created));
    equal(txn, leader_key, Compare::LEASE).set_lease(number(lease));
    txn.add_failure()->mutable_request_range()->set_key(leader_key);
    return txn;
}

etcdpb::TxnRequest move_txn(const etcdpb::KeyValue& seen, LeaseId lease) {
    etcdpb::TxnRequest txn;
    equal(txn, seen.key(), Compare::MOD).set_mod_revision(seen.mod_revision());
    etcdpb::PutRequest& put = *txn.add_success()->mutable_request_put();
    put.set_key(seen.key());
    put.set_value(seen.value());
    put.set_lease(number(lease));
    return txn;
}

}  // namespace castle::dcs
