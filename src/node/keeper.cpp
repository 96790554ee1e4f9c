#include "node/keeper.hpp"

#include <algorithm>

namespace castle::node {

using namespace std::chrono_literals;

namespace {
constexpr Duration shortest_wait = 100ms;
constexpr Duration longest_wait = 10s;
constexpr Duration healthy_run = 10s;  // after which an end counts as the first one again
}  // namespace

Duration next_wait(Duration lasted, Duration before) {
    if (lasted >= healthy_run) return shortest_wait;
    return std::clamp(before * 2, shortest_wait, longest_wait);
}

Keeper::Keeper(io::Loop& loop, Part part, Signal& changed, std::function<void(const std::string&)> log)
    : loop_(loop), part_(std::move(part)), changed_(changed), log_(std::move(log)) {
    CASTLE_ASSERT(!part_.command.die_with_parent);
    report_.name = part_.name;
}

void Keeper::started(pid_t pid, std::string_view how) {
    report_.state = PartState::running;
    report_.pid = pid;
    log_(part_.name + " " + std::string(how) + ", process " + std::to_string(pid));
    changed_.notify();
}

void Keeper::ended(const std::string& how) {
    report_.state = PartState::restarting;
    report_.pid = 0;
    report_.last_end = how;
    ++report_.restarts;
    log_(part_.name + " has ended: " + how);
    changed_.notify();
}

Task<> Keeper::watch_foreign(pid_t pid, CancelToken cancel) {
    started(pid, "runs already");
    auto gone = co_await io::watch_pid(loop_, pid, BootTime::max(), cancel);
    if (gone) ended("it went away");
}

Task<> Keeper::run_once(CancelToken cancel) {
    if (const auto running = part_.find()) {
        co_await watch_foreign(*running, cancel);
        co_return;
    }
    auto process = co_await io::Process::start(loop_, part_.command);
    if (!process) {
        ended(process.error().message);
        co_return;
    }
    started((*process)->pid(), "started");
    auto status = co_await (*process)->wait(BootTime::max(), cancel);
    if (status)
        ended(status->text());
    else
        (*process)->detach();
}

Task<> Keeper::keep(CancelToken cancel) {
    Duration wait{0};
    while (!cancel.cancelled()) {
        const BootTime began = loop_.now();
        co_await run_once(cancel);
        if (cancel.cancelled()) break;
        wait = next_wait(loop_.now() - began, wait);
        co_await sleep_for(loop_, wait, cancel);
    }
}

}  // namespace castle::node
