#include "core/reason.hpp"

namespace castle::core {

std::string_view name_of(Reason reason) {
    switch (reason) {
        case Reason::data_unreadable: return "data_unreadable";
        case Reason::wrong_cluster: return "wrong_cluster";
        case Reason::standby_of_unknown: return "standby_of_unknown";
        case Reason::action_in_progress: return "action_in_progress";
        case Reason::server_starting: return "server_starting";
        case Reason::server_stopping: return "server_stopping";
        case Reason::ending_stuck_stop: return "ending_stuck_stop";
        case Reason::paused: return "paused";
        case Reason::bootstrap_race: return "bootstrap_race";
        case Reason::waiting_for_bootstrap: return "waiting_for_bootstrap";
        case Reason::bootstrap_abandoned: return "bootstrap_abandoned";
        case Reason::waiting_for_members: return "waiting_for_members";
        case Reason::cloning: return "cloning";
        case Reason::restarting_after_failure: return "restarting_after_failure";
        case Reason::crash_handover: return "crash_handover";
        case Reason::start_failed_releasing: return "start_failed_releasing";
        case Reason::start_backoff: return "start_backoff";
        case Reason::starting_standby: return "starting_standby";
        case Reason::comparing_with_leader: return "comparing_with_leader";
        case Reason::rewinding: return "rewinding";
        case Reason::recloning: return "recloning";
        case Reason::waiting_for_primary: return "waiting_for_primary";
        case Reason::waiting_for_evidence: return "waiting_for_evidence";
        case Reason::investigating: return "investigating";
        case Reason::racing: return "racing";
        case Reason::running_primary_takes_lock: return "running_primary_takes_lock";
        case Reason::not_allowed_to_promote: return "not_allowed_to_promote";
        case Reason::not_healthiest: return "not_healthiest";
        case Reason::failover_to_other: return "failover_to_other";
        case Reason::primary_without_lock_outdated: return "primary_without_lock_outdated";
        case Reason::backing_off: return "backing_off";
        case Reason::race_backoff: return "race_backoff";
        case Reason::waiting_for_last_leader: return "waiting_for_last_leader";
        case Reason::leading: return "leading";
        case Reason::promoting: return "promoting";
        case Reason::promote_stuck: return "promote_stuck";
        case Reason::watchdog_unusable: return "watchdog_unusable";
        case Reason::pre_promote_failed: return "pre_promote_failed";
        case Reason::promote_failed_releasing: return "promote_failed_releasing";
        case Reason::disk_full: return "disk_full";
        case Reason::switchover: return "switchover";
        case Reason::switchover_impossible: return "switchover_impossible";
        case Reason::switchover_pointless: return "switchover_pointless";
        case Reason::lock_without_confirmation: return "lock_without_confirmation";
        case Reason::ghost_lock: return "ghost_lock";
        case Reason::registering_again: return "registering_again";
        case Reason::waiting_to_register: return "waiting_to_register";
        case Reason::dropping_old_lock: return "dropping_old_lock";
        case Reason::following: return "following";
        case Reason::resuming_replay: return "resuming_replay";
        case Reason::changing_upstream: return "changing_upstream";
        case Reason::demoting_without_lock: return "demoting_without_lock";
        case Reason::diverged: return "diverged";
        case Reason::store_lost_holding: return "store_lost_holding";
        case Reason::store_lost_alone: return "store_lost_alone";
        case Reason::store_lost_demoting: return "store_lost_demoting";
        case Reason::store_lost_waiting: return "store_lost_waiting";
        case Reason::store_lost_standby_start: return "store_lost_standby_start";
        case Reason::count_: break;
    }
    return "unknown";
}

}  // namespace castle::core
