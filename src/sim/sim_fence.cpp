#include "sim/sim_fence.hpp"

namespace castle::sim {
namespace {
constexpr Duration answer_limit = 1s;
}

using fence::Answer;

SimFence::SimFence(World& world, FenceProcess& fence, std::shared_ptr<Process> process)
    : world_(world), fence_(fence), process_(std::move(process)), self_(std::make_shared<SimFence*>(this)) {
    state_ = look();
    if (!fence_.alive()) keep_one_running();
}

void SimFence::keep_one_running() {
    world_.after(world_.random().between(10ms, 60ms), [self = self_] {
        if (*self && !(*self)->process_->frozen)
            (*self)->fence_.start();
        else if (*self)
            (*self)->keep_one_running();
    });
}

ports::FenceState SimFence::look() const {
    const fence::State& now = fence_.state();
    ports::FenceState state;
    state.attached = fence_.alive();
    if (!state.attached) return state;
    state.armed = now.phase == fence::Phase::armed;
    state.epoch = now.epoch;
    state.deadline = now.deadline;
    state.server_running = now.server != 0;
    state.server_pid = now.server;
    state.fired = now.phase == fence::Phase::gone && fence_.fired_since_start();
    return state;
}

void SimFence::fence_changed() {
    process_->deliver(world_.now(), [this, state = look()] {
        state_ = state;
        changed_.notify();
    });
    if (!fence_.alive()) keep_one_running();
}

Task<std::optional<Answer>> SimFence::command(std::function<Answer(FenceProcess&)> work) {
    if (!fence_.alive()) co_return std::nullopt;
    Completion<Answer> answer;
    // The socket: the command arrives even if the agent dies meanwhile. A frozen fence reads it when it is thawed, too
    // late for the agent to know.
    world_.after(Duration{world_.random().between(0, 1)},
                 [fence = &fence_, work = std::move(work), setter = answer.setter(), process = std::weak_ptr(process_),
                  world = &world_] {
                     if (!fence->alive() || fence->frozen()) return;
                     const Answer said = work(*fence);
                     if (const auto living = process.lock())
                         living->deliver(world->now(), [setter, said] { setter(said); });
                 });
    co_return co_await wait_for(process_->executor(), answer, process_->executor().now() + answer_limit);
}

Task<Status> SimFence::answered(Task<std::optional<Answer>> command) {
    const auto answer = co_await std::move(command);
    if (!answer) co_return Error{Errc::unavailable, "the fence does not answer", Effect::unknown};
    state_ = look();
    switch (*answer) {
        case Answer::ok: co_return Done{};
        case Answer::not_armed:
        case Answer::stale_epoch: co_return Error{Errc::conflict, std::string(fence::name_of(*answer))};
        case Answer::too_late: co_return Error{Errc::timed_out, std::string(fence::name_of(*answer))};
        default: co_return Error{Errc::failed, std::string(fence::name_of(*answer))};
    }
}

Task<Status> SimFence::arm(Revision epoch, BootTime until, Duration stop_before) {
    return answered(command([=](FenceProcess& fence) { return fence.arm(epoch, until, stop_before); }));
}
Task<Status> SimFence::extend(Revision epoch, BootTime until, Duration stop_before) {
    return answered(command([=](FenceProcess& fence) { return fence.extend(epoch, until, stop_before); }));
}
Task<Status> SimFence::disarm() {
    return answered(command([](FenceProcess& fence) { return fence.disarm(); }));
}

Task<Status> SimFence::fire() {
    CASTLE_CO_CHECK(co_await answered(command([](FenceProcess& fence) { return fence.kill(); })));
    while (fence_.alive() && fence_.state().phase == fence::Phase::fired)
        co_await wait_past(process_->executor(), changed_, changed_.count(), process_->executor().now() + 100ms);
    state_ = look();
    co_return Done{};
}

}  // namespace castle::sim
