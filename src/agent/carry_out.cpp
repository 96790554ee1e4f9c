// Carries decisions out. What takes long becomes the worker's; what it leaves behind is written into the memory.
#include <algorithm>

#include "agent/agent.hpp"
#include "agent/records.hpp"

namespace castle::agent {

using core::Action;
using core::Activity;
using core::Expect;
using core::Leadership;
using core::ProcessState;
using ports::Level;

Task<> Agent::carry_out(core::Decision decision) {
    const Action& action = decision.action;
    const Revision leader_epoch = cluster_ && cluster_->leader ? cluster_->leader->created : Revision{};
    const auto epoch = lease_.epoch();
    switch (action.kind) {
        case Action::Kind::wait:
        case Action::Kind::investigate: co_return;
        case Action::Kind::exit:
            log(Level::critical, decision.text);
            fatal_ = true;
            co_return;
        case Action::Kind::take_initialize: co_await take_initialize(); co_return;
        case Action::Kind::write_initialize: co_await write_initialize(); co_return;
        case Action::Kind::clear_request: co_await clear_request(); co_return;
        case Action::Kind::take_lock: co_await take_lock(*action.evidence); co_return;
        case Action::Kind::cancel_activity: worker_.cancel(); co_return;
        case Action::Kind::follow: {
            auto followed = co_await server_.follow(action.upstream);
            if (!followed) log(Level::error, "follow: " + followed.error().message);
            co_return;
        }
        case Action::Kind::release_lock: {
            if (server_.view().process != ProcessState::stopped) co_await kill_server();
            auto released = co_await release_lock(cluster_ ? cluster_->status.optime : Lsn{});
            if (!released) log(Level::error, "release the lock: " + released.error().message);
            wake_.notify();
            co_return;
        }
        case Action::Kind::clone:
        case Action::Kind::rewind: {
            const auto activity = action.kind == Action::Kind::clone ? Activity::clone : Activity::rewind;
            auto token = worker_.fresh_token();
            worker_.start(activity, copy(action.kind, *action.upstream, leader_epoch, token), [this](const Status& status) {
                if (status) return;
                memory_.last_failed_copy = executor_.now();
                log(Level::error, status.error().message);
            });
            break;
        }
        case Action::Kind::compare:
            worker_.fresh_token();
            worker_.start(Activity::compare, compare(*action.upstream, leader_epoch), [this](const Status& status) {
                if (!status) log(Level::warning, "compare with the leader: " + status.error().message);
            });
            break;
        case Action::Kind::crash_end:
            worker_.fresh_token();
            worker_.start(Activity::crash_end, find_crash_end(), [](const Status&) {});
            break;
        case Action::Kind::set_aside:
            worker_.fresh_token();
            worker_.start(Activity::reinit, set_aside(), [this](const Status& status) {
                if (!status) log(Level::error, "set the data directory aside: " + status.error().message);
            });
            break;
        case Action::Kind::start_primary: {
            CASTLE_ASSERT(epoch);
            auto token = worker_.fresh_token();
            worker_.start(Activity::start_primary, start_primary(*epoch, token), [this](const Status& status) {
                if (status) return;
                log(Level::error, "start PostgreSQL: " + status.error().message);
                if (status.error().code == Errc::cancelled && lease_.epoch()) {
                    // Recovery was cut short to hand over: what counts is that we do not simply begin again.
                    memory_.failed_starts = std::max(memory_.failed_starts, 1);
                    memory_.last_failed_start = executor_.now();
                } else if (status.error().code != Errc::cancelled) {
                    ++memory_.failed_starts;
                    memory_.last_failed_start = executor_.now();
                }
            });
            break;
        }
        case Action::Kind::start_standby: {
            auto token = worker_.fresh_token();
            worker_.start(Activity::start_standby, start_standby(action.upstream, token), [this](const Status& status) {
                if (status) return;
                log(Level::error, "start PostgreSQL: " + status.error().message);
                if (status.error().code == Errc::cancelled) return;
                ++memory_.failed_starts;
                memory_.last_failed_start = executor_.now();
            });
            break;
        }
        case Action::Kind::promote: {
            CASTLE_ASSERT(epoch);
            auto token = worker_.fresh_token();
            worker_.start(Activity::promote, promote(*epoch, token), [this, e = *epoch](const Status& status) {
                if (status) return;
                log(Level::error, "promote: " + status.error().message);
                if (status.error().code != Errc::cancelled) memory_.promote_failed = e;
            });
            break;
        }
        case Action::Kind::demote:
            if (action.demote == Action::Demote::without_lock) {
                co_await kill_server();
                wake_.notify();
                co_return;
            }
            worker_.fresh_token();
            worker_.start(Activity::demote, demote(action.demote, epoch), [this](const Status& status) {
                if (!status) log(Level::error, "demote: " + status.error().message);
            });
            break;
    }
}

Task<> Agent::take_initialize() {
    std::vector<core::KeyWrite> writes{{.key = "initialize", .value = "", .expect = {Expect::absent()}}};
    auto written = co_await store_.write(std::move(writes), deadline());
    doubt_ = true;
    if (!written) {
        log(Level::info, written.error().code == Errc::conflict ? "failed to acquire initialize lock" : written.error().message);
        co_return;
    }
    auto token = worker_.fresh_token();
    worker_.start(Activity::bootstrap, bootstrap(token), [this](const Status& status) {
        if (status) return;
        log(Level::critical, "bootstrap: " + status.error().message);
        fatal_ = true;
    });
}

Task<Status> Agent::bootstrap(CancelToken cancel) {
    auto made = co_await server_.bootstrap(cancel);
    if (!made) {
        std::vector<core::KeyWrite> writes{{.key = "initialize", .value = std::nullopt, .expect = {Expect::value_is("")}}};
        auto removed = co_await store_.write(std::move(writes), deadline());
        if (!removed) log(Level::warning, "remove the initialize key: " + removed.error().message);
        co_return made;
    }
    co_await server_.look(executor_.now() + Duration{5000});
    const auto& control = server_.view().control;
    if (!control) co_return Error{Errc::failed, "the new cluster has no readable control file"};
    // All at once: nobody sees an initialized cluster without its configuration or without its leader.
    std::vector<core::KeyWrite> writes{{.key = "initialize", .value = control->system_id},
                                       {.key = "config", .value = options_.bootstrap_config},
                                       {.key = "castle/leader", .value = core::write_leadership({.name = me(), .lease = lease_.lease()})},
                                       {.key = "leader", .value = me(), .leased = true, .expect = {Expect::absent()}}};
    memory_.was_primary = true;
    memory_.must_compare = false;
    for (;;) {
        if (number(lease_.lease()) == 0) {
            if (!co_await lease_.renew_now(deadline())) co_await sleep_for(executor_, Duration{500});
            if (number(lease_.lease()) == 0) continue;
            writes[2].value = core::write_leadership({.name = me(), .lease = lease_.lease()});
        }
        auto written = co_await store_.write(writes, deadline());
        doubt_ = true;
        if (written) {
            lease_.claim(*written);
            co_await lease_.renew_now(deadline());
            log(Level::info, "initialized a new cluster");
            server_.callback("on_start", "primary");
            callback_role_ = "primary";
            co_return Done{};
        }
        if (written.error().effect == Effect::unknown) co_return Done{};  // the next cycle reads, and claims what is ours
        if (written.error().code == Errc::conflict) co_return Error{Errc::conflict, "another member has taken the leader key meanwhile"};
        log(Level::warning, "write the new cluster into the store: " + written.error().message);
        co_await lease_.renew_now(deadline());
        co_await sleep_for(executor_, Duration{500});
        if (cancel.cancelled()) co_return Error{Errc::cancelled, "bootstrap was cancelled"};
    }
}

Task<> Agent::take_lock(core::Evidence) {
    if (number(lease_.lease()) == 0) {
        const bool renewed = co_await lease_.renew_now(deadline());
        if (!renewed) co_return;
    }
    // Nobody may have led since the evidence was weighed: the record changes with every leadership of ours.
    const Revision record = cluster_->leadership_modified;
    const std::uint32_t newest = number(newest_timeline());
    const Timeline timeline{server_.view().running_primary() ? newest : newest + 1};
    std::vector<core::KeyWrite> writes{
        {.key = "leader", .value = me(), .leased = true, .expect = {Expect::absent()}},
        {.key = "castle/leader", .value = core::write_leadership({.name = me(), .lease = lease_.lease(), .timeline = timeline}),
         .expect = {number(record) != 0 ? Expect::modified_at(record) : Expect::absent()}}};
    if (cluster_->failover) writes.push_back({.key = "failover", .value = "{}"});
    auto written = co_await store_.write(std::move(writes), deadline());
    doubt_ = true;
    if (!written) {
        if (written.error().code == Errc::not_found) co_await lease_.renew_now(deadline());
        log(Level::info, "Could not take out TTL lock: " + written.error().message);
        next_cycle_ = executor_.now() + Duration{50};
        co_return;
    }
    lease_.claim(*written);
    co_await lease_.renew_now(deadline());  // the deadline counts only from a confirmed renewal
    publish();  // from now on we may become a primary, and say so when asked
    next_cycle_ = executor_.now();
}

// Gives the leader key back, saying that the server has shut down: `optime` is the end of its WAL.
Task<Status> Agent::release_lock(Lsn optime) {
    const auto epoch = lease_.epoch();
    if (!epoch) co_return Done{};
    core::ClusterStatus status = cluster_ ? cluster_->status : core::ClusterStatus{};
    if (optime.known()) status.optime = optime;
    Leadership released{.name = me(), .fence = Leadership::Fence::released, .epoch = *epoch, .lease = lease_.lease(), .timeline = newest_timeline()};
    std::vector<core::KeyWrite> writes{{.key = "status", .value = core::write_status(status)},
                                       {.key = "castle/leader", .value = core::write_leadership(released)},
                                       {.key = "leader", .value = std::nullopt, .expect = {Expect::created_at(*epoch)}}};
    Status result = Done{};
    for (int tries = 0; tries < 3; ++tries) {
        auto written = co_await store_.write(writes, deadline());
        doubt_ = true;
        result = written ? Status(Done{}) : Status(written.error());
        // A conflict: the key is gone or another's already. Anything else is tried again, it harms nobody twice.
        if (written || written.error().code == Errc::conflict) break;
    }
    memory_.stood_back = *epoch;
    memory_.stood_back_at = executor_.now();
    lease_.claim(std::nullopt);
    next_cycle_ = executor_.now();
    co_return result;
}

Task<> Agent::write_initialize() {
    const auto& control = server_.view().control;
    if (!control) co_return;
    core::KeyWrite write{.key = "initialize", .value = control->system_id};
    if (!cluster_->initialize) write.expect = {Expect::absent()};
    std::vector<core::KeyWrite> writes;
    writes.push_back(std::move(write));
    auto written = co_await store_.write(std::move(writes), deadline());
    doubt_ = true;
    if (!written) log(Level::warning, "write the system identifier: " + written.error().message);
    next_cycle_ = executor_.now() + Duration{written ? 0 : 500};
}

Task<> Agent::clear_request() {
    if (!cluster_->failover) co_return;
    std::vector<core::KeyWrite> writes{
        {.key = "failover", .value = "{}", .expect = {Expect::modified_at(cluster_->failover->modified)}}};
    auto written = co_await store_.write(std::move(writes), deadline());
    doubt_ = true;
    if (!written) log(Level::warning, "clear the switchover request: " + written.error().message);
}

// Of all that are known to have been begun, or reserved.
Timeline Agent::newest_timeline() const {
    Timeline newest = std::max(server_.view().timeline, reserved_timeline_);
    if (!cluster_) return newest;
    newest = std::max(newest, cluster_->timeline());
    if (cluster_->last_leadership) newest = std::max(newest, cluster_->last_leadership->timeline);
    for (const auto& [name, member] : cluster_->members) newest = std::max(newest, member.timeline);
    return newest;
}

Task<Status> Agent::promote(Revision epoch, CancelToken cancel) {
    CASTLE_CO_CHECK(co_await fence_.arm(epoch, lease_.leader_until()));
    // The number is usually reserved with the lock; then this need not be waited for. A leader that has come back as a
    // standby takes another number, and nobody may use that again, even if we end before we have written the history.
    reserved_timeline_ = newest_timeline();
    if (reserved_timeline_ <= server_.view().timeline) reserved_timeline_ = Timeline{number(server_.view().timeline) + 1};
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
    if (settings_.use_slots && cluster_) {
        auto kept = co_await server_.keep_slots(wanted_slots(*cluster_, options_.name, true), false);
        if (!kept) log(Level::warning, "replication slots: " + kept.error().message);
    }
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
    if (!done) log(Level::warning, "checkpoint after promote: " + done.error().message);
    else checkpoint_after_promote_.reset();
    wake_.notify();
}

Task<Status> Agent::start_primary(Revision epoch, CancelToken cancel) {
    CASTLE_CO_CHECK(co_await fence_.arm(epoch, lease_.leader_until()));
    scope_.spawn(publish_leadership(Leadership::Fence::on));
    auto started = co_await server_.start_primary(cancel);
    if (started && std::exchange(callback_role_, "primary") != "primary") server_.callback("on_start", "primary");
    co_return started;
}

Task<Status> Agent::start_standby(std::optional<core::Upstream> upstream, CancelToken cancel) {
    auto started = co_await server_.start_standby(std::move(upstream), cancel);
    if (started) {
        const bool role_changed = callback_role_ == "primary";
        if (std::exchange(callback_role_, "replica") != "replica") server_.callback(role_changed ? "on_role_change" : "on_start", "replica");
    }
    co_return started;
}

Task<Status> Agent::compare(core::Upstream source, Revision epoch) {
    using Divergence = ports::Server::Divergence;
    auto found = co_await server_.compare(std::move(source), executor_.now() + Duration{3000});
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
    auto end = co_await server_.last_record(executor_.now() + Duration{30'000});
    // Not known: nobody can be shown to have it all, so the server is restarted here.
    memory_.crash_end = end ? *end : Lsn{~std::uint64_t{0}};
    co_return end ? Status(Done{}) : Status(end.error());
}

// Ends the server at once and for sure, whatever it is doing.
Task<> Agent::kill_server() {
    const bool was_primary = server_.view().running_primary() || fence_.state().armed;
    Status killed = Done{};
    if (fence_.state().attached) killed = co_await fence_.fire();
    if (!fence_.state().attached || !killed) killed = co_await server_.stop(ports::StopMode::immediate, executor_.now() + Duration{5000});
    if (!killed) log(Level::error, "end the server: " + killed.error().message);
    if (was_primary) {
        memory_.must_compare = true;
        memory_.compared_with = {};
    }
    checkpoint_after_promote_.reset();
    co_await server_.look(executor_.now() + Duration{1000});
}

Task<Status> Agent::demote(Action::Demote how, std::optional<Revision> epoch) {
    memory_.must_compare = true;
    memory_.compared_with = {};
    if (how == Action::Demote::graceful) {
        // The long part of a shutdown is done while clients still write.
        auto checkpointed = co_await server_.checkpoint(executor_.now() + settings_.primary_start_timeout);
        if (!checkpointed) log(Level::warning, "checkpoint before the switchover: " + checkpointed.error().message);
        co_return co_await stop_and_release(epoch, executor_.now() + Duration{60'000});
    }
    BootTime until = executor_.now() + Duration{30'000};
    if (lease_.leader_until() != BootTime{}) until = std::max(executor_.now() + Duration{500}, lease_.leader_until() - Duration{100});
    co_return co_await server_.stop(ports::StopMode::fast, until);
}

// Shuts the server down, and gives the lock back as soon as it surely acknowledges nothing any more and either has sent
// all of its WAL (it has ended) or another member has it (WAL senders may wait for a slow one for long).
Task<Status> Agent::stop_and_release(std::optional<Revision> epoch, BootTime deadline) {
    Completion<Status> stopped;
    Signal progress;
    const auto on_server = server_.changed().subscribe([&progress] { progress.notify(); });
    const auto on_stopped = stopped.arrived().subscribe([&progress] { progress.notify(); });
    Scope stopping(executor_);
    struct Stop {
        static Task<> run(ports::Server& server, BootTime until, std::function<void(Status)> done) {
            done(co_await server.stop(ports::StopMode::fast, until));
        }
    };
    stopping.spawn(Stop::run(server_, deadline, stopped.setter()));
    std::optional<BootTime> shut_down_since;
    Status result = Done{};
    for (;;) {
        const auto seen = progress.count();
        if (stopped.ready()) {
            result = stopped.take();
            break;
        }
        const auto& control = server_.view().control;
        const bool is_down = control && control->state == core::ControlState::shut_down;
        if (is_down && !shut_down_since) shut_down_since = executor_.now();
        if (is_down && epoch && lease_.epoch() == epoch && executor_.now() >= *shut_down_since + Duration{1000} && cluster_) {
            std::vector<core::Member> others;
            for (const auto& [name, member] : cluster_->members)
                if (name != me() && !member.api_url.empty()) others.push_back(member);
            const auto answers = co_await peers_.ask(std::move(others), executor_.now() + Duration{2000});
            if (core::possible({.others = answers, .candidate = {}, .at_least = control->checkpoint})) {
                auto released = co_await release_lock(control->checkpoint);
                if (!released) log(Level::error, "release the lock: " + released.error().message);
            }
        }
        co_await wait_past(executor_, progress, seen, is_down ? executor_.now() + Duration{200} : BootTime::max());
    }
    if (!result) co_return result;
    co_await server_.look(executor_.now() + Duration{1000});
    if (epoch && lease_.epoch() == epoch) {
        const auto& control = server_.view().control;
        CASTLE_CO_CHECK(co_await release_lock(control ? control->checkpoint : Lsn{}));
    }
    auto disarmed = co_await fence_.disarm();
    if (!disarmed) log(Level::warning, "disarm the fence: " + disarmed.error().message);
    co_return result;
}

}  // namespace castle::agent
