// The one place where high-availability decisions are made: what is known goes in, what to do and why comes out.
//
// Pure: no clock, no socket, no log. The agent gathers a Situation, asks decide(), carries the Decision out, and asks
// again when anything has happened. The simulator runs the very same function.
//
// Named places for what comes next: synchronous modes (Candidacy and Evidence::refused), failsafe (decide_blind),
// standby clusters (decide_leading and following a remote).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/bootstrap_watch.hpp"
#include "core/candidacy.hpp"
#include "core/cluster.hpp"
#include "core/evidence.hpp"
#include "core/fence_state.hpp"
#include "core/instance.hpp"
#include "core/lineage.hpp"
#include "core/reason.hpp"
#include "core/settings.hpp"

namespace castle::core {

// What works beside the loop; one at a time.
enum class Activity {
    none,
    bootstrap,
    clone,
    rewind,
    compare,
    start_primary,
    start_standby,
    promote,
    demote,
    restart,
    reinit,
    crash_end
};
std::string_view name_of(Activity activity);

// What this node knows of itself from one cycle to the next. Kept by the agent, written by it when actions end.
struct Memory {
    Lineage lineage;
    BootstrapWatch bootstrap;
    bool was_primary = false;                // the last server that ran here was a primary (or was being made one)
    std::optional<BootTime> crashed_at;      // the server ended by itself while we led, and is not up again
    std::optional<BootTime> stopping_since;  // the server shuts down, and nobody here asked for it
    int failed_starts = 0;                   // since the server last ran
    BootTime last_failed_start{};
    Revision promote_failed{};      // the epoch in which a promotion failed
    Revision pre_promote_failed{};  // the epoch in which the user's pre_promote command forbade it
    BootTime pre_promote_failed_at{};
    // Whether our WAL may have what the leader's history does not: asked of the leader before following it.
    bool must_compare = true;
    Revision compared_with{};        // the epoch of the leader that it was last compared with
    BootTime compared_at{};          // when that was last tried
    bool diverged = false;           // it has: rewind or clone
    bool rewind_impossible = false;  // the last try said that it cannot be done here, or failed for good
    Revision stood_back{};           // the epoch that we gave up in a switchover: let the others go first
    BootTime stood_back_at{};
    BootTime last_failed_copy{};  // clone or rewind
    BootTime replay_moved_at{};   // when the standby was last seen to have replayed more
    std::optional<BootTime> disk_full_since;
    int crashes = 0;  // of a server that led, each within crash_loop_window of the one before
    BootTime last_crash{};
    std::optional<Lsn> crash_end;               // end of the last valid record of the crashed server, once it is known
    Lsn last_position;                          // of the local WAL, as last seen
    std::optional<BootTime> position_moved_at;  // when it was last seen to have moved on
};

// Answers gathered because the previous decision of this cycle asked for them.
struct Findings {
    std::vector<PeerStatus> peers;
    std::optional<bool> lease_ended;
    std::uint64_t store_term = 0;  // of the store's leader when that was asked
};

struct Situation {
    Now now{};
    BootTime started{};  // when this agent first saw the cluster
    std::string me;
    Tags tags;
    bool can_bootstrap = true;  // the configuration says how
    bool use_rewind = false;
    bool replace_diverged = false;  // may wipe a data directory that cannot be rewound
    Settings settings;              // repaired
    bool store_ok = false;
    std::shared_ptr<const Cluster> cluster;  // as last read; null before the first
    std::optional<Revision> epoch;           // of our own leader key, while we believe that we hold it
    BootTime leader_until{};                 // until when our leadership is confirmed
    FenceState fence;
    std::string watchdog_problem;  // why the watchdog that the configuration requires cannot be used; empty: it can
    Instance instance;
    Activity activity = Activity::none;
    BootTime activity_since{};
    bool activity_cancelled = false;
    Memory memory;
    std::optional<Findings> findings;
};

struct Action {
    enum class Kind {
        wait,              // nothing to do until something happens, or `at`
        investigate,       // ask `members` and the store about `lease`; then decide again with the findings
        exit,              // end the program with status 1
        take_initialize,   // create `initialize` empty; if won, bootstrap
        clear_initialize,  // remove it, empty as it is: who made it is gone
        clone,
        rewind,
        compare,
        crash_end,
        start_primary,
        start_standby,
        follow,
        resume_replay,
        set_aside,      // move the data directory away, to be cloned anew
        take_lock,      // create the leader key; needs evidence
        drop_old_lock,  // remove the leader key, ours by name only
        promote,
        demote,
        release_lock,
        clear_request,
        cancel_activity,
        write_initialize,  // our system identifier
    };
    enum class Demote { graceful, without_lock, offline };

    Kind kind = Kind::wait;
    std::optional<BootTime> at;
    std::vector<Member> members;
    LeaseId lease{};
    std::optional<Upstream> upstream;
    std::optional<Evidence> evidence;
    Demote demote = Demote::graceful;
    std::string candidate;  // of a graceful demotion
};

struct Decision {
    Reason reason;
    std::string text;  // for the log, in the contract's words
    Action action{};
};

Decision decide(const Situation& situation);

// How long a primary may have no room for another WAL segment before it hands over to a member that has.
inline constexpr Duration disk_full_patience{10'000};

// A primary that has crashed this often in a row is not only started again: another member takes over, if one has it
// all.
inline constexpr int crash_loop = 3;
inline constexpr Duration crash_loop_window{300'000};

// When a primary whose store does not answer begins to shut down, so that the fence finds nothing left to kill.
BootTime demote_at(BootTime leader_until, Duration ttl);

// How long before its deadline the fence itself stops a primary whose agent is dead or frozen: long enough for the WAL
// senders to send what was acknowledged, and later than demote_at(), so that an agent that lives comes first.
Duration stop_before_deadline(Duration life);

// What a leader whose server did not shut down in order publishes as the end of its WAL: what it published last, but no
// more than its whole records. Nobody was told of a commit whose record was flushed only in part, and nobody has it.
Lsn end_to_publish(Lsn published, std::optional<Lsn> crash_end);

// Whom `me` follows: its replicatefrom member if that is there, else the leader. Nothing if nobody leads.
std::optional<Upstream> wanted_upstream(const Situation& situation);

// Where a member's server can be reached, from its conn_url; nothing if that cannot be read.
std::optional<Upstream> upstream_of_member(const Member& member);

}  // namespace castle::core
