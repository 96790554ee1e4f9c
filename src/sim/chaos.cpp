#include "sim/chaos.hpp"

#include <algorithm>

namespace castle::sim {
namespace {

// Kinds that come by themselves with others, or are conditions of the whole run.
bool is_condition(Fault fault) {
    return fault == Fault::clock_drift || fault == Fault::lease_expired;
}

bool ends_agents(Fault fault) {
    return fault == Fault::agent_crash || fault == Fault::agent_reexec || fault == Fault::agent_stop ||
           fault == Fault::host_crash;
}

}  // namespace

Chaos::Chaos(Sim& sim, Random random) : sim_(sim), random_(random), pace_(random_.between(500ms, 8s)) {
    const unsigned density = static_cast<unsigned>(random_.between(150, 900));
    for (std::size_t kind = 0; kind < fault_kinds; ++kind)
        if (!is_condition(static_cast<Fault>(kind)) && random_.chance(density))
            kinds_.push_back(static_cast<Fault>(kind));
    // An agent that is started anew has nothing but the store's word, and what a backup of it tells may be long out of
    // date; and a primary whose clocks stood still believes in its deadline. Nothing is promised then.
    const auto has = [&](Fault kind) { return std::ranges::find(kinds_, kind) != kinds_.end(); };
    if (has(Fault::store_restored)) std::erase_if(kinds_, ends_agents);
    if (has(Fault::store_restored) || has(Fault::store_replaced)) std::erase(kinds_, Fault::clock_stop);
    if (kinds_.empty()) kinds_.push_back(Fault::server_crash);
}

void Chaos::run(Duration time) {
    ends_ = sim_.now() + time;
    next();
    sim_.run(time);
    heal_all();
    // If all agents that remember the cluster ended before one of them could write it down again in a store that was
    // made anew, and there is no primary, a human has to say that it is this one: so the contract has it.
    sim_.world().after(30s, [&sim = sim_] {
        if (sim.store().key("initialize")) return;
        sim.world().note("ctl", "the system identifier is written by hand");
        sim.store().put("initialize", sim.node(0).server().disk.system_id);
    });
}

void Chaos::next() {
    const BootTime when = sim_.now() + random_.between(1ms, pace_);
    if (when >= ends_) return;
    if (random_.chance(100)) sim_.store().save();  // what a later restoration puts back
    sim_.world().at(when, [this] {
        strike(kinds_[random_.below(kinds_.size())]);
        next();
    });
}

void Chaos::lasting(Duration time, std::function<void()> heal) {
    open_.push_front(std::move(heal));
    // The place in the list is the right to heal: whoever takes it out does it.
    sim_.world().at(std::min(sim_.now() + time, ends_), [this, place = open_.begin(), end = ends_] {
        if (sim_.now() >= end) return;  // heal_all() does it
        const auto work = std::move(*place);
        open_.erase(place);
        work();
    });
}

void Chaos::heal_all() {
    while (!open_.empty()) {
        const auto work = std::move(open_.front());
        open_.pop_front();
        work();
    }
}

Node& Chaos::likely_leader() {
    Node* leader = sim_.leader_or_null();
    return leader && random_.chance(700) ? *leader : any();
}

void Chaos::strike(Fault fault) {
    World& world = sim_.world();
    Network& network = sim_.network();
    StoreService& store = sim_.store();
    Node& node = likely_leader();
    const Duration shortly = random_.chance(500) ? about(50ms, 3s) : about(1s, 40s);
    switch (fault) {
        case Fault::message_delayed:
            network.delayed_per_mille += 100;
            network.longest_delay = std::max(network.longest_delay, about(20ms, 4s));
            world.note("net", "messages are delayed");
            return lasting(shortly, [&network] { network.delayed_per_mille -= 100; });
        case Fault::message_lost:
            network.lost_per_mille += 50;
            world.note("net", "messages are lost");
            return lasting(shortly, [&network] { network.lost_per_mille -= 50; });
        case Fault::message_duplicated:
            network.duplicated_per_mille += 100;
            world.note("net", "messages are duplicated");
            return lasting(shortly, [&network] { network.duplicated_per_mille -= 100; });
        case Fault::partition_all: sim_.isolate(node); return lasting(shortly, [this, &node] { sim_.rejoin(node); });
        case Fault::partition_one_way: {
            const bool outward = random_.chance(500);
            sim_.cut_one_way(node, outward);
            return lasting(shortly, [this, &node, outward] { sim_.mend_one_way(node, outward); });
        }
        case Fault::partition_from_store:
            sim_.cut_from_store(node);
            return lasting(shortly, [this, &node] { sim_.mend_to_store(node); });
        case Fault::partition_from_peers:
            sim_.cut_from_peers(node);
            return lasting(shortly, [this, &node] { sim_.mend_to_peers(node); });
        case Fault::agent_crash: return sim_.crash_agent(node, about(10ms, 10s));
        case Fault::agent_freeze: sim_.freeze(node); return lasting(shortly, [this, &node] { sim_.thaw(node); });
        case Fault::agent_reexec: return sim_.reexec_agent(node);
        case Fault::agent_stop: return sim_.stop_agent(node, about(100ms, 15s));
        case Fault::server_crash: return sim_.crash_server(node);
        case Fault::server_freeze:
            sim_.freeze_server(node);
            return lasting(shortly, [this, &node] { sim_.thaw_server(node); });
        case Fault::fence_crash: return sim_.crash_fence(node);
        case Fault::host_crash: return sim_.crash_host(node, about(1s, 20s));
        case Fault::host_freeze:
            sim_.freeze_host(node);
            return lasting(shortly, [this, &node] { sim_.thaw_host(node); });
        case Fault::host_suspend:
            if (!sim_.suspend_host(node)) return;
            return lasting(shortly, [this, &node] { sim_.resume_host(node); });
        case Fault::clock_stop:
            if (!sim_.stop_clock(node)) return;
            return lasting(shortly, [this, &node] { sim_.go_on(node); });
        case Fault::slow_disk:
            sim_.slow_disk(node, true);
            return lasting(shortly, [this, &node] { sim_.slow_disk(node, false); });
        case Fault::disk_full:
            if (node.server().disk.full) return;
            sim_.fill_disk(node, static_cast<std::uint64_t>(random_.between(1, 8 << 20)), about(1ms, 2s));
            return lasting(shortly, [this, &node] { sim_.empty_disk(node); });
        case Fault::store_leader_change: world.count(fault); return store.elect();
        case Fault::store_stale_leader:
            world.count(fault);
            return store.depose_unnoticed(std::min(shortly, ends_ - sim_.now()));
        case Fault::store_server_down: {
            const int server = static_cast<int>(random_.below(StoreService::servers));
            if (!store.up(server)) return;
            world.count(fault);
            store.set_up(server, false);
            return lasting(shortly, [&store, server] { store.set_up(server, true); });
        }
        case Fault::store_outage: {
            world.count(fault);
            for (int server = 0; server < StoreService::servers; ++server) {
                if (!store.up(server)) continue;
                store.set_up(server, false);
                lasting(shortly + about(0ms, 500ms), [&store, server] { store.set_up(server, true); });
            }
            return;
        }
        case Fault::store_slow:
            if (store.slow) return;
            world.count(fault);
            store.slow = true;
            return lasting(shortly, [&store] { store.slow = false; });
        case Fault::store_replaced:
        case Fault::store_restored: {
            // A member without data and without memory (its agent has just been started) would be right to make a
            // cluster.
            if (std::ranges::any_of(sim_.nodes(), [](Node* member) { return member->server().disk.system_id.empty(); }))
                return;
            if (std::ranges::none_of(sim_.nodes(), [](Node* member) { return member->store() != nullptr; })) return;
            const bool empty = fault == Fault::store_replaced;
            if (!empty && !store.saved()) return;
            world.count(fault);
            for (int server = 0; server < StoreService::servers; ++server) {
                if (!store.up(server)) continue;
                store.set_up(server, false);
                lasting(about(10ms, 8s), [&store, server] { store.set_up(server, true); });
            }
            return empty ? store.replace() : store.restore();
        }
        case Fault::watch_cut:
            if (!node.store()) return;
            world.count(fault);
            return node.store()->cut_watch();
        case Fault::lease_revoked: {
            const auto* member = store.key("members/" + node.name());
            if (!member) return;
            world.count(fault);
            return store.revoke(member->lease);
        }
        case Fault::leader_deleted:
            if (!store.key("leader")) return;
            world.count(fault);
            world.note("ctl", "the leader key is deleted");
            return store.erase({"leader"});
        case Fault::member_deleted:
            world.count(fault);
            world.note("ctl", "the member key of %1 is deleted", {index(node.host()) + 1});
            return store.erase({"members/" + node.name()});
        case Fault::both_deleted:
            world.count(fault);
            world.note("ctl", "the leader key and the member key of %1 are deleted", {index(node.host()) + 1});
            return store.erase({"leader", "members/" + node.name()});
        case Fault::prefix_deleted:
            // While all is well, so that the living leader writes them anew. With it the store forgets which numbers of
            // timelines are taken, and whoever has no data may initialize a cluster of its own, as the contract has it.
            if (!sim_.healthy() || !sim_.leader().agent_running() || !store.in_quorum(0)) return;
            world.count(fault);
            world.note("ctl", "all keys are deleted");
            return store.erase_all();
        case Fault::switchover: return sim_.switchover(random_.chance(500) ? any().name() : std::string());
        case Fault::config_change: return sim_.change_config(about(4s, 30s), about(1s, 10s), about(3s, 10s));
        case Fault::clock_drift:
        case Fault::lease_expired:
        case Fault::count_: return;
    }
}

}  // namespace castle::sim
