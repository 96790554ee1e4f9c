#include "task/wait.hpp"

#include <utility>

namespace castle {

Timer::Timer(Executor& executor, BootTime when, std::function<void()> work) : executor_(&executor) {
    id_ = executor.at(when, std::move(work));
}
Timer::Timer(Timer&& other) noexcept : executor_(std::exchange(other.executor_, nullptr)), id_(other.id_) {}
Timer& Timer::operator=(Timer&& other) noexcept {
    if (this != &other) {
        cancel();
        executor_ = std::exchange(other.executor_, nullptr);
        id_ = other.id_;
    }
    return *this;
}
void Timer::cancel() {
    if (executor_) std::exchange(executor_, nullptr)->cancel(id_);
}

struct Signal::Subscription::Node {
    std::function<void()> work;
};

Signal::~Signal() = default;

void Signal::notify() {
    ++count_;
    // A callback may subscribe or unsubscribe; only those that were there at the beginning are called.
    auto nodes = nodes_;
    for (const auto& weak : nodes)
        if (auto node = weak.lock()) node->work();
    nodes_.remove_if([](const auto& weak) { return weak.expired(); });
}

Signal::Subscription::Subscription(Subscription&&) noexcept = default;
Signal::Subscription& Signal::Subscription::operator=(Subscription&&) noexcept = default;
Signal::Subscription::~Subscription() = default;

Signal::Subscription Signal::subscribe(std::function<void()> work) {
    nodes_.remove_if([](const auto& weak) { return weak.expired(); });
    auto node = std::make_shared<Subscription::Node>(Subscription::Node{std::move(work)});
    nodes_.push_back(node);
    return Subscription{std::move(node)};
}

struct CancelSource::State {
    bool cancelled = false;
    Signal signal;
};

CancelSource::CancelSource() : state_(std::make_shared<State>()) {}
void CancelSource::cancel() {
    if (std::exchange(state_->cancelled, true)) return;
    const auto keep = state_;
    keep->signal.notify();
}
bool CancelSource::cancelled() const {
    return state_->cancelled;
}
CancelToken CancelSource::token() const {
    return CancelToken{state_};
}
bool CancelToken::cancelled() const {
    return state_ && state_->cancelled;
}
Signal* CancelToken::signal() const {
    return state_ ? &state_->signal : nullptr;
}

namespace {

// Suspends until the timer, the signal or the cancellation comes, whichever is first. The resumption is posted, so that
// the waiter never runs inside a notify(); the posted work holds only a weak reference, so a destroyed waiter is not
// run.
class WaitAwaiter {
public:
    WaitAwaiter(Executor& executor, BootTime deadline, Signal* signal, std::uint64_t seen, CancelToken cancel)
        : executor_(executor), deadline_(deadline), signal_(signal), seen_(seen), cancel_(std::move(cancel)) {}

    bool await_ready() const { return signalled() || cancel_.cancelled(); }
    void await_suspend(std::coroutine_handle<> waiting) {
        alive_ = std::make_shared<std::coroutine_handle<>>(waiting);
        timer_ = Timer(executor_, deadline_, [this] { wake(); });
        if (signal_) on_signal_ = signal_->subscribe([this] { wake(); });
        if (cancel_.signal()) on_cancel_ = cancel_.signal()->subscribe([this] { wake(); });
    }
    bool await_resume() const { return signal_ ? signalled() : !cancel_.cancelled(); }

private:
    bool signalled() const { return signal_ && signal_->count() != seen_; }
    void wake() {
        if (std::exchange(woken_, true)) return;
        executor_.post([weak = std::weak_ptr(alive_)] {
            if (auto alive = weak.lock()) {
                const auto waiting = *alive;
                alive.reset();
                waiting.resume();
            }
        });
    }

    Executor& executor_;
    BootTime deadline_;
    Signal* signal_;
    std::uint64_t seen_;
    CancelToken cancel_;
    bool woken_ = false;
    std::shared_ptr<std::coroutine_handle<>> alive_;
    Timer timer_;
    Signal::Subscription on_signal_;
    Signal::Subscription on_cancel_;
};

}  // namespace

Task<bool> sleep_until(Executor& executor, BootTime deadline, CancelToken cancel) {
    co_return co_await WaitAwaiter(executor, deadline, nullptr, 0, std::move(cancel));
}
Task<bool> sleep_for(Executor& executor, Duration duration, CancelToken cancel) {
    return sleep_until(executor, executor.now() + duration, std::move(cancel));
}
Task<bool> wait_past(Executor& executor, Signal& signal, std::uint64_t seen, BootTime deadline, CancelToken cancel) {
    co_return co_await WaitAwaiter(executor, deadline, &signal, seen, std::move(cancel));
}

}  // namespace castle
