// What the dynamic configuration says about high availability, typed, with the defaults of the contract.
//
// Pure values: config/dynamic.hpp reads them from the store's `config` key, the decision core obeys them. Whoever
// applies them calls repair() on a copy first; what was configured is kept, because the floors change with the members.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/types.hpp"

namespace castle::core {

using namespace std::chrono_literals;

enum class SynchronousMode { off, on, quorum };

// Its presence makes this a standby cluster: the leader follows a remote primary instead of writing.
struct StandbyCluster {
    std::string host;  // as configured: may name several, separated by commas
    std::string port;  // as configured: may name several, separated by commas
    std::string restore_command;
    std::string primary_slot_name;
    std::vector<std::string> create_replica_methods;
    std::string archive_cleanup_command;
    std::string recovery_min_apply_delay;
    bool operator==(const StandbyCluster&) const = default;
};

// A slot that the leader must always have.
struct PermanentSlot {
    enum class Kind { physical, logical };
    enum class Where { everywhere, primary, standby };  // `cluster_type`
    Kind kind = Kind::physical;
    Where where = Where::everywhere;
    std::string database;  // of a logical slot
    std::string plugin;    // of a logical slot
    bool operator==(const PermanentSlot&) const = default;
};

// Slots that are somebody else's business; all fields that are set must match.
struct IgnoredSlot {
    std::optional<std::string> name;
    std::optional<std::string> type;
    std::optional<std::string> database;
    std::optional<std::string> plugin;
    bool operator==(const IgnoredSlot&) const = default;
};

struct Settings {
    Duration loop_wait = 10s;
    Duration ttl = 30s;
    Duration retry_timeout = 10s;

    std::int64_t maximum_lag_on_failover = 1 << 20;  // bytes
    std::int64_t maximum_lag_on_syncnode = -1;       // bytes; 0 or less: off
    bool check_timeline = false;
    std::int64_t max_timelines_history = 0;  // 0: all

    Duration primary_start_timeout = 300s;
    Duration primary_stop_timeout = 0s;  // with synchronous mode only; 0: for ever
    Duration primary_race_backoff = 0s;

    SynchronousMode synchronous_mode = SynchronousMode::off;  // off in a standby cluster, whatever is configured
    bool synchronous_mode_strict = false;
    std::int64_t synchronous_node_count = 1;  // never below 1

    bool failsafe_mode = false;
    bool pause = false;

    Duration member_slots_ttl = 1800s;
    bool use_slots = true;  // `postgresql.use_slots`
    std::map<std::string, PermanentSlot> permanent_slots;
    std::vector<IgnoredSlot> ignore_slots;

    std::optional<StandbyCluster> standby_cluster;

    bool is_synchronous() const { return synchronous_mode != SynchronousMode::off; }
    bool is_quorum() const { return synchronous_mode == SynchronousMode::quorum; }
    bool is_standby_cluster() const { return standby_cluster.has_value(); }

    bool operator==(const Settings&) const = default;
};

// How small timeouts may be. `fenced` only while every member of the cluster is ours and has a working fence.
enum class TimeoutFloors { contract, fenced };

// Makes ttl, loop_wait and retry_timeout fit each other: above the floors, and loop_wait + 2 * retry_timeout <= ttl, so
// that a failed renewal is noticed before the lease ends. Returns one warning for each thing changed.
std::vector<std::string> repair(Settings& settings, TimeoutFloors floors);

// The timeout of the hardware watchdog; a margin below zero (in the configuration: -1) means half of ttl.
Duration watchdog_timeout(Duration ttl, Duration safety_margin);

// How much of the lease's life the deadline stays away from its end. With a hardware watchdog (by its safety margin)
// the fence must have killed before that resets the machine.
Duration lease_margin(Duration life, std::optional<Duration> watchdog = std::nullopt);

}  // namespace castle::core
