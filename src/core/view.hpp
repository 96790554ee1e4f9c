// What the agent publishes of itself for the REST interface: one immutable value, replaced after every change.
#pragma once

#include <boost/json/object.hpp>
#include <memory>
#include <optional>
#include <string>

#include "core/cluster.hpp"
#include "core/instance.hpp"
#include "core/settings.hpp"

namespace castle::core {

struct ScheduledRestart {
    WallTime at{};
    std::string schedule;          // as given
    std::string role;              // empty: any
    std::string postgres_version;  // empty: any; else only if the running version is lower
    std::optional<Duration> timeout;
    bool only_pending = false;
    std::string postmaster_start_time;  // of the server it was meant for
};

struct AgentView {
    std::string name, scope;
    boost::json::object tags;  // effective, in the order of the configuration
    Settings settings;
    std::string dynamic_json;  // the dynamic configuration in force

    Instance instance;
    std::string state;              // "running", "starting", ... as the REST contract lists
    std::string role;               // "primary", "replica", "standby_leader", "demoted", "uninitialized", "promoted"
    std::string long_action;        // "reinitialize", "restart", ...; empty when idle
    std::string replication_state;  // "streaming", "in archive recovery" or empty

    std::shared_ptr<const Cluster> cluster;  // last read; null before the first
    BootTime cluster_read_at{};
    WallTime cluster_read_wall{};
    bool store_ok = false;    // the last attempt to reach the store succeeded
    BootTime leader_until{};  // leadership is confirmed until then; zero: not the leader
    bool may_write = true;    // the server acknowledges writes, or may begin to without asking anybody; shown
                              // as castle.may_write in the status document, where elections look for it
    BootTime next_run{};      // planned start of the next cycle
    std::optional<ScheduledRestart> scheduled_restart;
    bool failsafe_active = false;
    bool watchdog_failed = false;
    bool sync_released = false;  // giving up synchronous duty: shows nosync
    std::string last_reason;     // of the last decision, one word

    bool is_leader(BootTime now) const { return now < leader_until; }
};

}  // namespace castle::core
