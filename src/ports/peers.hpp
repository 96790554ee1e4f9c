// The other members, asked over their REST interface.
#pragma once

#include <vector>

#include "core/peer.hpp"
#include "task/wait.hpp"

namespace castle::ports {

class Peers {
public:
    virtual ~Peers() = default;
    // Asks all in parallel (GET api_url). One answer for each, in the same order; who does not answer by the deadline
    // is not reached.
    virtual Task<std::vector<core::PeerStatus>> ask(std::vector<core::Member> members, BootTime deadline) = 0;
};

}  // namespace castle::ports
