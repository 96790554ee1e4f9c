#include "sim/fence_process.hpp"

namespace castle::sim {

using fence::Answer;

void FenceProcess::start() {
    if (alive_) return;
    alive_ = true;
    ++life_;
    logic_ = {};
    firings_at_start_ = 0;
    changed_();
}

void FenceProcess::crash() {
    if (!alive_) return;
    alive_ = false;
    ++life_;
    world_.note(server_.name(), "fence has died");
    world_.after(world_.random().between(1ms, 8ms), [this] { server_.crash(); });
    changed_();
}

void FenceProcess::thaw() {
    if (!std::exchange(frozen_, false) || !alive_) return;
    world_.note(server_.name(), "fence goes on: phase %1, epoch %2, %3 ms left",
                {static_cast<std::int64_t>(logic_.state().phase), number(logic_.state().epoch),
                 (logic_.state().deadline - now().boot).count()});
    if (logic_.state().phase == fence::Phase::fired) kill_server();  // the kill was interrupted
    carry_out(logic_.tick(now()));
}

Answer FenceProcess::arm(Revision epoch, BootTime until, Duration stop_before) {
    return carry_out(logic_.arm(now(), epoch, until, stop_before));
}
Answer FenceProcess::extend(Revision epoch, BootTime until, Duration stop_before) {
    return carry_out(logic_.extend(now(), epoch, until, stop_before));
}
Answer FenceProcess::disarm() {
    return carry_out(logic_.disarm(now()));
}
Answer FenceProcess::kill() {
    return carry_out(logic_.kill(now()));
}

Answer FenceProcess::start_server() {
    if (const Answer answer = logic_.may_start(); answer != Answer::ok) return answer;
    server_.start();
    firings_at_start_ = logic_.state().firings;
    return carry_out(logic_.server_started(now(), server_.pid()));
}

void FenceProcess::server_changed() {
    if (alive_ && logic_.state().server != 0 && server_.process() == core::ProcessState::stopped &&
        logic_.state().phase != fence::Phase::fired) {
        logic_.server_ended();
        changed_();
    }
}

Answer FenceProcess::carry_out(fence::Outcome outcome) {
    if (outcome.action == fence::Action::ping_watchdog)
        world_.note(server_.name(), "fence: deadline in %1 ms for epoch %2",
                    {(logic_.state().deadline - now().boot).count(), number(logic_.state().epoch)});
    if (outcome.action == fence::Action::stop) {
        world_.note(server_.name(), "fence: stops the server, its deadline is near");
        server_.stop_fast();
    }
    if (outcome.action == fence::Action::kill) {
        world_.note(server_.name(), "fence fires");
        kill_server();
    }
    set_timer();
    changed_();
    return outcome.answer;
}

// Until everything is dead, backends may go on answering their clients.
void FenceProcess::kill_server() {
    world_.after(world_.random().between(2ms, 25ms), [this, life = life_] {
        if (life != life_ || frozen_ || logic_.state().phase != fence::Phase::fired) return;  // thaw() begins anew
        server_.stop_now();
        logic_.emptied();
        changed_();
    });
}

void FenceProcess::set_timer() {
    const auto wait = logic_.wait(now());
    const auto timer = ++timer_;
    if (!wait) return;
    // The wait is by the clocks of this host. A timer is late by up to a millisecond, never early.
    const BootTime local = clock_.boot(world_.now()) + *wait;
    const BootTime when = std::max(world_.now(), clock_.world_at(local)) + Duration{world_.random().between(0, 1)};
    world_.at(when, [this, timer, life = life_] {
        if (life != life_ || timer != timer_ || frozen_) return;
        carry_out(logic_.tick(now()));
    });
}

}  // namespace castle::sim
