// The cluster's keys in etcd, by its v3 protocol. See ports/store.hpp for what the calls promise.
//
// All on the loop's thread. Calls in progress must end before the store does.
#pragma once

#include <memory>
#include <string>

#include "dcs/etcd/client.hpp"
#include "dcs/etcd/feed.hpp"
#include "dcs/etcd/lease_holder.hpp"
#include "dcs/etcd/snapshot_cache.hpp"
#include "ports/store.hpp"

namespace castle::dcs {

class EtcdStore final : public ports::Store {
public:
    EtcdStore(io::Loop& loop, EtcdOptions options);

    Task<Result<std::shared_ptr<const core::Snapshot>>> read(BootTime deadline) override;
    std::shared_ptr<const core::Snapshot> cached() const override { return cache_.get(); }
    Signal& changed() override { return cache_.changed(); }
    std::uint64_t incarnation() const override { return client_.incarnation(); }
    Task<Result<Revision>> write(std::vector<core::KeyWrite> writes, BootTime deadline) override;
    Task<Result<ports::Renewal>> renew(Duration life, std::optional<ports::Claim> claim, BootTime deadline) override;
    void adopt(LeaseId lease, Duration life) override { lease_.adopt(lease, life); }
    Task<Result<ports::LeaseLook>> look(LeaseId lease, BootTime deadline) override {
        return lease_.look(lease, deadline);
    }
    Task<Result<ports::LeaseEnd>> ended(LeaseId lease, BootTime deadline) override {
        return lease_.ended(lease, deadline);
    }
    Task<Status> remove(LeaseId lease, std::uint64_t term, BootTime deadline) override {
        return lease_.remove(lease, term, deadline);
    }

    const Client& client() const { return client_; }

private:
    std::string prefix_;
    Client client_;
    SnapshotCache cache_;
    LeaseHolder lease_;
    Scope scope_;
};

}  // namespace castle::dcs
