// An executor with a made-up clock: a queue ordered by (time, sequence). The simulator runs whole clusters on it, unit
// tests single coroutines. Work runs only inside run_*(); time moves only there.
#pragma once

#include <map>
#include <utility>

#include "task/executor.hpp"

namespace castle {

class ManualExecutor final : public Executor {
public:
    BootTime now() const override { return now_; }
    void post(std::function<void()> work) override;
    TimerId at(BootTime when, std::function<void()> work) override;
    void cancel(TimerId timer) override;

    bool step();                     // runs the next piece of work, moving the clock to it; false if there is none
    void run_until(BootTime end);    // everything due up to and including `end`; leaves the clock there
    void run_for(Duration duration) { run_until(now_ + duration); }
    std::uint64_t steps() const { return steps_; }

private:
    using Place = std::pair<BootTime, std::uint64_t>;
    std::map<Place, std::function<void()>> queue_;
    std::map<std::uint64_t, Place> places_;  // of timers, by id
    BootTime now_{};
    std::uint64_t sequence_ = 0;
    std::uint64_t steps_ = 0;
};

}  // namespace castle
