// The one long action that may run beside the loop.
#pragma once

#include <functional>

#include "core/decide.hpp"
#include "task/scope.hpp"

namespace castle::agent {

class Worker {
public:
    explicit Worker(Executor& executor) : executor_(executor), scope_(executor) {}

    // Starts `work`; when it ends, `ended` hears how (on the loop), and changed() is notified. Nothing else may be
    // running. The token that `work` was made with must be token().
    void start(core::Activity activity, Task<Status> work, std::function<void(const Status&)> ended);
    CancelToken fresh_token();  // for the next start()
    void cancel();

    core::Activity activity() const { return activity_; }
    BootTime since() const { return since_; }
    bool cancelled() const { return cancel_.cancelled(); }
    bool idle() const { return activity_ == core::Activity::none; }
    Signal& changed() { return changed_; }

private:
    Task<> run(Task<Status> work, std::function<void(const Status&)> ended);

    Executor& executor_;
    core::Activity activity_ = core::Activity::none;
    BootTime since_{};
    CancelSource cancel_;
    Signal changed_;
    Scope scope_;
};

}  // namespace castle::agent
