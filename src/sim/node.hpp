// One simulated machine: its clocks, its PostgreSQL, its fence and its agent, each of which can be crashed, frozen and
// started again by itself; and the client that writes to this server directly whenever it lets it.
#pragma once

#include <memory>

#include "core/reason.hpp"
#include "ports/clock.hpp"
#include "ports/journal.hpp"
#include "sim/fence_process.hpp"
#include "sim/sim_fence.hpp"
#include "sim/sim_peers.hpp"
#include "sim/sim_server.hpp"
#include "sim/sim_store.hpp"
#include "task/scope.hpp"

namespace castle::sim {

// What an agent is handed: the ports of life, filled by the simulator.
struct Ports {
    std::string name;
    Executor& executor;
    const ports::Clock& clock;
    ports::Store& store;
    ports::Server& server;
    ports::Fence& fence;
    ports::Peers& peers;
    ports::Journal& journal;
};

// How often each rule of the decision core was reached.
using Decisions = std::array<std::uint64_t, static_cast<std::size_t>(core::Reason::count_)>;

// The agent, as the simulator drives it.
class Program {
public:
    virtual ~Program() = default;
    virtual Task<> run() = 0;  // until it is told to stop
    virtual void stop() = 0;   // SIGTERM
    virtual void leave() = 0;  // SIGUSR2: it will be executed again
    virtual void add_decisions(Decisions& decisions) const = 0;
    virtual Task<core::PeerStatus> status() = 0;  // GET /patroni
};
using MakeProgram = std::function<std::unique_ptr<Program>(const Ports&)>;

class Node {
public:
    struct Surroundings {
        sim::Surroundings& servers;
        StoreService& store;
        SimPeers::FindHost find;
        SimPeers::AskAgent ask;
        MakeProgram make;
        std::vector<std::string> synchronous;  // of this node, once it is a primary
        Decisions& decisions;
    };
    Node(Surroundings around, HostId host, std::string name, int clock_ppm, Duration clock_offset);
    ~Node();

    const std::string& name() const { return name_; }
    HostId host() const { return host_; }
    HostClock& clock() { return clock_; }
    Postgres& server() { return server_; }
    const Postgres& server() const { return server_; }
    FenceProcess& fence() { return fence_; }
    const FenceProcess& fence() const { return fence_; }

    bool agent_running() const { return agent_ != nullptr; }
    SimStore* store();  // of the running agent
    void start_agent();
    void crash_agent();
    // As systemd does; killed if it takes more than a minute, and started again after `rest`.
    void stop_agent(Duration rest);
    void reexec_agent(Duration rest);
    void ask_agent(std::function<void(core::PeerStatus)> answer);

    // Frozen as often as it has not been thawed.
    void freeze_agent();
    void thaw_agent();
    void freeze_server();
    void thaw_server();
    void freeze_host();
    void thaw_host();
    void crash_host();  // until boot_host()
    void boot_host();
    bool up() const { return up_; }

    void server_changed();

private:
    struct Agent;
    void fence_changed();
    void agent_ended(std::uint64_t agent);
    void end_agent(Duration rest, void (Program::*how)());
    void client();

    Surroundings around_;
    World& world_;
    HostId host_;
    std::string name_;
    HostClock clock_;
    Postgres server_;
    FenceProcess fence_;
    std::unique_ptr<Agent> agent_;
    int agent_freezes_ = 0, server_freezes_ = 0, host_freezes_ = 0;
    std::uint64_t agents_ = 0;
    Duration rest_{};  // until an agent that ended is started again
    bool up_ = true;
};

}  // namespace castle::sim
