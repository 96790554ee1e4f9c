// What follows from the state of things without anybody deciding: the fence armed or not, the member key, the status,
// the history, the slots, and the view for the REST interface.
#include <algorithm>

#include "agent/agent.hpp"
#include "agent/records.hpp"

namespace castle::agent {

using core::Activity;
using core::Expect;
using core::Leadership;
using core::ProcessState;
using ports::Level;

Task<> Agent::upkeep(bool heartbeat) {
    co_await keep_fence();
    co_await run_scheduled_restart();
    publish();
    if (!read_ok_ || !cluster_) co_return;
    if (heartbeat && cluster_->leader && !leads()) roll_call_.watch(cluster_, options_.name);
    const core::Instance& instance = server_.view();
    if (leads() && instance.running_primary() && !instance.read_failed) co_await write_status(heartbeat);
    if (instance.process == ProcessState::running && !instance.read_failed && worker_.idle() && cluster_->config)
        co_await keep_slots(leads(), heartbeat);
    if (lease_.take_fresh() || !cluster_->member(options_.name)) written_member_.clear();  // or somebody deleted it
    if (heartbeat || written_member_.empty() || view_->state != state_name())
        co_await write_member();
    else if (member_record(options_, *view_, checkpoint_after_promote_) != written_member_)
        co_await write_member();
}

// Armed while the server is a primary and somebody else could be made one; never while it is a standby.
Task<> Agent::keep_fence() {
    const core::FenceState fence = fence_.state();
    const core::Instance& instance = server_.view();
    if (!fence.attached || !worker_.idle()) co_return;
    if (instance.running_primary() && leads()) {
        // Alone for a moment is not alone: keys vanish while their members live, and those remember an armed fence.
        const bool no_other =
            std::ranges::all_of(cluster_->members, [&](const auto& entry) { return entry.first == options_.name; });
        if (!no_other)
            alone_since_.reset();
        else if (!alone_since_)
            alone_since_ = executor_.now();
        const bool alone =
            no_other && (!fence.armed || executor_.now() >= *alone_since_ + std::max(settings_.ttl, Duration{20'000}));
        // A watchdog is pinged by moves of the deadline. Where it is required, even one who is alone has a deadline.
        const bool wanted = (!alone || watchdog_.required()) && !settings_.pause;
        // Of a store that is no more: an earlier epoch is refused while a deadline is in force. That this one's fence
        // is off was written with the lock.
        if (wanted && fence.armed && fence.epoch > *lease_.epoch()) {
            co_await disarm_fence();
            if (!lease_.epoch()) co_return;
        }
        const bool other_right =
            !fence.armed || fence.epoch != *lease_.epoch() || fence.deadline > lease_.leader_until();
        if (wanted && other_right && lease_.leader_until() > executor_.now()) {
            auto armed = co_await lease_.arm(*lease_.epoch());
            if (!armed) {
                log(Level::error, "arm the fence: " + armed.error().message);
                co_return;
            }
            co_await publish_leadership(Leadership::Fence::on);
        } else if (!wanted && fence.armed) {
            // "off" must be readable before the deadline is gone.
            co_await publish_leadership(Leadership::Fence::off);
            if (cluster_->last_leadership && cluster_->last_leadership->fence == Leadership::Fence::off) {
                co_await disarm_fence();
            }
        } else if (wanted && fence.armed && cluster_->last_leadership &&
                   cluster_->last_leadership->name == options_.name &&
                   (cluster_->last_leadership->fence != Leadership::Fence::on ||
                    cluster_->last_leadership->lease != lease_.lease())) {
            // Also when a changed ttl has brought another lease: the end of the old one proves nothing.
            co_await publish_leadership(Leadership::Fence::on);
        }
        if (wanted && fence_.state().armed && lease_.life() != Duration{0}) {
            const Status guarded = co_await watchdog_.open(lease_.life(), settings_.loop_wait);
            lease_.set_watchdog(watchdog_.safety_margin());
            if (!guarded) wake_.notify();  // the next cycle decides what that means
        }
    } else if (fence.armed && (instance.process == ProcessState::stopped || instance.running_standby()) &&
               !lease_.epoch()) {
        co_await disarm_fence();
    }
}

// Without a deadline nobody pings the watchdog.
Task<> Agent::disarm_fence() {
    co_await watchdog_.close();
    auto disarmed = co_await fence_.disarm();
    if (!disarmed) log(Level::warning, "disarm the fence: " + disarmed.error().message);
}

// Slots are moved and dropped at the pace of the heartbeat; one that somebody waits for is made at once.
Task<> Agent::keep_slots(bool leader, bool heartbeat) {
    if (!settings_.use_slots) co_return;
    const core::SlotKeeper keeper = slot_keeper(leader);
    const auto wanted = core::wanted_slots(*cluster_, settings_, keeper);
    auto steps = core::slot_steps(wanted, server_.view().slots, settings_, !settings_.pause && heartbeat);
    if (!heartbeat && !keeper.redo.known())
        std::erase_if(steps, [&](const core::SlotStep& step) {
            return step.kind != core::SlotStep::Kind::create || server_.view().slots.contains(step.name);
        });
    auto kept = co_await server_.change_slots(std::move(steps));
    if (!kept) log(Level::warning, "replication slots: " + kept.error().message);
}

core::SlotKeeper Agent::slot_keeper(bool leader) const {
    core::SlotKeeper keeper{.name = options_.name, .tags = core::read_tags(options_.tags), .leader = leader};
    const core::Instance& instance = server_.view();
    if (leader && takes_over_ && instance.running_standby() && instance.control) keeper.redo = instance.control->redo;
    return keeper;
}

Task<> Agent::publish_leadership(Leadership::Fence fence) {
    const auto epoch = lease_.epoch();
    if (!epoch || !cluster_) co_return;
    // Only the owner of this leadership may speak of it: the leader key must still be the one of this epoch. And of
    // this lease: sent before a change of ttl and come late, this would put the key back under the lease of before,
    // with which it lapses sooner than the deadline. And what was sent before another record and came late would
    // withdraw what that one says.
    Leadership record{.name = options_.name,
                      .fence = fence,
                      .epoch = *epoch,
                      .lease = lease_.lease(),
                      .timeline = newest_timeline(),
                      .life = lease_.reaches()};
    if (cluster_->last_leadership && cluster_->last_leadership->epoch == *epoch &&
        cluster_->last_leadership->fence == fence && cluster_->last_leadership->lease == record.lease &&
        cluster_->last_leadership->timeline == record.timeline)
        co_return;
    const Revision seen = cluster_->leadership_modified;
    std::vector<core::KeyWrite> writes{
        {.key = "castle/leader",
         .value = core::write_leadership(record),
         .expect = {number(seen) != 0 ? Expect::modified_at(seen) : Expect::absent()}},
        {.key = "leader",
         .value = options_.name,
         .leased = true,
         .expect = {Expect::created_at(*epoch), Expect::value_is(options_.name), Expect::leased_by(record.lease)}}};
    auto written = co_await store_.write(std::move(writes), deadline());
    if (!written) {
        doubt_ = true;
        log(Level::warning, "publish the state of the fence: " + written.error().message);
        co_return;
    }
    record.modified = *written;
    auto updated = std::make_shared<core::Cluster>(*cluster_);
    updated->last_leadership = record;
    updated->leadership_modified = *written;
    cluster_ = std::move(updated);
}

// As much as the record says of the fence stays; the lease is named anew.
Task<bool> Agent::publish_lease() {
    const auto epoch = lease_.epoch();
    if (!epoch || !cluster_) co_return false;
    const auto& told = cluster_->last_leadership;
    const bool ours = told && told->name == options_.name && told->epoch == *epoch;
    const core::FenceState fence = fence_.state();
    const bool armed = ours ? told->fence == Leadership::Fence::on : fence.armed && fence.epoch == *epoch;
    const LeaseId lease = lease_.lease();
    co_await publish_leadership(armed ? Leadership::Fence::on : Leadership::Fence::off);
    const auto& now = cluster_->last_leadership;
    co_return now && now->name == options_.name && now->epoch == *epoch && now->lease == lease;
}

Task<> Agent::put(std::vector<core::KeyWrite> writes, std::string_view doing) {
    auto written = co_await store_.write(std::move(writes), deadline());
    if (!written) {
        doubt_ = true;
        log(Level::warning, std::string(doing) + ": " + written.error().message);
        if (written.error().code == Errc::not_found) co_await lease_.renew_now(deadline());
    }
}

Task<> Agent::write_member() {
    if (number(lease_.lease()) == 0) co_return;
    std::string record = member_record(options_, *view_, checkpoint_after_promote_);
    if (record == written_member_ && written_member_lease_ == lease_.lease()) co_return;
    std::vector<core::KeyWrite> writes{{.key = "members/" + options_.name, .value = record, .leased = true}};
    auto written = co_await store_.write(std::move(writes), deadline());
    if (written) {
        written_member_ = std::move(record);
        written_member_lease_ = lease_.lease();
        co_return;
    }
    written_member_.clear();
    log(Level::warning, "write the member key: " + written.error().message);
    if (written.error().code == Errc::not_found) co_await lease_.renew_now(deadline());
}

// The leader's word about its WAL: how far it is, where timelines ended, and the configuration if the key was lost.
Task<> Agent::write_status(bool heartbeat) {
    const core::Instance& instance = server_.view();
    const auto epoch = lease_.epoch();
    if (!epoch) co_return;
    std::vector<core::KeyWrite> writes;
    slot_retention_.see(*cluster_, settings_, *epoch, executor_.now());
    const auto wanted = core::wanted_slots(*cluster_, settings_, slot_keeper(true));
    const core::ClusterStatus status{.optime = instance.flushed,
                                     .slots = core::published_slots(wanted, instance, settings_, options_.name),
                                     .retain_slots = slot_retention_.names(settings_)};
    std::string text = core::write_status(status);
    if (heartbeat && text != cluster_->status_text) writes.push_back({.key = "status", .value = std::move(text)});
    if (auto history =
            history_to_write(*cluster_, instance, options_.name, clock_.now().wall, settings_.max_timelines_history)) {
        std::string lines = core::write_history(*history);
        if (lines != written_history_) writes.push_back({.key = "history", .value = lines});
        written_history_ = std::move(lines);
    } else {
        written_history_.clear();
    }
    if (!cluster_->config) writes.push_back({.key = "config", .value = dynamic_json_, .expect = {Expect::absent()}});
    if (settings_.failsafe_mode) {
        std::map<std::string, std::string> map{{options_.name, options_.api_url}};
        for (const auto& [name, member] : cluster_->members)
            if (!member.api_url.empty()) map[name] = member.api_url;
        if (!cluster_->failsafe || *cluster_->failsafe != map)
            writes.push_back({.key = "failsafe", .value = core::write_failsafe(map)});
    }
    if (!writes.empty()) co_await put(std::move(writes), "write the status");
}

std::string Agent::state_name() const {
    const core::Instance& instance = server_.view();
    switch (worker_.activity()) {
        case Activity::bootstrap: return "initializing new cluster";
        case Activity::clone:
        case Activity::reinit: return "creating replica";
        case Activity::restart: return "restarting";
        case Activity::start_primary:
        case Activity::start_standby: return instance.process == ProcessState::running ? "running" : "starting";
        case Activity::demote: return instance.process == ProcessState::stopped ? "stopped" : "stopping";
        default: break;
    }
    switch (instance.process) {
        case ProcessState::running: return "running";
        case ProcessState::starting: return "starting";
        case ProcessState::stopping: return "stopping";
        case ProcessState::stopped: break;
    }
    if (memory_.crashed_at) return "crashed";
    return memory_.failed_starts > 0 ? "start failed" : "stopped";
}

std::string Agent::role_name() const {
    const core::Instance& instance = server_.view();
    if (instance.data == core::DataDir::empty) return "uninitialized";
    if (instance.running_primary()) return "primary";
    if (worker_.activity() == Activity::promote && !pre_promoting_) return "promoted";
    if (worker_.activity() == Activity::start_primary) return "primary";
    if (instance.process == ProcessState::stopped && !instance.standby_signal && memory_.must_compare) return "demoted";
    return "replica";
}

bool Agent::server_may_write() const {
    const core::Instance& instance = server_.view();
    const Activity activity = worker_.activity();
    return instance.running_primary() || activity == Activity::bootstrap || activity == Activity::start_primary ||
           activity == Activity::promote || (fence_.state().armed && fence_.state().server_running) ||
           (instance.process != ProcessState::stopped && !instance.running_standby());
}

// "May not write" must stay true for as long as somebody may promote on it; but a confirmation of the lock can be on
// its way to us, older than that word. So a claim that is over is given up with it. It is made again only if the key is
// read again, and counts only once a renewal that was sent after that has confirmed it.
Task<> Agent::give_up_old_claim() {
    if (!lease_.unconfirmed()) co_return;
    co_await server_.look(executor_.now() + look_patience);
    if (!lease_.unconfirmed() || server_may_write()) co_return;
    lease_.claim(std::nullopt);
    doubt_ = true;
    publish();
}

void Agent::publish() {
    auto view = std::make_shared<core::AgentView>();
    view->name = options_.name;
    view->scope = options_.scope;
    view->tags = options_.tags;
    view->settings = settings_;
    view->dynamic_json = dynamic_json_;
    view->instance = server_.view();
    view->state = state_name();
    view->role = role_name();
    view->long_action = worker_.idle() ? "" : std::string(name_of(worker_.activity()));
    if (view->instance.running_standby())
        view->replication_state = view->instance.streaming             ? "streaming"
                                  : view->instance.has_restore_command ? "in archive recovery"
                                                                       : "";
    view->cluster = cluster_;
    view->cluster_read_at = cluster_read_at_;
    view->cluster_read_wall = cluster_read_wall_;
    view->store_ok = read_ok_ && lease_.store_answers();
    if (leads()) view->leader_until = lease_.leader_until();
    // Whoever claims the lock may become a primary at any moment, even if its key has just vanished.
    view->may_write = lease_.epoch() || executor_.now() < lease_.leader_until() || server_may_write();
    view->watchdog_failed = !watchdog_.problem().empty();
    view->next_run = next_heartbeat_;
    view->scheduled_restart = scheduled_restart_;
    if (last_decision_) view->last_reason = name_of(last_decision_->reason);
    view_ = std::move(view);
    view_changed_.notify();
}

}  // namespace castle::agent
