// Carries decisions out. What takes long becomes the worker's; what it leaves behind is written into the memory.
#include <algorithm>

#include "agent/agent.hpp"

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
        case Action::Kind::clear_initialize: co_await clear_initialize(); co_return;
        case Action::Kind::write_initialize: co_await write_initialize(); co_return;
        case Action::Kind::clear_request: co_await clear_request(); co_return;
        case Action::Kind::take_lock: co_await take_lock(*action.evidence); co_return;
        case Action::Kind::drop_old_lock: co_await drop_old_lock(); co_return;
        case Action::Kind::cancel_activity: worker_.cancel(); co_return;
        case Action::Kind::follow: {
            auto followed = co_await server_.follow(action.upstream);
            if (!followed) log(Level::error, "follow: " + followed.error().message);
            co_return;
        }
        case Action::Kind::resume_replay: {
            auto resumed = co_await server_.resume_replay();
            if (!resumed) log(Level::warning, resumed.error().message);
            co_return;
        }
        case Action::Kind::release_lock: {
            // A standby that was never on its way to become a primary can stay: it acknowledges nothing.
            const bool standby =
                server_.view().running_standby() && !server_.view().read_failed && !fence_.state().armed;
            if (server_.view().process != ProcessState::stopped && !standby) co_await kill_server();
            auto released = co_await release_lock(end_of_wal());
            if (!released) log(Level::error, "release the lock: " + released.error().message);
            wake_.notify();
            co_return;
        }
        case Action::Kind::clone:
        case Action::Kind::rewind: {
            const auto activity = action.kind == Action::Kind::clone ? Activity::clone : Activity::rewind;
            auto token = worker_.fresh_token();
            worker_.start(activity, copy(action.kind, *action.upstream, leader_epoch, token),
                          [this](const Status& status) {
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
            if (worker_.idle()) {
                worker_.fresh_token();
                worker_.start(Activity::crash_end, find_crash_end(), [](const Status&) {});
            } else if (!std::exchange(finding_crash_end_,
                                      true)) {  // beside the server's own recovery, which only reads the WAL
                scope_.spawn(find_crash_end_aside());
            }
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
                if (status) {
                    memory_.crash_end.reset();  // it writes on from there
                    return;
                }
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
                memory_.promote_failed = e;
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
        log(Level::info,
            written.error().code == Errc::conflict ? "failed to acquire initialize lock" : written.error().message);
        co_return;
    }
    auto token = worker_.fresh_token();
    worker_.start(Activity::bootstrap, bootstrap(*written, token), [this](const Status& status) {
        if (status) return;
        // Another was faster: what is left to do is to copy from it.
        fatal_ = status.error().code != Errc::conflict;
        log(fatal_ ? Level::critical : Level::error, "bootstrap: " + status.error().message);
    });
}

Task<> Agent::clear_initialize() {
    std::vector<core::KeyWrite> writes{
        {.key = "initialize",
         .value = std::nullopt,
         .expect = {Expect::modified_at(cluster_->initialize_modified), Expect::value_is("")}}};
    auto removed = co_await store_.write(std::move(writes), deadline());
    doubt_ = true;
    if (!removed) log(Level::info, "remove the initialize key: " + removed.error().message);
    next_cycle_ = executor_.now() + Duration{removed ? 0 : 500};
}

Task<> Agent::drop_old_lock() {
    std::vector<core::KeyWrite> writes{
        {.key = "leader", .value = std::nullopt, .expect = {Expect::modified_at(cluster_->leader->modified)}}};
    auto removed = co_await store_.write(std::move(writes), deadline());
    doubt_ = true;
    if (!removed) log(Level::info, "remove my old leader key: " + removed.error().message);
    next_cycle_ = executor_.now() + Duration{removed ? 0 : 500};
}

Task<> Agent::take_lock(core::Evidence evidence) {
    if (number(lease_.lease()) == 0) {
        const bool renewed = co_await lease_.renew_now(deadline());
        if (!renewed) co_return;
    }
    if (store_.incarnation() != cluster_->incarnation) {  // the evidence is of another store
        doubt_ = true;
        next_cycle_ = executor_.now() + Duration{50};
        co_return;
    }
    // A key of ours that the store was put back to; nobody else can have taken it.
    const auto left_over = cluster_->leader;
    // Nobody may have led since the evidence was weighed: the record changes with every leadership of ours.
    const Revision record = cluster_->leadership_modified;
    const std::uint32_t newest = number(newest_timeline());
    // Members that cannot be asked may have begun some that nothing here speaks of.
    Timeline timeline{server_.view().running_primary() ? newest : newest + 1};
    if (memory_.lineage.may_have_missed() && !server_.view().running_primary())
        timeline = std::max(timeline, memory_.lineage.timeline_in_doubt(me()));
    const LeaseId named = lease_.lease();
    std::vector<core::KeyWrite> writes{
        {.key = "leader",
         .value = me(),
         .leased = true,
         .expect = {left_over ? Expect::modified_at(left_over->modified) : Expect::absent()}},
        {.key = "castle/leader",
         .value = core::write_leadership({.name = me(),
                                          .epoch = left_over ? left_over->created : Revision{},
                                          .lease = named,
                                          .timeline = timeline,
                                          .life = lease_.life()}),
         .expect = {number(record) != 0 ? Expect::modified_at(record) : Expect::absent()}}};
    if (cluster_->failover) writes.push_back({.key = "failover", .value = "{}"});
    takes_over_ = evidence.kind() != core::Evidence::Kind::released;  // before the write: its answer may be lost
    auto written = co_await store_.write(std::move(writes), deadline());
    if (!written) {
        doubt_ = true;
        if (written.error().code == Errc::not_found) co_await lease_.renew_now(deadline());
        log(Level::info, "Could not take out TTL lock: " + written.error().message);
        next_cycle_ = executor_.now() + Duration{50};
        co_return;
    }
    reserved_timeline_ = std::max(reserved_timeline_, timeline);  // before our view of the record is a new one
    co_await claim(left_over ? left_over->created : *written, named);
    took_lock_ = true;
    next_cycle_ = executor_.now();
}

Task<> Agent::claim(Revision epoch, LeaseId published) {
    lease_.claim(epoch, published);
    publish();                              // from now on we may become a primary, and say so when asked
    co_await lease_.renew_now(deadline());  // the deadline counts only from a confirmed renewal
}

// Of a server that did not shut down in order. Zero: not known.
Lsn Agent::end_of_wal() const {
    return cluster_ ? core::end_to_publish(cluster_->status.optime, memory_.crash_end) : Lsn{};
}

// Gives the leader key back, saying that the server is down: `optime` is the end of its WAL as far as we know.
Task<Status> Agent::release_lock(Lsn optime, std::optional<Leadership::ShutDown> shut_down) {
    const auto epoch = lease_.epoch();
    if (!epoch) co_return Done{};
    publish();  // who sees the lock free asks at once, and nobody runs while a primary says that it lives
    core::ClusterStatus status = cluster_ ? cluster_->status : core::ClusterStatus{};
    if (optime.known()) status.optime = optime;
    Leadership released{.name = me(),
                        .fence = Leadership::Fence::released,
                        .epoch = *epoch,
                        .lease = lease_.lease(),
                        .timeline = newest_timeline(),
                        .shut_down = shut_down};
    std::vector<core::KeyWrite> writes{
        {.key = "status", .value = core::write_status(status)},
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
    if (!cluster_->initialize)
        write.expect = {Expect::absent()};
    else
        write.expect = {Expect::modified_at(cluster_->initialize_modified)};
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
    return std::max({server_.view().timeline, reserved_timeline_, memory_.lineage.newest_timeline()});
}

}  // namespace castle::agent
