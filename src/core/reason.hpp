// Why a decision was made. The answer is its own reason: the log line, the metric, the simulator's coverage and the
// test all use the same word.
#pragma once

#include <string_view>

namespace castle::core {

enum class Reason {
    // nobody decides yet
    data_unreadable,
    wrong_cluster,
    standby_of_unknown,
    action_in_progress,
    server_starting,
    server_stopping,
    ending_stuck_stop,
    paused,
    // a new node
    bootstrap_race,
    waiting_for_bootstrap,
    bootstrap_abandoned,
    waiting_for_members,
    cloning,
    // the server is down
    restarting_after_failure,
    crash_handover,
    start_failed_releasing,
    start_backoff,
    starting_standby,
    comparing_with_leader,
    rewinding,
    recloning,
    waiting_for_primary,
    // nobody leads
    waiting_for_evidence,
    investigating,
    racing,
    running_primary_takes_lock,
    not_allowed_to_promote,
    not_healthiest,
    failover_to_other,
    primary_without_lock_outdated,
    backing_off,
    race_backoff,
    waiting_for_last_leader,
    // I lead
    leading,
    promoting,
    watchdog_unusable,
    pre_promote_failed,
    promote_stuck,
    promote_failed_releasing,
    disk_full,
    switchover,
    switchover_impossible,
    switchover_pointless,
    lock_without_confirmation,
    ghost_lock,
    // the store was replaced
    registering_again,
    waiting_to_register,
    dropping_old_lock,
    // another leads
    following,
    changing_upstream,
    resuming_replay,
    demoting_without_lock,
    diverged,
    // the store does not answer
    store_lost_holding,
    store_lost_alone,
    store_lost_demoting,
    store_lost_waiting,
    store_lost_standby_start,
    count_  // how many there are
};

std::string_view name_of(Reason reason);

}  // namespace castle::core
