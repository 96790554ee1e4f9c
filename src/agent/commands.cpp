// What the REST interface asks of the agent.
#include <algorithm>

#include "agent/agent.hpp"

namespace castle::agent {

using core::Activity;
using core::ProcessState;
using ports::ReinitOutcome;
using ports::RestartOutcome;

Task<> Agent::refresh(Duration age_max) {
    const BootTime asked = executor_.now();
    const auto old = [&] { return server_.view().running_standby() && view_->instance.looked_at + age_max < asked; };
    if (!old()) co_return;
    if (!std::exchange(refreshing_, true)) scope_.spawn(look_again());
    const BootTime until = asked + Duration{300};
    while (old() && refreshing_ && executor_.now() < until)
        co_await wait_past(executor_, view_changed_, view_changed_.count(), until);
}

Task<> Agent::look_again() {
    co_await server_.look(executor_.now() + look_patience);
    refreshing_ = false;
    publish();
}

Task<Result<core::Cluster>> Agent::read_cluster(BootTime deadline) {
    CASTLE_CO_TRY(const auto snapshot, co_await store_.read(deadline));
    co_return core::read_cluster(*snapshot);
}

Task<Result<Revision>> Agent::write(std::vector<core::KeyWrite> writes, BootTime deadline) {
    auto written = co_await store_.write(std::move(writes), deadline);
    doubt_ = true;
    wake_.notify();
    co_return written;
}

Task<std::vector<core::PeerStatus>> Agent::ask(std::vector<core::Member> members, BootTime deadline) {
    co_return co_await peers_.ask(std::move(members), deadline);
}

namespace {

// "15.3" or "9.5.2" as libpq counts versions.
int version_number(std::string_view text) {
    int parts[3] = {0, 0, 0};
    int i = 0;
    for (const char c : text) {
        if (c == '.') {
            if (++i > 2) return 0;
        } else if (c >= '0' && c <= '9') {
            parts[i] = parts[i] * 10 + (c - '0');
        } else {
            return 0;
        }
    }
    return parts[0] >= 10 ? parts[0] * 10'000 + parts[1] : parts[0] * 10'000 + parts[1] * 100 + parts[2];
}

bool conditions_met(const ports::RestartRequest& request, const core::AgentView& view) {
    if (!request.role.empty()) {
        const std::string role = request.role == "master" ? "primary" : request.role;
        if (role != view.role) return false;
    }
    if (!request.postgres_version.empty() && view.instance.server_version >= version_number(request.postgres_version))
        return false;
    return !request.only_pending || !view.instance.pending_restart.empty();
}

}  // namespace

// Answers when a cycle has ended that began after this call, with the store read afresh.
Task<> Agent::fresh_cycle() {
    const std::uint64_t wanted = cycles_begun_ + 1;
    const BootTime give_up = executor_.now() + Duration{5000};
    doubt_ = true;
    wake_.notify();
    while (cycles_ended_ < wanted && executor_.now() < give_up)
        co_await wait_past(executor_, cycle_ended_, cycle_ended_.count(), give_up);
}

Task<RestartOutcome> Agent::restart(ports::RestartRequest request) {
    if (!worker_.idle()) co_return RestartOutcome::busy;
    co_await fresh_cycle();  // a setting that was changed a moment ago must be in force after the restart
    if (!worker_.idle()) co_return RestartOutcome::busy;
    if (!conditions_met(request, *view_)) co_return RestartOutcome::conditions_not_met;
    const core::Instance& instance = server_.view();
    const bool as_primary = instance.running_primary();
    if (as_primary && !lease_.epoch()) co_return RestartOutcome::failed;
    const core::Situation now = situation();
    struct Outcome {
        bool ended = false;
        bool good = false;
        Signal changed;
    };
    auto outcome = std::make_shared<Outcome>();
    auto token = worker_.fresh_token();
    worker_.start(Activity::restart, run_restart(as_primary, lease_.epoch(), core::wanted_upstream(now), token),
                  [this, outcome](const Status& status) {
                      if (!status) log(ports::Level::error, "restart: " + status.error().message);
                      outcome->ended = true;
                      outcome->good = bool(status);
                      outcome->changed.notify();
                  });
    wake_.notify();
    const BootTime until =
        executor_.now() + request.timeout.value_or(std::max(settings_.primary_start_timeout, Duration{1000}));
    if (!outcome->ended) co_await wait_past(executor_, outcome->changed, outcome->changed.count(), until);
    if (!outcome->ended) co_return RestartOutcome::still_starting;
    co_return outcome->good ? RestartOutcome::done : RestartOutcome::failed;
}

Task<Status> Agent::run_restart(bool as_primary, std::optional<Revision> epoch, std::optional<core::Upstream> upstream,
                                CancelToken cancel) {
    if (as_primary) {
        auto checkpointed = co_await server_.checkpoint(executor_.now() + settings_.primary_start_timeout);
        if (!checkpointed) log(ports::Level::warning, "checkpoint before the restart: " + checkpointed.error().message);
    }
    CASTLE_CO_CHECK(co_await server_.stop(ports::StopMode::fast, executor_.now() + Duration{60'000}));
    if (!as_primary) {
        auto started = co_await server_.start_standby(std::move(upstream), cancel);
        if (started) server_.callback("on_restart", "replica");
        co_return started;
    }
    // The lock may have been lost while the server was down; then nothing is started.
    if (lease_.epoch() != epoch || executor_.now() >= lease_.leader_until())
        co_return Error{Errc::conflict, "the leader lock was lost during the restart"};
    if (fence_.state().attached) CASTLE_CO_CHECK(co_await lease_.arm(*epoch));
    auto started = co_await server_.start_primary(cancel);
    if (started) server_.callback("on_restart", "primary");
    co_return started;
}

bool Agent::schedule_restart(core::ScheduledRestart restart) {
    if (scheduled_restart_) return false;
    restart.postmaster_start_time = server_.view().postmaster_start_time;
    scheduled_restart_ = std::move(restart);
    wake_.notify();
    return true;
}

bool Agent::unschedule_restart() {
    const bool was = scheduled_restart_.has_value();
    scheduled_restart_.reset();
    wake_.notify();
    return was;
}

Task<> Agent::run_scheduled_restart() {
    if (!scheduled_restart_ || settings_.pause || !worker_.idle()) co_return;
    const core::ScheduledRestart due = *scheduled_restart_;
    const auto late = std::chrono::duration_cast<Duration>(clock_.now().wall - due.at);
    const bool other_server = due.postmaster_start_time != server_.view().postmaster_start_time;
    if (late < Duration{0} && !other_server) {
        next_cycle_ = std::min(next_cycle_, executor_.now() - late);
        co_return;
    }
    scheduled_restart_.reset();
    if (other_server || late > settings_.loop_wait + settings_.loop_wait / 2) {
        log(ports::Level::info, other_server ? "scheduled restart is dropped: PostgreSQL has been restarted since"
                                             : "scheduled restart is dropped: its time has passed");
        co_return;
    }
    struct Run {
        static Task<> restart(Agent& agent, ports::RestartRequest request) {
            const auto outcome = co_await agent.restart(std::move(request));
            if (outcome == RestartOutcome::conditions_not_met)
                agent.log(ports::Level::info, "scheduled restart: the conditions are not met");
        }
    };
    scope_.spawn(Run::restart(*this, {due.role, due.postgres_version, due.only_pending, due.timeout}));
}

ReinitOutcome Agent::reinitialize(bool force, bool from_leader) {
    if (!cluster_ || !cluster_->leader) return ReinitOutcome::no_leader;
    if (cluster_->leader->name == options_.name) return ReinitOutcome::is_leader;
    if (!worker_.idle()) {
        if (!force) return ReinitOutcome::busy;
        worker_.cancel();
    }
    scope_.spawn(start_reinit(from_leader));
    return ReinitOutcome::started;
}

Task<> Agent::start_reinit(bool from_leader) {
    const BootTime give_up = executor_.now() + Duration{60'000};
    while (!worker_.idle() && executor_.now() < give_up)
        co_await wait_past(executor_, worker_.changed(), worker_.changed().count(), give_up);
    if (!worker_.idle() || !cluster_ || !cluster_->leader || cluster_->leader->name == options_.name) {
        log(ports::Level::error, "reinitialize: the running action could not be ended, or the leader has changed");
        co_return;
    }
    const core::Situation now = situation();
    std::optional<core::Upstream> source = core::wanted_upstream(now);
    if (!from_leader)
        for (const auto& [name, member] : cluster_->members)
            if (member.tags.clonefrom && name != options_.name && name != cluster_->leader->name &&
                member.state == "running")
                if (auto upstream = core::upstream_of_member(member)) source = upstream;
    if (!source) {
        log(ports::Level::error, "reinitialize: the leader has no usable address");
        co_return;
    }
    auto token = worker_.fresh_token();
    worker_.start(Activity::reinit, run_reinit(*source, cluster_->leader->created, token),
                  [this](const Status& status) {
                      if (!status) log(ports::Level::error, "reinitialize: " + status.error().message);
                  });
    wake_.notify();
}

Task<Status> Agent::run_reinit(core::Upstream source, Revision epoch, CancelToken cancel) {
    CASTLE_CO_CHECK(co_await server_.stop(ports::StopMode::immediate, executor_.now() + Duration{10'000}));
    CASTLE_CO_CHECK(co_await server_.set_aside("reinit"));
    co_return co_await copy(core::Action::Kind::clone, std::move(source), epoch, cancel);
}

}  // namespace castle::agent
