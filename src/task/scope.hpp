// A Scope owns coroutines that run beside their creator. Destroying it destroys those that have not ended.
#pragma once

#include <list>
#include <memory>

#include "task/wait.hpp"

namespace castle {

class Scope {
public:
    explicit Scope(Executor& executor);
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;
    ~Scope();

    // Starts the task soon (posted). It must not outlive what it refers to; declare the scope after that.
    void spawn(Task<> task);
    // Waits until nothing runs in it.
    Task<> drained();
    bool empty() const;

private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace castle
