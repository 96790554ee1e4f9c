// Time, chance and order of a simulated run: one queue for what happens in the world, one for each simulated process,
// and always the earliest of them next. Everything else of the simulator stands on this; one thread, no wall clock.
#pragma once

#include <algorithm>
#include <functional>
#include <vector>

#include "sim/fault.hpp"
#include "sim/process.hpp"
#include "sim/random.hpp"
#include "sim/trace.hpp"

namespace castle::sim {

using namespace std::chrono_literals;

class World {
public:
    explicit World(std::uint64_t seed, std::FILE* print = nullptr) : trace_(print), random_(seed) {}
    World(const World&) = delete;
    World& operator=(const World&) = delete;

    BootTime now() const { return now_; }
    Random& random() { return random_; }

    TimerId at(BootTime when, std::function<void()> work) { return queue_.at(when, std::move(work)); }
    TimerId after(Duration delay, std::function<void()> work) { return queue_.at(now_ + delay, std::move(work)); }
    void cancel(TimerId timer) { queue_.cancel(timer); }

    void add(Process& process) { processes_.push_back(&process); }
    void remove(Process& process) { std::erase(processes_, &process); }

    void run_until(BootTime end);

    void note(std::string_view who, std::string_view what, std::initializer_list<std::int64_t> numbers = {}) {
        trace_.note(now_, who, what, numbers);
    }
    void say(std::string_view who, std::string_view text) { trace_.say(now_, who, text); }
    const Trace& trace() const { return trace_; }

    void count(Fault fault) { ++faults_[static_cast<std::size_t>(fault)]; }
    const FaultCounts& faults() const { return faults_; }
    std::uint64_t steps() const { return steps_; }

private:
    BootTime now_{};
    ManualExecutor queue_;
    std::vector<Process*> processes_;
    Trace trace_;
    Random random_;
    FaultCounts faults_{};
    std::uint64_t steps_ = 0;
};

}  // namespace castle::sim
