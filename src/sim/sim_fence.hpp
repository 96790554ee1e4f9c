// The Fence port of a simulated agent: talks to the fence process of its host, and starts one if there is none.
#pragma once

#include "ports/fence.hpp"
#include "sim/fence_process.hpp"
#include "sim/process.hpp"

namespace castle::sim {

class SimFence final : public ports::Fence {
public:
    SimFence(World& world, FenceProcess& fence, std::shared_ptr<Process> process);
    ~SimFence() override { *self_ = nullptr; }

    ports::FenceState state() const override { return state_; }
    Signal& changed() override { return changed_; }
    Task<Status> arm(Revision epoch, BootTime until, Duration stop_before) override;
    Task<Status> extend(Revision epoch, BootTime until, Duration stop_before) override;
    Task<Status> fire() override;
    Task<Status> disarm() override;
    // Simulated machines have no such device.
    Task<Status> check_watchdog(std::string) override { co_return Error{Errc::unavailable, "there is no watchdog"}; }
    Task<Result<Duration>> open_watchdog(std::string, std::string, Duration) override {
        co_return Error{Errc::unavailable, "there is no watchdog"};
    }
    Task<Status> close_watchdog() override { co_return Done{}; }

    // From the world: the fence's state is another now. The agent learns of it when it runs.
    void fence_changed();

private:
    // Nothing: the fence does not answer.
    Task<std::optional<fence::Answer>> command(std::function<fence::Answer(FenceProcess&)> work);
    Task<Status> answered(Task<std::optional<fence::Answer>> command);
    ports::FenceState look() const;
    void keep_one_running();

    World& world_;
    FenceProcess& fence_;
    std::shared_ptr<Process> process_;
    ports::FenceState state_;
    Signal changed_;
    std::shared_ptr<SimFence*> self_;
};

}  // namespace castle::sim
