// One PostgreSQL instance. Long calls end early with Errc::cancelled when their token says so, and leave a state from
// which they can be called again. At most one long call runs at a time; the caller sees to that.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "core/cluster.hpp"
#include "core/instance.hpp"
#include "core/slots.hpp"
#include "task/wait.hpp"

namespace castle::ports {

enum class StopMode { fast, immediate };

class Server {
public:
    virtual ~Server() = default;

    // What is known, without waiting. The process part is always current (the postmaster's end is an event); WAL
    // positions are as old as `looked_at`.
    virtual const core::Instance& view() const = 0;
    // Looks again at the data directory and, if the server runs, asks it. Refreshes view(); a server that does not
    // answer is no error (read_failed).
    virtual Task<> look(BootTime deadline) = 0;
    // Notified when the process state, the role or pg_control's state has changed.
    virtual Signal& changed() = 0;

    // initdb (or the configured method), configuration, start as primary (the fence must be armed by then: `armed` is
    // awaited just before the start), users, post_bootstrap.
    virtual Task<Status> bootstrap(CancelToken cancel) = 0;
    // Copies the data directory from `source`; an existing one must be empty or is moved aside first.
    virtual Task<Status> clone(core::Upstream source, CancelToken cancel) = 0;
    // pg_rewind of the stopped data directory against `source`, with its preconditions (crash recovery first).
    // Errc::invalid: not possible here (no wal_log_hints or checksums); clone instead.
    virtual Task<Status> rewind(core::Upstream source, CancelToken cancel) = 0;

    // Starts the stopped server as a primary (crash recovery on the same timeline). Answers when it accepts
    // connections; on failure or cancel it is stopped again.
    virtual Task<Status> start_primary(CancelToken cancel) = 0;
    // Starts the stopped server as a standby of `upstream` (nothing: of nobody). Answers when it is started and, if it
    // can be asked (hot standby), reachable.
    virtual Task<Status> start_standby(std::optional<core::Upstream> upstream, CancelToken cancel) = 0;
    // Points a running standby at another upstream, without restart where the version allows it.
    virtual Task<Status> follow(std::optional<core::Upstream> upstream) = 0;
    // Lets a standby go on that has paused. One whose settings are lower than its primary's ends itself then
    // (PostgreSQL 14 and later); its next start gives it what it needs.
    virtual Task<Status> resume_replay() = 0;
    // Runs the user's pre_promote command, if there is one. An error: the promotion must not happen.
    virtual Task<Status> pre_promote(BootTime deadline, CancelToken cancel) = 0;
    // Answers when the server has left recovery and accepts writes. The number of its new timeline is `at_least` or
    // greater: lower ones may have been used by members whose WAL this server has never seen.
    virtual Task<Status> promote(Timeline at_least, CancelToken cancel) = 0;
    // Ends the server. While it shuts down, view().control and changed() tell how far it is. Escalates to immediate
    // and kill when `deadline` passes. Before a fast stop of a running server the user's before_stop command runs, for
    // at most half of that time.
    virtual Task<Status> stop(StopMode mode, BootTime deadline) = 0;

    virtual Task<Status> checkpoint(BootTime deadline) = 0;
    // The end of the last valid WAL record of a server that is stopped, or still recovers from its crash: what it may
    // have acknowledged lies before it.
    virtual Task<Result<Lsn>> last_record(BootTime deadline) = 0;
    // Applies the dynamic configuration: rewrites files, reloads; changes that need a restart show in
    // view().pending_restart. `role_primary`: which role's parameters apply.
    virtual Task<Status> configure(std::string dynamic_json, bool force) = 0;
    // Replication slots. What does not work is told in the log; the next look shows what has become of them.
    virtual Task<Status> change_slots(std::vector<core::SlotStep> steps) = 0;
    // Moves a data directory that cannot be used aside, so that the next clone finds an empty one.
    virtual Task<Status> set_aside(std::string why) = 0;

    // How `source`'s history and ours fit: whether the local WAL has anything that the source's history does not have.
    // Asks the source (walsender protocol: IDENTIFY_SYSTEM, TIMELINE_HISTORY), which must be a primary.
    enum class Divergence { none, diverged, unknown };
    virtual Task<Result<Divergence>> compare(core::Upstream source, BootTime deadline) = 0;

    // Runs a user's callback (on_start, on_role_change, ...): asynchronous, a new one ends the previous.
    virtual void callback(std::string action, std::string role) = 0;
};

}  // namespace castle::ports
