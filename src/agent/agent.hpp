// The agent: observes the store, the server and the other members, asks the core what to do, and does it.
//
// One loop, one thread. Cycles are driven by events (the watch, the server, the fence, an operator, a finished action),
// with loop_wait only as the heartbeat. Long work runs beside the loop in the Worker. It is written against ports: the
// simulator runs this very code.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "agent/lease_keeper.hpp"
#include "agent/options.hpp"
#include "agent/roll_call.hpp"
#include "agent/watchdog.hpp"
#include "agent/worker.hpp"
#include "core/decide.hpp"
#include "ports/commands.hpp"
#include "ports/peers.hpp"
#include "ports/server.hpp"
#include "task/scope.hpp"

namespace castle::agent {

class Agent final : public ports::Commands {
public:
    struct World {
        Executor& executor;
        const ports::Clock& clock;
        ports::Store& store;
        ports::Server& server;
        ports::Fence& fence;
        ports::Peers& peers;
        ports::Journal& journal;
    };
    Agent(World world, Options options);
    ~Agent() override;

    enum class Exit { stopped, left, fatal };
    // Runs until stop(), leave() or a fatal finding. Call once.
    Task<Exit> run();

    void stop();   // SIGTERM: ends the server cleanly and gives the lock back
    void leave();  // for re-execution: ends the loop, leaves the server, its fence and the lease alone
    void set_options(Options options);        // the local configuration was read again
    std::function<void()> on_reload = [] {};  // somebody asked for that
    // Awaited once, when the name has been found free and before the first cycle: now others may ask us. On an error
    // the agent ends.
    std::function<Task<Status>()> on_started = nothing_to_start;

    // How often each reason has been decided; for metrics and for the simulator's coverage.
    std::uint64_t decided(core::Reason reason) const { return decided_[static_cast<std::size_t>(reason)]; }

    // ports::Commands
    std::shared_ptr<const core::AgentView> view() const override { return view_; }
    Signal& view_changed() override { return view_changed_; }
    Task<> refresh(Duration age_max) override;
    Task<Result<core::Cluster>> read_cluster(BootTime deadline) override;
    Task<Result<Revision>> write(std::vector<core::KeyWrite> writes, BootTime deadline) override;
    Task<std::vector<core::PeerStatus>> ask(std::vector<core::Member> members, BootTime deadline) override;
    void wake() override { wake_.notify(); }
    void reload() override { on_reload(); }
    Task<ports::RestartOutcome> restart(ports::RestartRequest request) override;
    bool schedule_restart(core::ScheduledRestart restart) override;
    bool unschedule_restart() override;
    ports::ReinitOutcome reinitialize(bool force, bool from_leader) override;

private:
    static constexpr Duration look_patience{2500};  // for the server's answer to one look
    static constexpr Duration look_holds{100};      // from the decision to take the lock to the one to promote

    static Task<Status> nothing_to_start() { co_return Done{}; }

    // agent.cpp: life and cycle
    Task<Exit> start();
    Task<> cycle();
    Task<> observe();
    void another_store();
    Task<> watch_lease();
    Task<> end_lapsed(LeaseId lease, core::LeaseTold told);
    bool all_fenced() const;
    Task<> apply_config();
    Task<> look_at_watchdog();
    core::Situation situation() const;
    void note(const core::Decision& decision, bool heartbeat);
    void store_moved();
    Task<> end_in_order();
    Task<std::optional<core::Decision>> decide_with_findings();
    Task<> find_lease_end(LeaseId lease, BootTime until, core::Findings* findings);
    BootTime deadline() const;  // for one request to the store
    bool leads() const;         // the leader key is ours, in our latest view
    std::string me() const { return options_.name; }

    // carry_out.cpp: what decisions ask for
    Task<> carry_out(core::Decision decision);
    Task<> take_initialize();
    Task<> clear_initialize();
    Task<> drop_old_lock();
    Task<> take_lock(core::Evidence evidence);
    Task<> claim(Revision epoch, LeaseId published = {});
    Lsn end_of_wal() const;
    Task<Status> release_lock(Lsn optime, std::optional<core::Leadership::ShutDown> shut_down = {});
    Task<> write_initialize();
    Task<> clear_request();
    Timeline newest_timeline() const;

