// What a coroutine can wait for: a point in time, a Signal, cancellation, a callback. All of it belongs to the thread
// of the executor, and all of it is taken back when the waiting coroutine is destroyed.
#pragma once

#include <coroutine>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>

#include "task/executor.hpp"
#include "task/task.hpp"

namespace castle {

// A timer that is taken back on destruction.
class Timer {
public:
    Timer() = default;
    Timer(Executor& executor, BootTime when, std::function<void()> work);
    Timer(Timer&& other) noexcept;
    Timer& operator=(Timer&& other) noexcept;
    ~Timer() { cancel(); }
    void cancel();

private:
    Executor* executor_ = nullptr;
    TimerId id_{};
};

// Something happened, or may have. Waiters say what they have already seen, so nothing is missed between two waits:
//   auto seen = signal.count();  ... look at the world ...  co_await wait_past(executor, signal, seen, deadline);
class Signal {
public:
    Signal() = default;
    Signal(const Signal&) = delete;
    Signal& operator=(const Signal&) = delete;
    ~Signal();

    void notify();  // wakes every waiter through its own executor, never inside this call
    std::uint64_t count() const { return count_; }

    // Calls `work` inside each notify() until the subscription is destroyed. For joining several signals into one.
    class Subscription {
    public:
        Subscription() = default;
        Subscription(Subscription&&) noexcept;
        Subscription& operator=(Subscription&&) noexcept;
        ~Subscription();

    private:
        friend Signal;
        struct Node;
        explicit Subscription(std::shared_ptr<Node> node) : node_(std::move(node)) {}
        std::shared_ptr<Node> node_;
    };
    [[nodiscard]] Subscription subscribe(std::function<void()> work);

private:
    std::uint64_t count_ = 0;
    std::list<std::weak_ptr<Subscription::Node>> nodes_;
};

// Asks running work to end early; the work answers with Errc::cancelled once it has cleaned up.
class CancelToken;
class CancelSource {
public:
    CancelSource();
    void cancel();  // idempotent
    bool cancelled() const;
    CancelToken token() const;

private:
    friend CancelToken;
    struct State;
    std::shared_ptr<State> state_;
};
class CancelToken {
public:
    CancelToken() = default;  // never cancelled
    bool cancelled() const;
    Signal* signal() const;  // notified once, on cancellation; null for a token that is never cancelled

private:
    friend CancelSource;
    explicit CancelToken(std::shared_ptr<CancelSource::State> state) : state_(std::move(state)) {}
    std::shared_ptr<CancelSource::State> state_;
};

// Waits until `deadline`. With a token: false if it was cancelled before.
Task<bool> sleep_until(Executor& executor, BootTime deadline, CancelToken cancel = {});
Task<bool> sleep_for(Executor& executor, Duration duration, CancelToken cancel = {});

// Waits until signal.count() != seen (true), or the deadline has passed or the token was cancelled (false).
Task<bool> wait_past(Executor& executor, Signal& signal, std::uint64_t seen, BootTime deadline,
                     CancelToken cancel = {});

// One value that a callback will bring. The callback may come late (after the waiter is gone) or never; then the
// deadline ends the wait with nothing. Copy `completion.setter()` into the callback; it must be called on the
// executor's thread.
template <class T>
class Completion {
public:
    Completion() : state_(std::make_shared<State>()) {}
    std::function<void(T)> setter() const {
        return [state = state_](T value) {
            if (state->value) return;
            state->value.emplace(std::move(value));
            state->arrived.notify();
        };
    }
    bool ready() const { return state_->value.has_value(); }
    T take() { return std::move(*state_->value); }
    Signal& arrived() { return state_->arrived; }

private:
    struct State {
        std::optional<T> value;
        Signal arrived;
    };
    std::shared_ptr<State> state_;
};

// Nothing if the deadline passed or the token was cancelled first.
template <class T>
Task<std::optional<T>> wait_for(Executor& executor, Completion<T> completion, BootTime deadline,
                                CancelToken cancel = {}) {
    if (!completion.ready()) {
        const bool came =
            co_await wait_past(executor, completion.arrived(), completion.arrived().count(), deadline, cancel);
        if (!came) co_return std::nullopt;
    }
    co_return completion.take();
}

}  // namespace castle
