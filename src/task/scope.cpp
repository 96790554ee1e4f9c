#include "task/scope.hpp"

#include <limits>

namespace castle {
namespace {

// A coroutine that nobody awaits; the scope holds its handle.
struct Root {
    struct promise_type {
        std::function<void()> ended;
        Root get_return_object() { return {std::coroutine_handle<promise_type>::from_promise(*this)}; }
        std::suspend_always initial_suspend() noexcept { return {}; }
        auto final_suspend() noexcept {
            struct Awaiter {
                bool await_ready() noexcept { return false; }
                void await_suspend(std::coroutine_handle<promise_type> self) noexcept { self.promise().ended(); }
                void await_resume() noexcept {}
            };
            return Awaiter{};
        }
        void return_void() {}
        [[noreturn]] void unhandled_exception() noexcept { std::terminate(); }
    };
    std::coroutine_handle<promise_type> handle;
};

Root run(Task<> task) {
    co_await std::move(task);
}

}  // namespace

struct Scope::State {
    explicit State(Executor& runs_on) : executor(runs_on) {}
    Executor& executor;
    std::list<std::coroutine_handle<Root::promise_type>> running;
    Signal changed;
};

Scope::Scope(Executor& executor) : state_(std::make_shared<State>(executor)) {}

Scope::~Scope() {
    while (!state_->running.empty()) {
        const auto handle = state_->running.front();
        state_->running.pop_front();
        handle.destroy();
    }
}

void Scope::spawn(Task<> task) {
    const Root root = run(std::move(task));
    state_->running.push_back(root.handle);
    const auto place = std::prev(state_->running.end());
    // The frame is destroyed from a posted callback: it cannot destroy itself while it is running its last step.
    root.handle.promise().ended = [weak = std::weak_ptr(state_), place] {
        if (auto state = weak.lock()) {
            state->executor.post([weak, place] {
                auto living = weak.lock();
                if (!living) return;
                const auto handle = *place;
                living->running.erase(place);
                handle.destroy();
                living->changed.notify();
            });
        }
    };
    state_->executor.post([weak = std::weak_ptr(state_), handle = root.handle] {
        if (weak.lock()) handle.resume();
    });
}

Task<> Scope::drained() {
    const auto state = state_;
    while (!state->running.empty())
        co_await wait_past(state->executor, state->changed, state->changed.count(), BootTime::max());
}

bool Scope::empty() const {
    return state_->running.empty();
}

}  // namespace castle
