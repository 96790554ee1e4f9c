// An executor with a made-up clock: a queue ordered by (time, sequence). The simulator runs whole clusters on it, unit
// tests single coroutines. Work runs only inside step() and run_*(); time moves only there and in advance_to().
#pragma once

#include <optional>
#include <vector>

#include "base/assert.hpp"
#include "task/executor.hpp"

namespace castle {

class ManualExecutor final : public Executor {
public:
    BootTime now() const override { return now_; }
    void post(std::function<void()> work) override;
    TimerId at(BootTime when, std::function<void()> work) override;
    void cancel(TimerId timer) override;

    bool step();                   // runs the next piece of work, moving the clock to it; false if there is none
    void run_until(BootTime end);  // everything due up to and including `end`; leaves the clock there
    void run_for(Duration duration) { run_until(now_ + duration); }
    std::optional<BootTime> next();  // when the next piece of work is due; nothing: there is none
    void advance_to(BootTime time) { now_ = time > now_ ? time : now_; }  // without running anything
    std::uint64_t steps() const { return steps_; }

private:
    // The work lies in a slot, its place in line in a heap. Taking work back empties the slot; the heap's entry is then
    // recognised by its sequence number and dropped when it comes to the front.
    struct Slot {
        std::function<void()> work;
        std::uint64_t sequence = 0;  // 0: free
    };
    struct Place {
        BootTime when;
        std::uint64_t sequence;
        std::uint32_t slot;
        friend bool operator<(const Place& a, const Place& b) {  // std heaps keep the greatest in front
            return a.when != b.when ? a.when > b.when : a.sequence > b.sequence;
        }
    };
    TimerId enqueue(BootTime when, std::function<void()> work);
    void drop_cancelled();

    std::vector<Slot> slots_;
    std::vector<std::uint32_t> free_;
    std::vector<Place> heap_;
    BootTime now_{};
    std::uint64_t sequence_ = 0;
    std::uint64_t steps_ = 0;
};

}  // namespace castle
