// The store of the cluster's keys: etcd, Consul, ZooKeeper, or the simulator's.
//
// Keys are named relative to the cluster's prefix. Every write that may have happened without our knowing answers with
// Effect::unknown; the caller reads again before deciding anything. One loop, one thread.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "core/snapshot.hpp"
#include "task/wait.hpp"

namespace castle::ports {

// The leadership that a renewal has to confirm.
struct Claim {
    std::string name;               // value of the leader key
    Revision created{};             // its create revision
    std::uint64_t incarnation = 0;  // of the store in which that was
};

struct Renewal {
    // elsewhere: the store is not the one of the claim any more, and says nothing about it.
    enum class Leadership { not_asked, confirmed, lost, elsewhere };
    LeaseId lease{};
    Duration life{};     // what the store granted this lease
    BootTime sent{};     // when the keep-alive (or the grant) that counts was sent
    bool fresh = false;  // a new lease: leased keys other than the leader key must be written again
    Leadership leadership = Leadership::not_asked;
};

// How long a lease lives on unless it is renewed.
struct LeaseLook {
    Duration left{};         // at least, and less than a second more
    Duration life{};         // as granted
    BootTime asked{};        // when the question was sent
    std::uint64_t term = 0;  // of the store's leader that answered, from memory: it may have been deposed
};

struct LeaseEnd {
    bool ended = false;      // expired or revoked
    std::uint64_t term = 0;  // of the store's leader, which a quorum knows as such
};

class Store {
public:
    virtual ~Store() = default;

    // Everything below the prefix, linearizable: sees every write that was answered before this call.
    virtual Task<Result<std::shared_ptr<const core::Snapshot>>> read(BootTime deadline) = 0;

    // What the watch has brought, or null while the watch is not in step (then call read()). Never older than a write
    // of this object that was answered.
    virtual std::shared_ptr<const core::Snapshot> cached() const = 0;

    // Notified when cached() has changed.
    virtual Signal& changed() = 0;

    // Of the store that answers now, as Snapshot::incarnation; 0 before the first answer. It moves on when the store is
    // found to be another one, or put back to an older state.
    virtual std::uint64_t incarnation() const = 0;

    // All of them or none, and only in the store of incarnation(): if it turns out to be another one, the outcome is
    // Effect::unknown and nothing that was known holds. Errc::conflict: an expectation did not hold, nothing was
    // written. Leased writes need a lease from renew(); Errc::not_found: that lease is gone (nothing was written).
    virtual Task<Result<Revision>> write(std::vector<core::KeyWrite> writes, BootTime deadline) = 0;

    // Prolongs this node's lease, or takes a new one of `life` if there is none, the old one is gone, or `life`
    // changed. With a claim: then finds the leader key with that name, create revision and our lease in a transaction
    // sent after the answer, both answers of the same raft term; if the lease is a fresh one made for a changed `life`,
    // the key is moved under it. Leadership::lost: the key is surely not ours any more.
    virtual Task<Result<Renewal>> renew(Duration life, std::optional<Claim> claim, BootTime deadline) = 0;

    // Takes over a lease that this node held before its agent was restarted (found on its member key).
    virtual void adopt(LeaseId lease, Duration life) = 0;

    // Cheap. Errc::not_found: there is no such lease.
    virtual Task<Result<LeaseLook>> look(LeaseId lease, BootTime deadline) = 0;

    // Whether a lease has ended: proof that keys vanished with it and not by hand.
    virtual Task<Result<LeaseEnd>> ended(LeaseId lease, BootTime deadline) = 0;

    // Removes another's lease, and all that hangs on it. Only for one that has run out by the word of the store's
    // leader of that term: it renews it no more, but looks for such leases only now and then. Errc::conflict: another
    // leads the store now. A lease that is gone already is no error.
    virtual Task<Status> remove(LeaseId lease, std::uint64_t term, BootTime deadline) = 0;
};

}  // namespace castle::ports
