// The Server port of a simulated agent. The server process and its data directory belong to the world and outlive the
// agent; what the agent's own children do (initdb, pg_basebackup, pg_rewind) ends with the agent, half done.
#pragma once

#include "ports/server.hpp"
#include "sim/fence_process.hpp"
#include "sim/postgres.hpp"
#include "sim/process.hpp"

namespace castle::sim {

class SimServer final : public ports::Server {
public:
    // `synchronous`: whom this server's commits wait for once it is a primary.
    SimServer(Surroundings& around, Postgres& server, FenceProcess& fence, std::shared_ptr<Process> process,
              std::vector<std::string> synchronous);

    const core::Instance& view() const override { return view_; }
    Task<> look(BootTime deadline) override;
    Signal& changed() override { return changed_; }

    Task<Status> bootstrap(CancelToken cancel) override;
    Task<Status> clone(core::Upstream source, CancelToken cancel) override;
    Task<Status> rewind(core::Upstream source, CancelToken cancel) override;
    Task<Status> start_primary(CancelToken cancel) override;
    Task<Status> start_standby(std::optional<core::Upstream> upstream, CancelToken cancel) override;
    Task<Status> follow(std::optional<core::Upstream> upstream) override;
    Task<Status> resume_replay() override { co_return Done{}; }  // its replay never pauses
    Task<Status> pre_promote(BootTime, CancelToken) override { co_return Done{}; }
    Task<Status> promote(Timeline at_least, CancelToken cancel) override;
    Task<Status> stop(ports::StopMode mode, BootTime deadline) override;
    Task<Status> checkpoint(BootTime deadline) override;
    Task<Result<Lsn>> last_record(BootTime deadline) override;
    Task<Status> configure(std::string dynamic_json, bool force) override;
    Task<Status> change_slots(std::vector<core::SlotStep> steps) override;
    Task<Status> set_aside(std::string why) override;
    Task<Result<Divergence>> compare(core::Upstream source, BootTime deadline) override;
    void callback(std::string action, std::string role) override;

    // From the world: the server's state is another now. The agent learns of it when it runs.
    void server_changed();

private:
    void take_disk();
    void move_aside(std::string_view why);
    void take_process_part();
    void take_positions();
    Task<Status> start(CancelToken cancel);
    Task<Status> work(Duration time, CancelToken cancel);
    Result<Postgres*> reachable(const core::Upstream& source, bool primary) const;
    Executor& executor() { return process_->executor(); }

    Surroundings& around_;
    World& world_;
    Postgres& server_;
    FenceProcess& fence_;
    std::shared_ptr<Process> process_;
    std::vector<std::string> synchronous_;
    core::Instance view_;
    Signal changed_;
};

}  // namespace castle::sim
