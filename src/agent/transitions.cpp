// The long actions: what the worker runs beside the loop, and what each leaves in the memory when it ends.
#include <algorithm>

#include "agent/agent.hpp"
#include "agent/records.hpp"

namespace castle::agent {

using core::Action;
using core::Expect;
using core::Leadership;
using ports::Level;

// `initialize`: the create revision of our key. If it is another's by the end, we have been given up for dead.
Task<Status> Agent::bootstrap(Revision initialize, CancelToken cancel) {
    auto made = co_await server_.bootstrap(cancel);
    if (!made) {
        std::vector<core::KeyWrite> writes{{.key = "initialize",
                                            .value = std::nullopt,
                                            .expect = {Expect::created_at(initialize), Expect::value_is("")}}};
        auto removed = co_await store_.write(std::move(writes), deadline());
        if (!removed) log(Level::warning, "remove the initialize key: " + removed.error().message);
        co_return made;
    }
    co_await server_.look(executor_.now() + Duration{5000});
    const auto& control = server_.view().control;
    if (!control) co_return Error{Errc::failed, "the new cluster has no readable control file"};
    // All at once: nobody sees an initialized cluster without its configuration or without its leader.
    std::vector<core::KeyWrite> writes{
        {.key = "initialize",
         .value = control->system_id,
         .expect = {Expect::created_at(initialize), Expect::value_is("")}},
        {.key = "config", .value = options_.bootstrap_config},
        {.key = "castle/leader",
         .value = core::write_leadership({.name = me(), .lease = lease_.lease(), .life = lease_.life()})},
        {.key = "leader", .value = me(), .leased = true, .expect = {Expect::absent()}}};
    memory_.was_primary = true;
    memory_.must_compare = false;
    for (;;) {
        if (number(lease_.lease()) == 0) {
            if (!co_await lease_.renew_now(deadline())) co_await sleep_for(executor_, Duration{500});
            if (number(lease_.lease()) == 0) continue;
            writes[2].value = core::write_leadership({.name = me(), .lease = lease_.lease(), .life = lease_.life()});
        }
        auto written = co_await store_.write(writes, deadline());
        doubt_ = true;
        if (written) {
            co_await claim(*written);
            log(Level::info, "initialized a new cluster");
            server_.callback("on_start", "primary");
            callback_role_ = "primary";
            co_return Done{};
        }
        if (written.error().effect == Effect::unknown)
            co_return Done{};  // the next cycle reads, and claims what is ours
        if (written.error().code == Errc::conflict) co_return co_await give_up_bootstrap();
        log(Level::warning, "write the new cluster into the store: " + written.error().message);
        co_await lease_.renew_now(deadline());
        co_await sleep_for(executor_, Duration{500});
        if (cancel.cancelled()) co_return Error{Errc::cancelled, "bootstrap was cancelled"};
    }
}

// Another member has made the cluster, or is about to. Ours has never been anybody's: it makes room for a copy of
// theirs.
Task<Status> Agent::give_up_bootstrap() {
    for (;;) {  // unless it was our own write that was faster, its answer lost
        auto snapshot = co_await store_.read(deadline());
        if (snapshot) {
            const auto leader = (*snapshot)->keys.find("leader");
            const bool ours = leader != (*snapshot)->keys.end() && leader->second.value == me() &&
                              leader->second.lease == lease_.lease();
            if (ours) co_return Done{};
            break;
        }
        co_await sleep_for(executor_, Duration{500});
    }
    auto stopped = co_await server_.stop(ports::StopMode::immediate, executor_.now() + Duration{10'000});
    if (!stopped) co_return std::move(stopped).error().in("another member has made the cluster");
    CASTLE_CO_CHECK(co_await server_.set_aside("another member has made the cluster meanwhile"));
    memory_.was_primary = false;
    memory_.must_compare = true;
    co_return Error{Errc::conflict, "another member has made the cluster meanwhile"};
}

// The fence, and the watchdog behind it. If that is required and cannot be had, neither is left.
Task<Status> Agent::arm(Revision epoch) {
    CASTLE_CO_CHECK(co_await lease_.arm(epoch));
    const Status guarded = co_await watchdog_.open(lease_.life(), settings_.loop_wait);
    lease_.set_watchdog(watchdog_.safety_margin());
    if (guarded) co_return Done{};
    co_await disarm_fence();
    co_return Error{Errc::cancelled, guarded.error().message};
}

Task<Status> Agent::promote(Revision epoch, CancelToken cancel) {
    // Before the fence is armed: it would end the standby if the lock were lost meanwhile.
    const Duration patience =
        settings_.primary_start_timeout > Duration{0} ? settings_.primary_start_timeout : Duration{300'000};
    pre_promoting_ = true;
    auto allowed = co_await server_.pre_promote(executor_.now() + patience, cancel);
    pre_promoting_ = false;
    if (!allowed) {
        if (allowed.error().code == Errc::cancelled) co_return allowed;
        memory_.pre_promote_failed = epoch;
        memory_.pre_promote_failed_at = executor_.now();
        co_return allowed;
    }
    if (cancel.cancelled() || lease_.epoch() != epoch)
        co_return Error{Errc::cancelled, "the leader lock was lost before the promotion"};
    CASTLE_CO_CHECK(co_await arm(epoch));
    // The number is usually reserved with the lock; then this need not be waited for. A leader that has come back as a
    // standby takes another number, and nobody may use that again, even if we end before we have written the history.
    reserved_timeline_ = newest_timeline();
    if (reserved_timeline_ <= server_.view().timeline)
        reserved_timeline_ = Timeline{number(server_.view().timeline) + 1};
    const auto reserved = [&] {
        return cluster_ && cluster_->last_leadership && cluster_->last_leadership->epoch == epoch &&
               cluster_->last_leadership->timeline >= reserved_timeline_;
    };
    if (reserved()) {
        scope_.spawn(publish_leadership(Leadership::Fence::on));
    } else {
        co_await publish_leadership(Leadership::Fence::on);
        if (!reserved()) co_return Error{Errc::cancelled, "the number of the new timeline could not be reserved"};
    }
    checkpoint_after_promote_ = false;
    // The others come at once, and PostgreSQL tries only every 5 s again if their slots are not there yet.
    if (cluster_) co_await keep_slots(true, false);
    auto promoted = co_await server_.promote(newest_timeline(), cancel);
    if (!promoted) {
        checkpoint_after_promote_.reset();
        // Half way between the two it must not be left: it may become a primary by itself.
        co_await kill_server();
        co_return promoted;
    }
    memory_.was_primary = true;
    memory_.must_compare = false;
    log(Level::info, "cleared rewind state after becoming the leader");
    if (std::exchange(callback_role_, "primary") != "primary") server_.callback("on_role_change", "primary");
    scope_.spawn(checkpoint_after_promote());
    co_return Done{};
}

// pg_rewind may use us as its source only once a checkpoint of the new timeline is in our control file.
Task<> Agent::checkpoint_after_promote() {
    auto done = co_await server_.checkpoint(executor_.now() + Duration{600'000});
    if (!done)
        log(Level::warning, "checkpoint after promote: " + done.error().message);
    else
        checkpoint_after_promote_.reset();
    wake_.notify();
}

Task<Status> Agent::start_primary(Revision epoch, CancelToken cancel) {
    CASTLE_CO_CHECK(co_await arm(epoch));
    scope_.spawn(publish_leadership(Leadership::Fence::on));
    auto started = co_await server_.start_primary(cancel);
    if (started && std::exchange(callback_role_, "primary") != "primary") server_.callback("on_start", "primary");
    co_return started;
}

Task<Status> Agent::start_standby(std::optional<core::Upstream> upstream, CancelToken cancel) {
    auto started = co_await server_.start_standby(std::move(upstream), cancel);
    if (started) {
        const bool role_changed = callback_role_ == "primary";
        if (std::exchange(callback_role_, "replica") != "replica")
            server_.callback(role_changed ? "on_role_change" : "on_start", "replica");
    }
    co_return started;
}

Task<Status> Agent::compare(core::Upstream source, Revision epoch) {
    using Divergence = ports::Server::Divergence;
    const auto ended_before = ended_primaries_;
    auto found = co_await server_.compare(std::move(source), executor_.now() + Duration{3000});
    if (ended_primaries_ != ended_before) co_return Done{};
    memory_.compared_at = executor_.now();
    if (!found || *found == Divergence::unknown) {  // not now: ask again, but not in a busy loop
        co_await sleep_for(executor_, Duration{500});
        co_return found ? Status(Done{}) : Status(found.error());
    }
    memory_.compared_with = epoch;
    memory_.diverged = *found == Divergence::diverged;
    if (!memory_.diverged) memory_.must_compare = false;
    co_return Done{};
}

Task<Status> Agent::copy(Action::Kind kind, core::Upstream source, Revision epoch, CancelToken cancel) {
    Status done = kind == Action::Kind::clone ? co_await server_.clone(std::move(source), cancel)
                                              : co_await server_.rewind(std::move(source), cancel);
    if (done) {
        memory_.diverged = false;
        memory_.must_compare = false;
        memory_.rewind_impossible = false;
        memory_.compared_with = epoch;
        memory_.was_primary = false;
        memory_.failed_starts = 0;
    } else if (kind == Action::Kind::rewind && done.error().code == Errc::invalid) {
        memory_.rewind_impossible = true;
    }
    co_return done;
}

Task<Status> Agent::set_aside() {
    auto done = co_await server_.set_aside("diverged");
    if (done) {
        memory_.diverged = false;
        memory_.rewind_impossible = false;
        memory_.must_compare = true;
    }
    co_return done;
}

Task<Status> Agent::find_crash_end() {
    auto end = co_await server_.last_record(executor_.now() + Duration{10'000});
    // Not known, or it has recovered meanwhile and writes on: nobody can be shown to have it all.
    const bool known = end && server_.view().process != core::ProcessState::running;
    memory_.crash_end = known ? *end : Lsn{~std::uint64_t{0}};
    co_return end ? Status(Done{}) : Status(end.error());
}

Task<> Agent::find_crash_end_aside() {
    auto found = co_await find_crash_end();
    if (!found) log(Level::warning, "the last record of the crashed server: " + found.error().message);
    finding_crash_end_ = false;
    wake_.notify();
}

// Ends the server at once and for sure, whatever it is doing.
Task<> Agent::kill_server() {
    const bool was_primary = server_.view().running_primary() || fence_.state().armed;
    Status killed = Done{};
    if (fence_.state().attached) killed = co_await fence_.fire();
    if (!fence_.state().attached || !killed)
        killed = co_await server_.stop(ports::StopMode::immediate, executor_.now() + Duration{5000});
    if (!killed) log(Level::error, "end the server: " + killed.error().message);
    if (was_primary) compare_anew();
    checkpoint_after_promote_.reset();
    co_await server_.look(executor_.now() + Duration{1000});
}

// What a primary has written last, nobody else may have.
void Agent::compare_anew() {
    memory_.must_compare = true;
    memory_.compared_with = {};
    ++ended_primaries_;
}

Task<Status> Agent::demote(Action::Demote how, std::optional<Revision> epoch) {
    compare_anew();
    if (how == Action::Demote::graceful) {
        // The long part of a shutdown is done while clients still write.
        auto checkpointed = co_await server_.checkpoint(executor_.now() + settings_.primary_start_timeout);
        if (!checkpointed) log(Level::warning, "checkpoint before the switchover: " + checkpointed.error().message);
        co_return co_await stop_and_release(epoch, executor_.now() + Duration{60'000});
    }
    BootTime until = executor_.now() + Duration{30'000};
    if (lease_.leader_until() != BootTime{})
        until = std::max(executor_.now() + Duration{500}, lease_.leader_until() - Duration{100});
    co_return co_await server_.stop(ports::StopMode::fast, until);
}

// PostgreSQL writes that into its control file when no client is connected any more.
std::optional<Leadership::ShutDown> Agent::shut_down() const {
    const auto& control = server_.view().control;
    if (!control || control->state != core::ControlState::shut_down) return std::nullopt;
    return Leadership::ShutDown{control->timeline, control->checkpoint};
}

// Waits until this member has all WAL of a server that shut down so; asks until then, or until the caller has no use
// for it any more and ends its scope.
Task<> Agent::await_caught_up(core::Member member, Leadership::ShutDown end, Signal& caught_up) {
    for (Duration pause{5};; pause = std::min(2 * pause, Duration{200})) {
        std::vector<core::Member> one;
        one.push_back(member);
        const auto answers = co_await peers_.ask(std::move(one), executor_.now() + Duration{2000});
        if (core::possible({.others = answers,
                            .candidate = {},
                            .at_least = Lsn{end.checkpoint.offset() + 1},
                            .timeline = end.timeline}))
            break;
        co_await sleep_for(executor_, pause);
    }
    caught_up.notify();
}

// Shuts the server down, and gives the lock back as soon as it surely acknowledges nothing any more and either has sent
// all of its WAL (it has ended) or one of those who are to follow has it: the last of its clients' processes, and WAL
// senders for a slow standby, may take their time.
Task<Status> Agent::stop_and_release(std::optional<Revision> epoch, BootTime deadline) {
    Completion<Status> stopped;
    Signal progress, caught_up;
    const auto notify = [&progress] { progress.notify(); };
    const auto on_server = server_.changed().subscribe(notify);
    const auto on_stopped = stopped.arrived().subscribe(notify);
    const auto on_caught_up = caught_up.subscribe(notify);
    Scope beside(executor_);
    struct Stop {
        static Task<> run(ports::Server& server, BootTime until, std::function<void(Status)> done) {
            done(co_await server.stop(ports::StopMode::fast, until));
        }
    };
    beside.spawn(Stop::run(server_, deadline, stopped.setter()));
    bool asked = false;
    for (;;) {
        const auto seen = progress.count();
        if (stopped.ready()) break;
        const auto down = shut_down();
        if (down && cluster_ && !std::exchange(asked, true)) {
            for (core::Member& member : core::successors(*cluster_, me()))
                beside.spawn(await_caught_up(std::move(member), *down, caught_up));
        }
        if (down && caught_up.count() != 0 && epoch && lease_.epoch() == epoch) {
            auto released = co_await release_lock(down->checkpoint, down);
            if (!released) log(Level::error, "release the lock: " + released.error().message);
            continue;
        }
        co_await wait_past(executor_, progress, seen, BootTime::max());
    }
    const Status result = stopped.take();
    if (!result) co_return result;
    co_await server_.look(executor_.now() + Duration{1000});
    if (epoch && lease_.epoch() == epoch) {
        const auto down = shut_down();
        CASTLE_CO_CHECK(co_await release_lock(down ? down->checkpoint : end_of_wal(), down));
    }
    co_await disarm_fence();
    co_return result;
}

}  // namespace castle::agent
