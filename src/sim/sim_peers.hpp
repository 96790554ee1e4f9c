// The Peers port of a simulated agent: GET /patroni of the other members, over the simulator's network.
#pragma once

#include <functional>

#include "ports/peers.hpp"
#include "sim/network.hpp"
#include "sim/process.hpp"

namespace castle::sim {

class SimPeers final : public ports::Peers {
public:
    // Finds a member's host by its name, and asks the agent there; `answer` is called in the world when it has
    // answered. An agent that is down refuses: its answer comes at once and says nothing.
    using AskAgent = std::function<void(HostId host, std::function<void(core::PeerStatus)> answer)>;
    using FindHost = std::function<std::optional<HostId>(const std::string& member)>;

    SimPeers(World& world, Network& network, std::shared_ptr<Process> process, HostId host, FindHost find, AskAgent ask)
        : world_(world),
          network_(network),
          process_(std::move(process)),
          host_(host),
          find_(std::move(find)),
          ask_(std::move(ask)) {}

    Task<std::vector<core::PeerStatus>> ask(std::vector<core::Member> members, BootTime deadline) override;

private:
    World& world_;
    Network& network_;
    std::shared_ptr<Process> process_;
    HostId host_;
    FindHost find_;
    AskAgent ask_;
};

}  // namespace castle::sim
