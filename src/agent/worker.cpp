#include "agent/worker.hpp"

namespace castle::agent {

CancelToken Worker::fresh_token() {
    CASTLE_ASSERT(idle());
    cancel_ = CancelSource();
    return cancel_.token();
}

void Worker::start(core::Activity activity, Task<Status> work, std::function<void(const Status&)> ended) {
    CASTLE_ASSERT(idle());
    activity_ = activity;
    since_ = executor_.now();
    scope_.spawn(run(std::move(work), std::move(ended)));
}

void Worker::cancel() {
    cancel_.cancel();
}

Task<> Worker::run(Task<Status> work, std::function<void(const Status&)> ended) {
    const Status status = co_await std::move(work);
    activity_ = core::Activity::none;
    ended(status);
    changed_.notify();
}

}  // namespace castle::agent
