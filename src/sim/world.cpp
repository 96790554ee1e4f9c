#include "sim/world.hpp"

namespace castle::sim {

void World::run_until(BootTime end) {
    for (;;) {
        // Between things due at the same time the world comes first, then the processes in the order of their start.
        BootTime first = end + 1ms;
        Process* process = nullptr;
        if (const auto next = queue_.next(); next && *next < first) first = *next;
        for (Process* candidate : processes_) {
            const auto due = candidate->due(now_);
            if (due && *due < first) {
                first = *due;
                process = candidate;
            }
        }
        if (first > end) break;
        now_ = std::max(now_, first);
        queue_.advance_to(now_);
        ++steps_;
        if (process)
            process->step(now_);
        else
            queue_.step();
    }
    now_ = std::max(now_, end);
    queue_.advance_to(now_);
}

}  // namespace castle::sim
