#include "task/manual_executor.hpp"

#include <algorithm>

namespace castle {

void ManualExecutor::post(std::function<void()> work) { queue_.emplace(Place{now_, ++sequence_}, std::move(work)); }

TimerId ManualExecutor::at(BootTime when, std::function<void()> work) {
    const Place place{std::max(when, now_), ++sequence_};
    queue_.emplace(place, std::move(work));
    places_.emplace(place.second, place);
    return TimerId{place.second};
}

void ManualExecutor::cancel(TimerId timer) {
    const auto found = places_.find(static_cast<std::uint64_t>(timer));
    if (found == places_.end()) return;
    queue_.erase(found->second);
    places_.erase(found);
}

bool ManualExecutor::step() {
    if (queue_.empty()) return false;
    const auto first = queue_.begin();
    now_ = std::max(now_, first->first.first);
    places_.erase(first->first.second);
    const auto work = std::move(first->second);
    queue_.erase(first);
    ++steps_;
    work();
    return true;
}

void ManualExecutor::run_until(BootTime end) {
    while (!queue_.empty() && queue_.begin()->first.first <= end) step();
    now_ = std::max(now_, end);
}

}  // namespace castle
