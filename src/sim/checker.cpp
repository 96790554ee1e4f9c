#include "sim/checker.hpp"

#include "core/settings.hpp"

namespace castle::sim {
namespace {
constexpr Duration kill_time = 50ms;  // from the deadline until the last backend is dead
}

void Checker::violate(std::string text) {
    world_.say("CHECK", "VIOLATION: " + text);
    if (std::ranges::any_of(violations_, [&](const Violation& known) { return known.text == text; })) return;
    violations_.push_back({world_.now(), std::move(text)});
}

void Checker::excuse(Node& node) {
    clocks_stopped_ = true;
    const BootTime right = node.store() ? node.store()->lease_until() : BootTime{};
    const Duration left = std::max(node.fence().state().deadline, right) - node.clock().boot(world_.now());
    excused_[node.name()] = {true, world_.now() + std::max(left, Duration{0}) * 21 / 20 + kill_time};
}

Node& Checker::node_of(const Postgres& server) {
    for (Node* node : nodes_)
        if (&node->server() == &server) return *node;
    CASTLE_ASSERT(false);
    std::abort();
}

void Checker::server_changed(Postgres& server) {
    if (server.process() == core::ProcessState::stopped) excused_[server.name()].server_runs = false;
    const bool now = server.writable();
    if (std::exchange(writable_[server.name()], now) == now) return;
    if (!now) return;
    for (const Node* other : nodes_) {
        if (&other->server() == &server || !other->server().writable()) continue;
        if (excused(other->name()) || excused(server.name())) continue;
        violate("two servers can acknowledge writes: " + server.name() + " and " + other->name());
    }
    new_primary(server);
}

// What had been acknowledged before and is not in the log of the one who goes on is lost.
void Checker::new_primary(Postgres& server) {
    ++promotions_;
    const Branch* begun = server.disk.wal.branch;
    while (begun->parent && begun->parent->timeline == begun->timeline) begun = begun->parent;
    if (timelines_.try_emplace(begun->timeline, begun).first->second != begun)
        violate("timeline " + std::to_string(number(begun->timeline)) + " is begun a second time, by " + server.name());
    const bool by_hand = std::exchange(asked_for_, store_.key("failover") != nullptr);
    const core::StoredValue* status = store_.key("status");
    const Lsn published = status ? core::read_status(status->value).optime : Lsn{};
    const auto lag_max = static_cast<std::uint64_t>(core::Settings{}.maximum_lag_on_failover);
    for (auto& [branch, writes] : acknowledged_) {
        if (writes.empty() || includes(server.disk.wal, *branch, writes.back().end)) continue;
        std::uint64_t lost = 0;
        bool too_old = false;
        while (!writes.empty() && !includes(server.disk.wal, *branch, writes.back().end)) {
            ++lost;
            if (!by_hand && lag_bytes(published, writes.back().end) > lag_max) too_old = true;
            writes.pop_back();  // reported once
        }
        // A server whose clocks stood still acknowledges what nobody can keep: that is not promised.
        if (too_old && !clocks_stopped_)
            violate("more is lost on " + server.name() +
                    " than maximum_lag_on_failover and what was written after the last published position");
        lost_ += lost;
        world_.note(server.name(), "lacks %1 acknowledged writes", {static_cast<std::int64_t>(lost)});
        if (synchronous_)
            violate(std::to_string(lost) + " acknowledged writes of a synchronous run are lost on " + server.name());
    }
}

void Checker::acknowledged(Postgres& server, std::uint32_t, const Branch& branch, Lsn end) {
    ++acknowledged_count_;
    if (acknowledged_.empty() || acknowledged_.back().first != &branch) {
        const auto found =
            std::ranges::find(acknowledged_, &branch, &std::pair<const Branch*, std::vector<Acknowledged>>::first);
        if (found != acknowledged_.end())
            std::rotate(found, found + 1, acknowledged_.end());
        else
            acknowledged_.push_back({&branch, {}});
    }
    acknowledged_.back().second.push_back({end, world_.now()});
    if (excused(server.name())) return;
    Node& node = node_of(server);
    if (const fence::State& fence = node.fence().state();
        fence.phase == fence::Phase::armed && node.clock().boot(world_.now()) > fence.deadline + kill_time)
        violate(server.name() + " acknowledges a write after its deadline");
    if (const auto* leader = store_.key("leader");
        leader && leader->value != server.name() && !store_.left_over(*leader))
        violate(server.name() + " acknowledges a write while " + leader->value + " holds the lock");
}

}  // namespace castle::sim
