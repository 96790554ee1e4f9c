// This node's lease, and the proof that leadership still hangs on it.
//
// A renewed lease is not leadership: a leader of etcd that was deposed without noticing renews from memory what its
// successor lets lapse. So a claim is confirmed by a transaction that is sent after the keep-alive was answered and
// finds the leader key with our name, create revision and lease, both answers of one raft term; and it counts from when
// the keep-alive was sent. One renewal at a time; on the loop's thread.
#pragma once

#include <optional>
#include <string>

#include "dcs/etcd/client.hpp"
#include "dcs/etcd/snapshot_cache.hpp"
#include "ports/store.hpp"

namespace castle::dcs {

class LeaseHolder {
public:
    LeaseHolder(Client& client, SnapshotCache& cache, std::string leader_key)
        : client_(client), cache_(cache), leader_key_(std::move(leader_key)) {}

    Task<Result<ports::Renewal>> renew(Duration life, std::optional<ports::Claim> claim, BootTime deadline);
    void adopt(LeaseId lease, Duration life);
    LeaseId lease() const { return lease_; }
    void forget(LeaseId lease);  // the store says that it is gone
    Task<Result<ports::LeaseLook>> look(LeaseId lease, BootTime deadline);
    Task<Result<ports::LeaseEnd>> ended(LeaseId lease, BootTime deadline);
    Task<Status> remove(LeaseId lease, std::uint64_t term, BootTime deadline);

private:
    struct Prolonged {
        Duration life{};
        BootTime sent{};
        std::uint64_t term = 0;
    };
    enum class Proof { confirmed, lost, of_another_term, elsewhere };

    Task<Result<Prolonged>> prolong(Duration life, BootTime deadline);
    Task<Result<Prolonged>> keep_alive(BootTime deadline);  // Errc::not_found: the lease is gone
    Task<Result<Prolonged>> grant(Duration life, BootTime deadline);
    Task<Result<Proof>> confirm(ports::Claim claim, LeaseId lease, std::uint64_t term, BootTime deadline);
    Task<Result<std::uint64_t>> quorum_term(BootTime deadline);

    Client& client_;
    SnapshotCache& cache_;
    std::string leader_key_;
    LeaseId lease_{};
    Duration asked_life_{};  // what the lease was asked for with
    bool fresh_ = false;     // granted, and the caller does not know yet
};

}  // namespace castle::dcs
