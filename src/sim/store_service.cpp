#include "sim/store_service.hpp"

namespace castle::sim {
namespace {

constexpr Duration shortest_life = 2s;   // etcd refuses less: it has to outlive an election
constexpr Duration lapse_check = 500ms;  // how often the lessor looks for leases that have ended

}  // namespace

StoreService::StoreService(World& world, HostId first_host, int clock_ppm)
    : world_(world), first_host_(first_host), clock_ppm_(clock_ppm) {}

Duration StoreService::latency() {
    return slow ? world_.random().between(100ms, 1500ms) : world_.random().between(0ms, 2ms);
}

std::shared_ptr<const core::Snapshot> StoreService::snapshot() {
    if (!snapshot_) {
        auto fresh = std::make_shared<core::Snapshot>();
        fresh->revision = Revision{revision_};
        fresh->cluster_id = 0xcdf818194e3a8c32;
        fresh->raft_term = term_;
        fresh->incarnation = generation_;
        fresh->keys = keys_;
        snapshot_ = std::move(fresh);
    }
    return snapshot_;
}

const core::StoredValue* StoreService::key(const std::string& name) const {
    const auto found = keys_.find(name);
    return found == keys_.end() ? nullptr : &found->second;
}

void StoreService::next_revision() {
    snapshot_.reset();
    changed_.notify();
}

std::optional<std::shared_ptr<const core::Snapshot>> StoreService::read(int server) {
    if (!in_quorum(server)) return std::nullopt;
    return snapshot();
}

bool StoreService::holds(const core::Expect& expect, const core::StoredValue* value) const {
    switch (expect.what) {
        case core::Expect::What::anything: return true;
        case core::Expect::What::absent: return !value;
        case core::Expect::What::created_at: return value && value->created == expect.revision;
        case core::Expect::What::modified_at: return value && value->modified == expect.revision;
        case core::Expect::What::value_is: return value && value->value == expect.value;
        case core::Expect::What::leased_by: return value && value->lease == expect.lease;
    }
    return false;
}

std::optional<Result<Revision>> StoreService::write(int server, const std::vector<core::KeyWrite>& writes,
                                                    LeaseId lease) {
    if (!in_quorum(server)) return std::nullopt;
    for (const core::KeyWrite& write : writes) {
        if (write.leased && write.value && !leases_.contains(lease))
            return Error{Errc::not_found, "etcdserver: requested lease not found"};
        for (const core::Expect& expect : write.expect)
            if (!holds(expect, key(write.key))) return Error{Errc::conflict, write.key + " has changed"};
    }
    ++revision_;
    for (const core::KeyWrite& write : writes) {
        if (!write.value) {
            keys_.erase(write.key);
            continue;
        }
        core::StoredValue& stored = keys_[write.key];
        stored.value = *write.value;
        stored.modified = Revision{revision_};
        if (number(stored.created) == 0) stored.created = Revision{revision_};
        stored.lease = write.leased ? lease : LeaseId{};
    }
    next_revision();
    return Result<Revision>(Revision{revision_});
}

std::optional<StoreService::Found> StoreService::get(int server, const std::string& name) {
    if (!in_quorum(server)) return std::nullopt;
    Found found{std::nullopt, term_};
    if (const auto* value = key(name)) found.value = *value;
    return found;
}

std::optional<StoreService::Grant> StoreService::grant(int server, Duration life) {
    if (!in_quorum(server)) return std::nullopt;
    life =
        std::max(std::chrono::ceil<std::chrono::seconds>(life), std::chrono::ceil<std::chrono::seconds>(shortest_life));
    const LeaseId id{++next_lease_};
    leases_[id] = {life, world_.now() + life};
    watch_lease(id);
    return Grant{id, life, term_};
}

std::optional<StoreService::KeepAlive> StoreService::keep_alive(int server, LeaseId lease) {
    if (server == stale_ && up_[server]) {
        const auto remembered = stale_leases_.find(lease);
        if (remembered == stale_leases_.end()) return KeepAlive{false, {}, stale_term_};
        return KeepAlive{true, remembered->second.life, stale_term_};
    }
    if (!in_quorum(server)) return std::nullopt;
    const auto found = leases_.find(lease);
    if (found == leases_.end()) return KeepAlive{false, {}, term_};
    if (left(found->second) <= 0ms) return std::nullopt;  // waits until it is revoked
    found->second.ends = world_.now() + found->second.life;
    return KeepAlive{true, found->second.life, term_};
}

std::optional<StoreService::Look> StoreService::look(int server, LeaseId lease) {
    const bool stale = server == stale_ && up_[server];
    if (!stale && !in_quorum(server)) return std::nullopt;
    const auto& leases = stale ? stale_leases_ : leases_;
    const auto term = stale ? stale_term_ : term_;
    const auto found = leases.find(lease);
    if (found == leases.end()) return Look{false, {}, {}, term};
    const Duration rest = std::max(left(found->second), 0ms);
    return Look{true, std::chrono::floor<std::chrono::seconds>(rest), found->second.life, term};
}

std::optional<Done> StoreService::remove(int server, LeaseId lease) {
    if (!in_quorum(server)) return std::nullopt;
    if (leases_.contains(lease)) {
        world_.note("store", "lease %1 is removed", {number(lease)});
        ++removed_;
        lapse(lease);
    }
    return Done{};
}

// The leader's clock may run fast or slow.
Duration StoreService::left(const Lease& lease) const {
    const Duration drift{lease.life.count() * clock_ppm_ / 1'000'000};
    return lease.ends - drift - world_.now();
}

// The leader looks now and then only; a lease is never revoked before it has run out by its clock.
void StoreService::watch_lease(LeaseId id) {
    world_.after(std::max(left(id), 0ms) + world_.random().between(1ms, lapse_check), [this, id] {
        const auto found = leases_.find(id);
        if (found == leases_.end()) return;
        if (left(found->second) > 0ms || leader_ < 0) return watch_lease(id);
        world_.note("store", "lease %1 has lapsed", {number(id)});
        lapse(id);
    });
}

void StoreService::lapse(LeaseId id) {
    leases_.erase(id);
    const auto erased = std::erase_if(keys_, [&](const auto& entry) { return entry.second.lease == id; });
    if (erased == 0) return;
    ++revision_;
    next_revision();
}

void StoreService::revoke(LeaseId lease) {
    if (!leases_.contains(lease)) return;
    world_.note("store", "lease %1 is revoked by hand", {number(lease)});
    lapse(lease);
}

void StoreService::erase(const std::vector<std::string>& names) {
    bool any = false;
    if (leader_ < 0) return;
    for (const std::string& name : names) any |= keys_.erase(name) > 0;
    if (!any) return;
    ++revision_;
    next_revision();
}

void StoreService::erase_all() {
    if (keys_.empty() || leader_ < 0) return;
    keys_.clear();
    ++revision_;
    next_revision();
}

void StoreService::put(const std::string& name, std::string value) {
    if (leader_ < 0) return;
    ++revision_;
    core::StoredValue& stored = keys_[name];
    stored.value = std::move(value);
    stored.modified = Revision{revision_};
    if (number(stored.created) == 0) stored.created = Revision{revision_};
    stored.lease = {};
    next_revision();
}

void StoreService::replace() {
    world_.note("store", "is replaced by an empty one");
    become({1, {}, {}});
}

void StoreService::save() {
    saved_ = Saved{revision_, keys_, leases_};
}

void StoreService::restore() {
    world_.note("store", "is put back from revision %1 to %2", {revision_, saved_->revision});
    become(*saved_);
}

void StoreService::become(Saved state) {
    ++generation_;
    revision_ = restored_ = state.revision;
    keys_ = std::move(state.keys);
    leases_ = std::move(state.leases);
    stale_leases_.clear();
    for (auto& [id, lease] : leases_) {
        lease.ends = world_.now() + lease.life;
        watch_lease(id);
    }
    next_revision();
    elect();
}

void StoreService::set_up(int server, bool up) {
    if (up_[server] == up) return;
    up_[server] = up;
    world_.note("store", up ? "server %1 is up" : "server %1 is down", {server});
    if (server == stale_) stale_ = -1;
    if (up ? leader_ < 0 : server == leader_ || leader_ < 0)
        elect();
    else
        lost_server();
}

void StoreService::lost_server() {
    int living = 0;
    for (int server = 0; server < servers; ++server) living += up_[server] && !isolated_[server];
    if (living * 2 <= servers) leader_ = -1;
}

void StoreService::elect() {
    leader_ = -1;
    const auto term = ++term_;
    snapshot_.reset();
    world_.after(world_.random().between(100ms, 1500ms), [this, term] {
        if (term != term_) return;
        int candidates[servers], living = 0;
        for (int server = 0; server < servers; ++server)
            if (up_[server] && !isolated_[server]) candidates[living++] = server;
        if (living * 2 <= servers) return;  // asked again when a server comes back
        leader_ = candidates[world_.random().below(static_cast<std::uint64_t>(living))];
        for (auto& [id, lease] : leases_) lease.ends = world_.now() + lease.life;
        world_.note("store", "server %1 leads, term %2", {leader_, static_cast<std::int64_t>(term)});
    });
}

void StoreService::depose_unnoticed(Duration time) {
    if (leader_ < 0 || stale_ >= 0) return;
    stale_ = leader_;
    stale_term_ = term_;
    stale_leases_ = leases_;
    isolated_[stale_] = true;
    world_.note("store", "server %1 is cut off from its peers and believes that it leads", {stale_});
    elect();
    world_.after(time, [this, server = stale_] {
        isolated_[server] = false;
        stale_ = -1;
        world_.note("store", "server %1 has found its peers again", {server});
        if (leader_ < 0) elect();
    });
}

}  // namespace castle::sim
