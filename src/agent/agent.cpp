#include "agent/agent.hpp"

#include <algorithm>

#include "config/dynamic.hpp"

namespace castle::agent {

using core::Action;
using core::Activity;
using core::ProcessState;
using ports::Level;

Agent::Agent(World world, Options options)
    : executor_(world.executor),
      clock_(world.clock),
      store_(world.store),
      server_(world.server),
      fence_(world.fence),
      peers_(world.peers),
      journal_(world.journal),
      options_(std::move(options)),
      view_(std::make_shared<core::AgentView>()),
      lease_(executor_, store_, fence_, journal_, options_.name),
      watchdog_(executor_, fence_, journal_),
      roll_call_(executor_, peers_),
      worker_(executor_),
      scope_(executor_) {
    const auto wake_up = [this] { wake_.notify(); };
    on_store_ = store_.changed().subscribe([this] { store_moved(); });
    on_server_ = server_.changed().subscribe(wake_up);
    on_fence_ = fence_.changed().subscribe(wake_up);
    on_lease_ = lease_.changed().subscribe([this] {
        publish();  // whether we may write can change with it, and a cycle may be long under way
        wake_.notify();
    });
    watchdog_.configure(options_.watchdog);
    lease_.publish = [this] { return publish_lease(); };
    on_worker_ = worker_.changed().subscribe(wake_up);
}

Agent::~Agent() = default;

void Agent::stop() {
    stopping_ = true;
    wake_.notify();
}

void Agent::leave() {
    leaving_ = true;
    wake_.notify();
}

void Agent::set_options(Options options) {
    options_ = std::move(options);
    watchdog_.configure(options_.watchdog);
    force_configure_ = true;
    wake_.notify();
}

BootTime Agent::deadline() const {
    return executor_.now() + settings_.retry_timeout;
}

bool Agent::leads() const {
    return cluster_ && cluster_->leader && lease_.epoch() && cluster_->leader->name == options_.name &&
           cluster_->leader->created == *lease_.epoch();
}

Task<Agent::Exit> Agent::run() {
    const Exit started = co_await start();
    if (started != Exit::left || leaving_) co_return started;
    publish();
    if (auto listening = co_await on_started(); !listening) {
        log(Level::critical, listening.error().message);
        co_return Exit::fatal;
    }
    scope_.spawn(lease_.run());
    scope_.spawn(watch_lease());
    while (!leaving_ && !fatal_) {
        if (stopping_) {
            co_await end_in_order();
            co_return Exit::stopped;
        }
        const auto seen = wake_.count();
        ++cycles_begun_;
        co_await cycle();
        cycles_ended_ = cycles_begun_;
        cycle_ended_.notify();
        lease_.cycle_finished();
        if (fatal_) break;
        co_await wait_past(executor_, wake_, seen, std::min(next_cycle_, next_heartbeat_));
    }
    co_return fatal_ ? Exit::fatal : Exit::left;
}

// Until the store has answered nothing is known and nothing is done; then: is this name free, and what of an earlier
// run of this agent is still there? Exit::left: go on.
Task<Agent::Exit> Agent::start() {
    bool told = false;
    for (;;) {
        if (stopping_ || leaving_) co_return stopping_ ? Exit::stopped : Exit::left;
        auto snapshot = co_await store_.read(executor_.now() + Duration{5000});
        if (snapshot) {
            snapshot_ = *snapshot;
            break;
        }
        if (!std::exchange(told, true)) log(Level::warning, "waiting on the store: " + snapshot.error().message);
        if (snapshot.error().code == Errc::denied) {
            log(Level::critical, snapshot.error().message);
            co_return Exit::fatal;
        }
        const auto seen = wake_.count();
        co_await wait_past(executor_, wake_, seen, executor_.now() + Duration{1000});
    }
    const core::Cluster cluster = core::read_cluster(*snapshot_);
    cluster_ = std::make_shared<core::Cluster>(cluster);
    memory_.lineage.see(cluster, executor_.now());
    if (const core::Member* same = cluster.member(options_.name); same && !same->api_url.empty()) {
        const auto answers = co_await peers_.ask({*same}, executor_.now() + Duration{3000});
        if (!answers.empty() && answers.front().answered) {
            log(Level::critical, "Can't start; there is already a node named '" + options_.name + "' running");
            co_return Exit::fatal;
        }
    }
    if (cluster.config) {
        if (auto dynamic = config::parse_dynamic(*cluster.config)) settings_ = config::read_settings(*dynamic).settings;
    }
    core::repair(settings_, core::TimeoutFloors::contract);
    // The lease of an earlier run is still ours: with it the leader key, if we had it, and the server that runs.
    if (const core::Member* mine = cluster.member(options_.name); mine && number(mine->lease) != 0)
        store_.adopt(mine->lease, settings_.ttl);
    lease_.set_pace({settings_.ttl, settings_.loop_wait, settings_.retry_timeout});
    if (const core::FenceState fence = fence_.state(); fence.armed && fence.server_running)
        lease_.resume(fence.epoch, fence.deadline);
    // Without the lease it cannot be told whether the leader key is ours or a ghost.
    co_await lease_.renew_now(deadline());
    co_await server_.look(executor_.now() + Duration{3000});
    memory_.was_primary = server_.view().running_primary();
    // A standby that streams has been compared by whoever ran here before; a server that is down has not.
    memory_.must_compare = !server_.view().running_standby();
    started_ = executor_.now();
    co_return Exit::left;
}

// A change in the store wakes the cycle only if it can change a decision; the members' positions do not.
void Agent::store_moved() {
    const auto snapshot = store_.cached();
    if (!snapshot || !snapshot_) return wake_.notify();
    if (snapshot->incarnation != snapshot_->incarnation) return wake_.notify();
    const auto differs = [&](std::string_view key) {
        const auto a = snapshot->keys.find(std::string(key)), b = snapshot_->keys.find(std::string(key));
        const bool in_a = a != snapshot->keys.end(), in_b = b != snapshot_->keys.end();
        return in_a != in_b || (in_a && a->second.modified != b->second.modified);
    };
    for (const char* key : {"leader", "failover", "config", "initialize", "sync", "castle/leader", "history"})
        if (differs(key)) return wake_.notify();
    const bool someone_came_or_went = snapshot->keys.size() != snapshot_->keys.size();
    if (someone_came_or_went) return wake_.notify();
    const auto leader = snapshot->keys.find("leader");
    if (leader != snapshot->keys.end() && leader->second.value != options_.name &&
        differs("members/" + leader->second.value))
        return wake_.notify();
}

Task<> Agent::cycle() {
    const bool heartbeat = executor_.now() >= next_heartbeat_;
    if (heartbeat) next_heartbeat_ = executor_.now() + settings_.loop_wait;
    next_cycle_ = next_heartbeat_;
    co_await observe();
    if (leaving_ || stopping_) co_return;
    co_await apply_config();
    if (heartbeat || !watchdog_.looked()) co_await look_at_watchdog();
    auto decision = co_await decide_with_findings();
    if (!decision) co_return;  // the world changed while it was being looked into: look again
    note(*decision, heartbeat);
    if (decision->action.at)
        next_cycle_ = std::min(next_cycle_, std::max(*decision->action.at, executor_.now() + Duration{5}));
    publish();
    co_await carry_out(std::move(*decision));
    if (fatal_ || leaving_) co_return;
    publish();
    co_await upkeep(heartbeat);
}

// Reads the store (the watch's cache, or afresh when in doubt) and the server.
Task<> Agent::observe() {
    co_await give_up_old_claim();
    auto snapshot = store_.cached();
    read_ok_ = true;
    if (!snapshot || doubt_ || !lease_.store_answers()) {
        BootTime until = deadline();
        if (lease_.leader_until() != BootTime{})  // a primary must be able to act in time
            until = std::min(until, std::max(executor_.now() + Duration{500},
                                             core::demote_at(lease_.leader_until(), settings_.ttl)));
        auto read = co_await store_.read(until);
        if (read) {
            snapshot = *read;
            doubt_ = false;
        } else {
            read_ok_ = false;
        }
    }
    if (read_ok_ && snapshot) {
        if (!cluster_ || !snapshot_ || snapshot_->revision != snapshot->revision || snapshot_ != snapshot)
            cluster_ = std::make_shared<core::Cluster>(core::read_cluster(*snapshot));
        snapshot_ = snapshot;
        cluster_read_at_ = executor_.now();
        cluster_read_wall_ = clock_.now().wall;
        if (incarnation_ != 0 && cluster_->incarnation != incarnation_) another_store();
        incarnation_ = cluster_->incarnation;
        const LeaseId lease_before = memory_.lineage.last().lease;
        memory_.lineage.see(*cluster_, executor_.now());
        memory_.bootstrap.see(*cluster_, executor_.now());
        if (memory_.lineage.last().lease != lease_before) lease_of_leader_.notify();
        // The key is ours by name and by lease: taken by a write whose answer was lost, or by an earlier run.
        if (cluster_->leader && !lease_.epoch() && !memory_.lineage.left_over(*cluster_->leader) &&
            cluster_->leader->name == options_.name && number(lease_.lease()) != 0 &&
            cluster_->leader->lease == lease_.lease())
            co_await claim(cluster_->leader->created);
    }
    // Nothing has been done to the server since it was looked at for taking the lock; clients wait for the promotion.
    const bool just_looked = server_.view().looked_at + look_holds > executor_.now();
    if (!std::exchange(took_lock_, false) || !just_looked) co_await server_.look(executor_.now() + look_patience);
    const core::Instance& instance = server_.view();
    if (instance.replayed != replayed_) memory_.replay_moved_at = executor_.now();
    replayed_ = instance.replayed;
    if (!instance.disk_full) {
        memory_.disk_full_since.reset();
    } else if (!memory_.disk_full_since) {
        memory_.disk_full_since = executor_.now();
        log(Level::error, "the disk of the data directory is full: there is no room for another WAL segment");
    }
    if (instance.process != ProcessState::stopping || !worker_.idle())
        memory_.stopping_since.reset();
    else if (!memory_.stopping_since)
        memory_.stopping_since = executor_.now();
    if (instance.process == ProcessState::running && !instance.read_failed) {
        memory_.was_primary = instance.running_primary();
        memory_.failed_starts = 0;
        if (memory_.last_position.known() && instance.position() > memory_.last_position)
            memory_.position_moved_at = executor_.now();
        memory_.last_position = instance.position();
        if (worker_.idle()) {
            memory_.crashed_at.reset();
            memory_.crash_end.reset();
        }
    } else if (instance.process == ProcessState::stopped && instance.ended_by_itself && memory_.was_primary &&
               !memory_.crashed_at) {
        memory_.crashed_at = executor_.now();
        if (executor_.now() >= memory_.last_crash + core::crash_loop_window) memory_.crashes = 0;
        memory_.last_crash = executor_.now();
        ++memory_.crashes;
        compare_anew();
        log(Level::error, "PostgreSQL ended by itself");
    }
}

// Keeps in mind until when the leader's lease lives: one that ends before was revoked by hand. Beside the cycle, which
// does not wait for it. One that has run out is ended at once.
Task<> Agent::watch_lease() {
    for (;;) {
        const auto seen = lease_of_leader_.count();
        Duration pause = settings_.loop_wait;
        if (cluster_ && cluster_->leader && cluster_->leader->name != options_.name &&
            number(cluster_->leader->lease) != 0) {
            const LeaseId lease = cluster_->leader->lease;
            const std::uint64_t incarnation = store_.incarnation();
            const auto look = co_await store_.look(lease, deadline());
            if (look && incarnation == store_.incarnation()) {
                const BootTime now = executor_.now(), lapses_from = look->asked + look->left;
                memory_.lineage.see_lease(lease,
                                          core::LeaseTold::heard(look->asked, now, look->left, look->life, look->term));
                const auto& known = memory_.lineage.last().told;
                // What was told last counts if it is fresh when the lease ends, which is not before then.
                pause = std::max(pause, lapses_from - now - settings_.retry_timeout - Duration{1000});
                // Whole seconds are told: when the last one begins is seen by asking often.
                if (look->left > Duration{0}) {
                    pause = std::min(pause, std::max(lapses_from - now - Duration{1000}, Duration{50}));
                } else if (known && known->out_by && all_fenced()) {
                    const bool out = look->asked >= *known->out_by;
                    pause = std::min(pause, out ? Duration{250} : *known->out_by - now);
                    if (out) co_await end_lapsed(lease, *known);
                }
            }
            if (!look) pause = std::min(pause, Duration{1000});
        }
        co_await wait_past(executor_, lease_of_leader_, seen, executor_.now() + pause);
    }
}

// The store looks for such leases only now and then. By its end the old leader's fence has ended its server; members
// without one would follow without asking.
Task<> Agent::end_lapsed(LeaseId lease, core::LeaseTold told) {
    const core::LastLeader& last = memory_.lineage.last();
    if (last.lease != lease || !last.published || last.fence != core::Leadership::Fence::on) co_return;
    log(Level::info, "the lease of " + last.name + " has run out");
    const auto removed = co_await store_.remove(lease, told.term, executor_.now() + Duration{1000});
    if (!removed) log(Level::info, removed.error().message);
}

// Revisions of another store mean nothing in this one, even if the numbers are the same.
void Agent::another_store() {
    log(Level::error, "the store is not the one of before: it has been replaced, or restored from a backup");
    lease_.store_replaced();
    memory_.compared_with = {};
    memory_.promote_failed = memory_.pre_promote_failed = memory_.stood_back = {};
    configured_ = false;
    written_member_.clear();
    written_history_.clear();
}

Task<> Agent::apply_config() {
    if (!cluster_) co_return;
    const bool changed = !configured_ || cluster_->config_modified != config_applied_;
    if (changed) {
        config_applied_ = cluster_->config_modified;
        configured_ = true;
        const std::string& before =
            options_.remembered_config.empty() ? options_.bootstrap_config : options_.remembered_config;
        const std::string text = cluster_->config ? *cluster_->config : dynamic_json_ == "{}" ? before : dynamic_json_;
        if (auto dynamic = config::parse_dynamic(text)) {  // an invalid one: the last good one stays
            dynamic_json_ = text;
            auto read = config::read_settings(*dynamic);
            for (const std::string& warning : read.warnings) log(Level::warning, warning);
            configured_settings_ = std::move(read.settings);
        } else {
            log(Level::error, "the dynamic configuration in the store is not valid; the last good one stays in force");
        }
    }
    if (changed || force_configure_) rejoin_ = options_.rejoin(dynamic_json_);
    core::Settings repaired = configured_settings_;
    const auto warnings =
        core::repair(repaired, all_fenced() ? core::TimeoutFloors::fenced : core::TimeoutFloors::contract);
    if (!(repaired == settings_) || changed) {
        for (const std::string& warning : warnings) log(Level::warning, warning);
        settings_ = std::move(repaired);
        lease_.set_pace({settings_.ttl, settings_.loop_wait, settings_.retry_timeout});
        next_heartbeat_ = std::min(next_heartbeat_, executor_.now() + settings_.loop_wait);
    }
    if (!changed && !force_configure_) co_return;
    // A server that must not run is ended before anything else: to configure it may take a second.
    const bool ends = core::decide(situation()).action.kind == Action::Kind::demote;
    if (worker_.idle() && !ends) {
        const bool force = std::exchange(force_configure_, false);
        auto configured = co_await server_.configure(dynamic_json_, force);
        if (!configured) log(Level::warning, "configure PostgreSQL: " + configured.error().message);
    } else if (changed) {
        configured_ = false;  // once the running action has ended
    }
}

bool Agent::all_fenced() const {
    return options_.fence_works && std::ranges::all_of(cluster_->members, [this](const auto& entry) {
               return entry.first == options_.name || entry.second.fenced;
           });
}

Task<> Agent::look_at_watchdog() {
    co_await watchdog_.look(settings_.ttl, settings_.loop_wait);
    lease_.set_watchdog(watchdog_.safety_margin());
}

core::Situation Agent::situation() const {
    core::Situation s;
    s.now = clock_.now();
    s.now.boot = executor_.now();
    s.started = started_;
    s.me = options_.name;
    s.tags = core::read_tags(options_.tags);
    s.can_bootstrap = options_.can_bootstrap;
    s.use_rewind = rejoin_.use_rewind;
    s.replace_diverged = rejoin_.replace_diverged;
    s.settings = settings_;
    s.store_ok = read_ok_ && number(lease_.lease()) != 0;
    s.cluster = cluster_;
    s.epoch = lease_.epoch();
    s.leader_until = lease_.leader_until();
    s.fence = fence_.state();
    s.watchdog_problem = watchdog_.problem();
    s.instance = server_.view();
    s.activity = worker_.activity();
    s.activity_since = worker_.since();
    s.activity_cancelled = worker_.cancelled();
    s.memory = memory_;
    s.findings = findings_;
    return s;
}

// Decides; if the decision asks for findings, gathers them and decides again on what is known then.
Task<std::optional<core::Decision>> Agent::decide_with_findings() {
    findings_.reset();
    core::Decision decision = core::decide(situation());
    if (decision.action.kind != Action::Kind::investigate) co_return decision;
    ++decided_[static_cast<std::size_t>(decision.reason)];
    core::Findings findings;
    // Their answers are compared with our position: measured before, or what we write meanwhile would look like their
    // lag.
    if (server_.view().looked_at + core::position_age_max < executor_.now())
        co_await server_.look(executor_.now() + look_patience);
    Scope beside(executor_);
    if (number(decision.action.lease) != 0)
        beside.spawn(find_lease_end(decision.action.lease, executor_.now() + Duration{2500}, &findings));
    findings.peers = co_await roll_call_.ask(decision.action.members);
    co_await beside.drained();
    // Who leads may have changed meanwhile; answers are of the question as it was.
    auto latest = store_.cached();
    if (!latest) {  // the watch is being mended; the store itself still answers
        auto read = co_await store_.read(deadline());
        if (read) latest = *read;
    }
    const auto leader_of = [](const core::Snapshot& snapshot) {
        const auto found = snapshot.keys.find("leader");
        return std::pair(snapshot.incarnation, found == snapshot.keys.end() ? Revision{} : found->second.created);
    };
    if (!latest || !snapshot_ || leader_of(*latest) != leader_of(*snapshot_)) {
        next_cycle_ = executor_.now() + Duration{latest ? 0 : 200};
        co_return std::nullopt;
    }
    findings_ = std::move(findings);
    decision = core::decide(situation());
    if (decision.action.kind == Action::Kind::investigate) next_cycle_ = executor_.now() + Duration{200};
    co_return decision;
}

Task<> Agent::find_lease_end(LeaseId lease, BootTime until, core::Findings* findings) {
    const auto ended = co_await store_.ended(lease, until);
    if (!ended) co_return;
    findings->lease_ended = ended->ended;
    findings->store_term = ended->term;
}

void Agent::note(const core::Decision& decision, bool heartbeat) {
    ++decided_[static_cast<std::size_t>(decision.reason)];
    const bool same =
        last_decision_ && last_decision_->reason == decision.reason && last_decision_->text == decision.text;
    // Nothing but a human ends this: it is told once, and loud.
    const bool needs_help = decision.reason == core::Reason::data_unreadable;
    if (heartbeat && cluster_)
        log(Level::info, "Lock owner: " + (cluster_->leader ? cluster_->leader->name : std::string("None")) +
                             "; I am " + options_.name);
    if (!same || (heartbeat && !needs_help))
        log(needs_help ? Level::error : Level::info,
            (settings_.pause ? "PAUSE: " : "") + decision.text +
                (same ? "" : " [" + std::string(name_of(decision.reason)) + "]"));
    last_decision_ = decision;
}

// SIGTERM. A server that does not stop keeps the lock: the fence ends it at the deadline.
Task<> Agent::end_in_order() {
    log(Level::info, "stopping");
    worker_.cancel();
    const BootTime give_up = executor_.now() + Duration{12'000};
    while (!worker_.idle() && executor_.now() < give_up)
        co_await wait_past(executor_, worker_.changed(), worker_.changed().count(), give_up);
    if (!settings_.pause && server_.view().process != ProcessState::stopped && worker_.idle()) {
        auto stopped = co_await stop_and_release(lease_.epoch(), give_up);
        if (!stopped) log(Level::error, "stop: " + stopped.error().message);
    } else if (!settings_.pause && lease_.epoch() && server_.view().process == ProcessState::stopped) {
        auto released = co_await release_lock(end_of_wal());
        if (!released) log(Level::error, "release the lock: " + released.error().message);
    }
    publish();
    co_await write_member();
}

}  // namespace castle::agent
