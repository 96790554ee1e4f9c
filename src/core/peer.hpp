// What another member answers when asked over REST, as elections need it.
#pragma once

#include <string>
#include <string_view>

#include "base/lsn.hpp"
#include "base/types.hpp"
#include "core/cluster.hpp"

namespace castle::core {

struct PeerStatus {
    std::string name;
    bool reached = false;   // answered with WAL positions, as elections need
    bool answered = false;  // answered at all; role and state are known then
    bool in_recovery = true;
    bool running = false;  // state "running"
    std::string role;
    std::string state;
    Timeline timeline{};
    Lsn position;
    Tags tags;
    bool watchdog_failed = false;
    bool disk_full = false;
    // It surely cannot acknowledge a write now, and cannot begin to without taking the lock.
    bool surely_not_primary = false;
};

// How old the position in a member's answer may be: an older one would let a member with less WAL win an election, or
// make a standby look as if it lagged behind by what was written since.
inline constexpr Duration position_age_max{10};

// Reads the status JSON of GET /patroni. Not reached if it is not one.
PeerStatus read_peer_status(std::string name, std::string_view json);

// The same of ourselves, as others would read it.
PeerStatus peer_status(const struct AgentView& view);

}  // namespace castle::core