    // transitions.cpp: the long actions
    Task<Status> bootstrap(Revision initialize, CancelToken cancel);
    Task<Status> give_up_bootstrap();
    Task<Status> arm(Revision epoch);
    Task<Status> promote(Revision epoch, CancelToken cancel);
    Task<Status> start_primary(Revision epoch, CancelToken cancel);
    Task<Status> start_standby(std::optional<core::Upstream> upstream, CancelToken cancel);
    Task<Status> compare(core::Upstream source, Revision epoch);
    Task<Status> copy(core::Action::Kind kind, core::Upstream source, Revision epoch, CancelToken cancel);
    Task<Status> set_aside();
    Task<Status> find_crash_end();
    Task<> find_crash_end_aside();
    Task<Status> demote(core::Action::Demote how, std::optional<Revision> epoch);
    std::optional<core::Leadership::ShutDown> shut_down() const;
    Task<> await_caught_up(core::Member member, core::Leadership::ShutDown end, Signal& caught_up);
    Task<Status> stop_and_release(std::optional<Revision> epoch, BootTime deadline);
    Task<> kill_server();
    void compare_anew();
    Task<> checkpoint_after_promote();

    // commands.cpp
    Task<> look_again();
    Task<Status> run_restart(bool as_primary, std::optional<Revision> epoch, std::optional<core::Upstream> upstream,
                             CancelToken cancel);
    Task<> fresh_cycle();
    Task<> run_scheduled_restart();
    Task<> start_reinit(bool from_leader);
    Task<Status> run_reinit(core::Upstream source, Revision epoch, CancelToken cancel);

    // upkeep.cpp: what is written without anybody deciding
    Task<> upkeep(bool heartbeat);
    Task<> keep_fence();
    Task<> disarm_fence();
    Task<> publish_leadership(core::Leadership::Fence fence);
    Task<bool> publish_lease();
    Task<> write_member();
    Task<> write_status(bool heartbeat);
    Task<> keep_slots(bool leader, bool heartbeat);
    core::SlotKeeper slot_keeper(bool leader) const;
    Task<> put(std::vector<core::KeyWrite> writes, std::string_view doing);
    bool server_may_write() const;
    Task<> give_up_old_claim();
    void publish();
    std::string state_name() const;
    std::string role_name() const;

    void log(ports::Level level, std::string_view text) { journal_.write(level, text); }

    Executor& executor_;
    const ports::Clock& clock_;
    ports::Store& store_;
    ports::Server& server_;
    ports::Fence& fence_;
    ports::Peers& peers_;
    ports::Journal& journal_;
    Options options_;

    std::shared_ptr<const core::Cluster> cluster_;
    std::shared_ptr<const core::Snapshot> snapshot_;
    BootTime cluster_read_at_{};
    WallTime cluster_read_wall_{};
    bool took_lock_ = false;         // in the cycle before this one
    bool doubt_ = true;              // the cached view may be older than what we have written: read afresh
    bool read_ok_ = false;           // the last look at the store succeeded
    std::uint64_t incarnation_ = 0;  // of the store that cluster_ is of
    Revision config_applied_{};
    bool configured_ = false;
    bool force_configure_ = false;
    std::string dynamic_json_ = "{}";
    core::Settings configured_settings_;
    core::Settings settings_;
    Rejoin rejoin_;
    core::Memory memory_;
    std::optional<core::Findings> findings_;
    std::optional<core::Decision> last_decision_;
    bool fatal_ = false;
    bool stopping_ = false;
    Lsn replayed_;
    bool refreshing_ = false;
    bool finding_crash_end_ = false;
    std::uint64_t ended_primaries_ = 0;  // what was compared before one ended does not count any more
    std::uint64_t cycles_begun_ = 0, cycles_ended_ = 0;
    Signal cycle_ended_;
    bool leaving_ = false;
    bool pre_promoting_ = false;  // the user's script runs; the server is a standby still
    BootTime started_{};
    BootTime next_heartbeat_{};
    BootTime next_cycle_{};
    std::string written_member_;
    LeaseId written_member_lease_{};
    std::string written_history_;
    core::SlotRetention slot_retention_;
    std::optional<bool> checkpoint_after_promote_;
    std::string callback_role_;
    bool takes_over_ = true;               // from a leader that may not have handed over
    Timeline reserved_timeline_{};         // the number that our promotion takes at least
    std::optional<BootTime> alone_since_;  // no other member has a key
    std::optional<core::ScheduledRestart> scheduled_restart_;
    std::array<std::uint64_t, static_cast<std::size_t>(core::Reason::count_)> decided_{};

    std::shared_ptr<const core::AgentView> view_;
    Signal view_changed_;
    Signal wake_;
    Signal lease_of_leader_;  // another one than before, or of another leader
    LeaseKeeper lease_;
    Watchdog watchdog_;
    RollCall roll_call_;
    Worker worker_;
    Signal::Subscription on_store_, on_server_, on_fence_, on_lease_, on_worker_;
    Scope scope_;  // last: its coroutines use what stands above
};

}  // namespace castle::agent
