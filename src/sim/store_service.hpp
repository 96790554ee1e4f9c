// The store's servers, as far as their clients can tell: etcd, three of them, as one linearizable state machine.
//
// Faithful where it matters to us: revisions, create and modify revisions, leases that lapse by the leader's clock and
// take all their keys with them in one revision, a new leader that gives every lease its full life again, and a deposed
// leader with a hung disk that goes on renewing leases from memory while its successor lets them lapse.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "core/snapshot.hpp"
#include "sim/network.hpp"
#include "task/wait.hpp"

namespace castle::sim {

class StoreService {
public:
    static constexpr int servers = 3;

    // Its servers are the hosts from `first_host` on.
    StoreService(World& world, HostId first_host, int clock_ppm);

    HostId host(int server) const { return HostId{index(first_host_) + server}; }

    // What clients ask of one server. Nothing: it does not answer (no quorum, no leader). Only of servers that are up.
    struct Grant {
        LeaseId lease;
        Duration life;
        std::uint64_t term;
    };
    struct KeepAlive {
        bool alive;
        Duration life;  // as granted
        std::uint64_t term;
    };
    struct Found {
        std::optional<core::StoredValue> value;
        std::uint64_t term;
    };
    std::optional<std::shared_ptr<const core::Snapshot>> read(int server);
    std::optional<Result<Revision>> write(int server, const std::vector<core::KeyWrite>& writes, LeaseId lease);
    std::optional<Found> get(int server, const std::string& key);
    std::optional<Grant> grant(int server, Duration life);
    std::optional<KeepAlive> keep_alive(int server, LeaseId lease);
    struct Look {
        bool alive;
        Duration left;  // in whole seconds
        Duration life;
        std::uint64_t term;
    };
    std::optional<Look> look(int server, LeaseId lease);
    std::optional<Done> remove(int server, LeaseId lease);

    // Until it runs out; it is removed some time after that.
    Duration left(LeaseId lease) const { return left(leases_.at(lease)); }

    // Leases that members have removed, instead of waiting for the store to do so.
    int removed() const { return removed_; }

    bool up(int server) const { return up_[server]; }
    // Takes part in the quorum at this moment: answers, and brings watch events.
    bool in_quorum(int server) const { return leader_ >= 0 && up_[server] && !isolated_[server]; }
    Duration latency();  // of one request at the server
    // Which store this is: another number after it was replaced or restored. Clients tell by ids, terms and revisions
    // (core/store_identity.hpp has its own tests).
    std::uint64_t generation() const { return generation_; }

    // The state, seen by the simulator.
    std::shared_ptr<const core::Snapshot> snapshot();
    const std::map<std::string, core::StoredValue>& keys() const { return keys_; }
    const core::StoredValue* key(const std::string& name) const;
    Signal& changed() { return changed_; }

    // What goes wrong.
    void set_up(int server, bool up);
    void elect();                          // the leadership moves; nobody answers meanwhile
    void depose_unnoticed(Duration time);  // the leader is cut off from its peers and does not know it
    void revoke(LeaseId lease);
    // By hand, each in one transaction; without a leader nothing comes of it.
    void erase(const std::vector<std::string>& names);
    void erase_all();
    void put(const std::string& name, std::string value);
    // All servers lose their data and come back as a new cluster; or with what save() has kept, leases and all.
    void replace();
    void save();
    // Was there when it was restored: nobody has taken it in this store.
    bool left_over(const core::StoredValue& value) const { return number(value.modified) <= restored_; }
    bool saved() const { return saved_.has_value(); }
    void restore();
    bool slow = false;  // the servers' disks are

private:
    struct Lease {
        Duration life;
        BootTime ends;
    };
    struct Saved {
        std::int64_t revision;
        std::map<std::string, core::StoredValue> keys;
        std::map<LeaseId, Lease> leases;
    };
    void become(Saved state);
    void lost_server();
    void watch_lease(LeaseId id);
    Duration left(const Lease& lease) const;
    void lapse(LeaseId id);
    void next_revision();
    bool holds(const core::Expect& expect, const core::StoredValue* value) const;

    World& world_;
    HostId first_host_;
    int clock_ppm_;
    bool up_[servers]{true, true, true};
    bool isolated_[servers]{};
    int leader_ = 0;
    int stale_ = -1;  // believes that it leads
    std::uint64_t stale_term_ = 0;
    std::map<LeaseId, Lease> stale_leases_;
    std::uint64_t term_ = 2;
    std::int64_t revision_ = 1;
    std::int64_t next_lease_ = 7'587'000'000;
    std::map<std::string, core::StoredValue> keys_;
    std::map<LeaseId, Lease> leases_;
    int removed_ = 0;
    std::uint64_t generation_ = 1;
    std::optional<Saved> saved_;
    std::int64_t restored_ = 0;  // to this revision
    std::shared_ptr<const core::Snapshot> snapshot_;
    Signal changed_;
};

}  // namespace castle::sim
