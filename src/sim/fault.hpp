// Everything that can be done to a simulated cluster, by name. A run counts what it did.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace castle::sim {

enum class Fault : std::uint8_t {
    message_delayed,
    message_lost,
    message_duplicated,
    partition_all,         // a host cut off from everybody
    partition_one_way,     // ... in one direction only
    partition_from_store,  // a member cut off from the store, not from the other members
    partition_from_peers,  // the other way round
    agent_crash,
    agent_freeze,
    agent_reexec,
    agent_stop,  // as an operator or systemd stops it; started again later
    server_crash,
    server_freeze,
    fence_crash,
    host_crash,
    host_freeze,
    host_suspend,  // sleeps; boot time runs on
    clock_stop,    // the virtual machine is paused
    clock_drift,
    slow_disk,
    disk_full,
    store_leader_change,
    store_stale_leader,
    store_server_down,
    store_outage,
    store_slow,
    store_replaced,  // all of it lost, and made anew, empty
    store_restored,  // put back to an older state
    watch_cut,
    lease_expired,
    lease_revoked,
    leader_deleted,
    member_deleted,
    both_deleted,
    prefix_deleted,
    switchover,
    config_change,
    count_
};

constexpr std::size_t fault_kinds = static_cast<std::size_t>(Fault::count_);

constexpr std::array<std::string_view, fault_kinds> fault_names{"message delayed",
                                                                "message lost",
                                                                "message duplicated",
                                                                "partition: all",
                                                                "partition: one way",
                                                                "partition: from store",
                                                                "partition: from peers",
                                                                "agent crash",
                                                                "agent freeze",
                                                                "agent re-exec",
                                                                "agent stop",
                                                                "server crash",
                                                                "server freeze",
                                                                "fence crash",
                                                                "host crash",
                                                                "host freeze",
                                                                "host suspend",
                                                                "clock stop",
                                                                "clock drift",
                                                                "slow disk",
                                                                "disk full",
                                                                "store leader change",
                                                                "store stale leader",
                                                                "store server down",
                                                                "store outage",
                                                                "store slow",
                                                                "store replaced",
                                                                "store restored",
                                                                "watch cut",
                                                                "lease expired",
                                                                "lease revoked",
                                                                "leader key deleted",
                                                                "member key deleted",
                                                                "leader and member deleted",
                                                                "prefix deleted",
                                                                "switchover",
                                                                "configuration change"};

constexpr std::string_view name_of(Fault fault) {
    return fault_names[static_cast<std::size_t>(fault)];
}

using FaultCounts = std::array<std::uint64_t, fault_kinds>;

}  // namespace castle::sim
