#include "task/manual_executor.hpp"

#include <algorithm>

namespace castle {
namespace {

// A timer's id holds its slot and enough of its sequence number to tell it from the slot's later tenants.
constexpr int slot_bits = 20;
constexpr std::uint64_t slot_mask = (1 << slot_bits) - 1;

}  // namespace

void ManualExecutor::post(std::function<void()> work) {
    enqueue(now_, std::move(work));
}

TimerId ManualExecutor::at(BootTime when, std::function<void()> work) {
    return enqueue(std::max(when, now_), std::move(work));
}

TimerId ManualExecutor::enqueue(BootTime when, std::function<void()> work) {
    std::uint32_t slot;
    if (free_.empty()) {
        slot = static_cast<std::uint32_t>(slots_.size());
        CASTLE_ASSERT(slot < slot_mask);
        slots_.emplace_back();
    } else {
        slot = free_.back();
        free_.pop_back();
    }
    slots_[slot] = {std::move(work), ++sequence_};
    heap_.push_back({when, sequence_, slot});
    std::push_heap(heap_.begin(), heap_.end());
    return TimerId{sequence_ << slot_bits | slot};
}

void ManualExecutor::cancel(TimerId timer) {
    const auto id = static_cast<std::uint64_t>(timer);
    const auto slot = static_cast<std::uint32_t>(id & slot_mask);
    if (slot >= slots_.size() || slots_[slot].sequence != id >> slot_bits) return;
    const auto work = std::move(slots_[slot].work);  // destroyed last: what it holds may cancel timers in turn
    slots_[slot].work = nullptr;
    slots_[slot].sequence = 0;
    free_.push_back(slot);
}

void ManualExecutor::drop_cancelled() {
    while (!heap_.empty() && slots_[heap_.front().slot].sequence != heap_.front().sequence) {
        std::pop_heap(heap_.begin(), heap_.end());
        heap_.pop_back();
    }
}

std::optional<BootTime> ManualExecutor::next() {
    drop_cancelled();
    if (heap_.empty()) return std::nullopt;
    return heap_.front().when;
}

bool ManualExecutor::step() {
    drop_cancelled();
    if (heap_.empty()) return false;
    const Place first = heap_.front();
    std::pop_heap(heap_.begin(), heap_.end());
    heap_.pop_back();
    now_ = std::max(now_, first.when);
    const auto work = std::move(slots_[first.slot].work);
    slots_[first.slot].work = nullptr;
    slots_[first.slot].sequence = 0;
    free_.push_back(first.slot);
    ++steps_;
    work();
    return true;
}

void ManualExecutor::run_until(BootTime end) {
    for (auto due = next(); due && *due <= end; due = next()) step();
    now_ = std::max(now_, end);
}

}  // namespace castle
