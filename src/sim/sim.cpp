#include "sim/sim.hpp"

#include <cstdlib>

#include "sim/real_agent.hpp"

namespace castle::sim {

std::function<void(const std::string&)> Sim::on_failure = [](const std::string& what) {
    std::fprintf(stderr, "%s\n", what.c_str());
    std::abort();
};

Sim::Sim(std::uint64_t seed, Options options)
    : options_(std::move(options)),
      seed_(seed),
      world_(seed, options_.print),
      network_(world_, options_.members + StoreService::servers),
      store_(world_, HostId{options_.members},
             static_cast<int>(world_.random().between(-options_.clock_ppm_max, options_.clock_ppm_max))),
      around_{world_, network_, wal_, {}, {}, {}, {}},
      checker_(world_, store_, options_.synchronous) {
    if (!options_.program) options_.program = real_agent(options_);
    around_.changed = [this](Postgres& server) {
        nodes_[static_cast<std::size_t>(index(server.host()))]->server_changed();
        checker_.server_changed(server);
    };
    around_.acknowledged = [this](Postgres& server, std::uint32_t write, const Branch& branch, Lsn end) {
        checker_.acknowledged(server, write, branch, end);
    };
    around_.client = [this](Postgres& server) {
        server.insert(checker_.next_write(), static_cast<std::uint32_t>(world_.random().between(200, 20'000)));
    };
    const auto find = [this](const std::string& member) -> std::optional<HostId> {
        for (const auto& node : nodes_)
            if (node->name() == member) return node->host();
        return std::nullopt;
    };
    const auto ask = [this](HostId host, std::function<void(core::PeerStatus)> answer) {
        nodes_[static_cast<std::size_t>(index(host))]->ask_agent(std::move(answer));
    };
    for (int number = 0; number < options_.members; ++number) {
        std::vector<std::string> others;
        for (int other = 0; options_.synchronous && other < options_.members; ++other)
            if (other != number) others.push_back("n" + std::to_string(other + 1));
        const int ppm = static_cast<int>(world_.random().between(-options_.clock_ppm_max, options_.clock_ppm_max));
        if (ppm != 0) world_.count(Fault::clock_drift);
        nodes_.push_back(std::make_unique<Node>(
            Node::Surroundings{around_, store_, find, ask, options_.program, std::move(others), decisions_},
            HostId{number}, "n" + std::to_string(number + 1), ppm, world_.random().between(10s, 1000s)));
        around_.servers.push_back(&nodes_.back()->server());
        checker_.watch(*nodes_.back());
    }
    for (const auto& node : nodes_)
        world_.after(world_.random().between(1ms, 800ms), [node = node.get()] { node->start_agent(); });
}

Sim::~Sim() {
    finish();
}

void Sim::finish() {
    for (const auto& node : nodes_) node->crash_agent();
}

bool Sim::run_until(const std::function<bool()>& condition, Duration limit) {
    const BootTime end = world_.now() + limit;
    while (!condition()) {
        if (world_.now() >= end) return false;
        run(50ms);
    }
    return true;
}
bool Sim::run_until_healthy(Duration limit) {
    return run_until([this] { return healthy(); }, limit);
}

std::vector<Node*> Sim::nodes() {
    std::vector<Node*> all;
    for (const auto& node : nodes_) all.push_back(node.get());
    return all;
}

Node* Sim::leader_or_null() {
    const auto* leader = store_.key("leader");
    for (const auto& node : nodes_)
        if (leader && node->name() == leader->value) return node.get();
    return nullptr;
}
Node& Sim::leader() {
    Node* leader = leader_or_null();
    CASTLE_ASSERT(leader);
    return *leader;
}
Node& Sim::follower(int number) {
    Node* leader = leader_or_null();
    for (const auto& node : nodes_)
        if (node.get() != leader && number-- == 0) return *node;
    CASTLE_ASSERT(false);
    std::abort();
}

bool Sim::healthy() const {
    const auto* leader = store_.key("leader");
    if (!leader) return false;
    const Node* primary = nullptr;
    for (const auto& node : nodes_)
        if (node->name() == leader->value) primary = node.get();
    if (!primary || !primary->server().writable()) return false;
    for (const auto& node : nodes_) {
        if (node.get() == primary) continue;
        const Postgres& server = node->server();
        if (!server.running() || !server.in_recovery() || !server.streams_from(primary->server())) return false;
        if (server.timeline() != primary->server().timeline()) return false;
    }
    return true;
}

template <class Work>
void Sim::each_link(Node& node, bool servers_of_store, bool members, Work work) {
    for (int other = 0; other < network_.hosts(); ++other) {
        if (other == index(node.host())) continue;
        if (other < options_.members ? members : servers_of_store) work(node.host(), HostId{other});
    }
}

void Sim::isolate(Node& node) {
    world_.count(Fault::partition_all);
    world_.note(node.name(), "is cut off from everybody");
    each_link(node, true, true, [this](HostId me, HostId other) { network_.cut(me, other), network_.cut(other, me); });
}
void Sim::rejoin(Node& node) {
    world_.note(node.name(), "is no more cut off");
    each_link(node, true, true,
              [this](HostId me, HostId other) { network_.mend(me, other), network_.mend(other, me); });
}
void Sim::cut_from_store(Node& node) {
    world_.count(Fault::partition_from_store);
    world_.note(node.name(), "is cut off from the store");
    each_link(node, true, false, [this](HostId me, HostId other) { network_.cut(me, other), network_.cut(other, me); });
}
void Sim::mend_to_store(Node& node) {
    world_.note(node.name(), "sees the store again");
    each_link(node, true, false,
              [this](HostId me, HostId other) { network_.mend(me, other), network_.mend(other, me); });
}
void Sim::cut_from_peers(Node& node) {
    world_.count(Fault::partition_from_peers);
    world_.note(node.name(), "is cut off from the other members");
    each_link(node, false, true, [this](HostId me, HostId other) { network_.cut(me, other), network_.cut(other, me); });
}
void Sim::mend_to_peers(Node& node) {
    world_.note(node.name(), "sees the other members again");
    each_link(node, false, true,
              [this](HostId me, HostId other) { network_.mend(me, other), network_.mend(other, me); });
}
void Sim::cut_one_way(Node& node, bool outward) {
    world_.count(Fault::partition_one_way);
    world_.note(node.name(), outward ? "is not heard any more" : "hears nobody any more");
    each_link(node, true, true,
              [&](HostId me, HostId other) { outward ? network_.cut(me, other) : network_.cut(other, me); });
}
void Sim::mend_one_way(Node& node, bool outward) {
    world_.note(node.name(), outward ? "is heard again" : "hears again");
    each_link(node, true, true,
              [&](HostId me, HostId other) { outward ? network_.mend(me, other) : network_.mend(other, me); });
}

void Sim::freeze(Node& node) {
    world_.count(Fault::agent_freeze);
    world_.note(node.name(), "agent is frozen");
    node.freeze_agent();
}
void Sim::thaw(Node& node) {
    world_.note(node.name(), "agent is thawed");
    node.thaw_agent();
}
void Sim::crash_agent(Node& node, Duration restarted_after) {
    if (!node.agent_running()) return;
    world_.count(Fault::agent_crash);
    node.crash_agent();
    world_.after(restarted_after, [&node] { node.start_agent(); });
}
void Sim::stop_agent(Node& node, Duration started_after) {
    if (!node.agent_running()) return;
    world_.count(Fault::agent_stop);
    world_.note(node.name(), "agent is told to stop");
    node.stop_agent(started_after);
}
void Sim::reexec_agent(Node& node) {
    if (!node.agent_running()) return;
    world_.count(Fault::agent_reexec);
    node.reexec_agent(world_.random().between(5ms, 100ms));
}
void Sim::crash_server(Node& node) {
    if (node.server().process() == core::ProcessState::stopped) return;
    world_.count(Fault::server_crash);
    node.server().crash();
}
void Sim::crash_fence(Node& node) {
    if (!node.fence().alive()) return;
    world_.count(Fault::fence_crash);
    node.fence().crash();
}
void Sim::crash_host(Node& node, Duration booted_after) {
    if (!node.up()) return;
    world_.count(Fault::host_crash);
    node.crash_host();
    world_.after(booted_after, [&node] { node.boot_host(); });
}
void Sim::freeze_server(Node& node) {
    world_.count(Fault::server_freeze);
    world_.note(node.name(), "server is frozen");
    node.freeze_server();
}
void Sim::thaw_server(Node& node) {
    world_.note(node.name(), "server is thawed");
    node.thaw_server();
}
void Sim::freeze_host(Node& node) {
    world_.count(Fault::host_freeze);
    world_.note(node.name(), "host is frozen");
    node.freeze_host();
}
void Sim::thaw_host(Node& node) {
    world_.note(node.name(), "host is thawed");
    node.thaw_host();
}
bool Sim::suspend_host(Node& node) {
    if (node.clock().stopped() || node.clock().suspended()) return false;
    world_.count(Fault::host_suspend);
    world_.note(node.name(), "host sleeps");
    node.clock().suspend(world_.now());
    node.freeze_host();
    return true;
}
void Sim::resume_host(Node& node) {
    world_.note(node.name(), "host wakes up");
    node.clock().resume(world_.now());
    node.thaw_host();
}
bool Sim::stop_clock(Node& node) {
    if (node.clock().stopped() || node.clock().suspended()) return false;
    world_.count(Fault::clock_stop);
    world_.note(node.name(), "machine is paused, its clocks stand still");
    node.freeze_host();
    node.clock().stop(world_.now());
    return true;
}
void Sim::go_on(Node& node) {
    world_.note(node.name(), "machine goes on");
    node.clock().go_on(world_.now());
    checker_.excuse(node);
    node.thaw_host();
}
void Sim::fill_disk(Node& node, std::uint64_t bytes, Duration ends_later) {
    world_.count(Fault::disk_full);
    node.server().fill_disk(bytes, ends_later);
}
void Sim::empty_disk(Node& node) {
    node.server().empty_disk();
}
void Sim::slow_disk(Node& node, bool slow) {
    if (slow) world_.count(Fault::slow_disk);
    world_.note(node.name(), slow ? "disk is slow" : "disk is fast again");
    node.server().slow_disk = slow;
}

void Sim::switchover(const std::string& candidate) {
    const Node* leader = leader_or_null();
    if (!leader) return;
    world_.count(Fault::switchover);
    world_.say("ctl", "switchover to " + (candidate.empty() ? std::string("any") : candidate));
    checker_.asked_for();
    std::string request = R"({"leader":")" + leader->name() + '"';
    if (!candidate.empty()) request += R"(,"member":")" + candidate + '"';
    store_.put("failover", request + "}");
}

void Sim::change_config(Duration ttl, Duration loop_wait, Duration retry_timeout) {
    if (!store_.key("config")) return;
    world_.count(Fault::config_change);
    store_.put("config", dynamic_config(ttl, loop_wait, retry_timeout, options_.race_backoff));
    world_.note("ctl", "ttl %1, loop_wait %2, retry_timeout %3",
                {ttl.count() / 1000, loop_wait.count() / 1000, retry_timeout.count() / 1000});
}

void Sim::expect(bool condition, const std::string& what) {
    if (condition) return;
    on_failure("seed " + std::to_string(seed_) + ": at " + std::to_string(world_.now().time_since_epoch().count()) +
               " ms: " + what + "\nrepeat it with: pgcastle simulate --seed " + std::to_string(seed_) + " --trace");
}
void Sim::expect_no_violation() {
    for (const Violation& violation : checker_.violations()) expect(false, violation.text);
}
void Sim::expect_healthy_within(Duration limit) {
    expect(run_until_healthy(limit), "there is no healthy cluster within " + std::to_string(limit.count()) + " ms");
}

}  // namespace castle::sim
