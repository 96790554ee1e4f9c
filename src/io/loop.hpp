// The event loop: one thread on which all coroutines of a program run, timers fire and descriptors become ready.
// Beside it two worker threads take calls that block: one for files, one for name look-ups (a dead name server must not
// hold up the reading of a file).
//
// Everything but stop(), post() and the jobs of the workers belongs to the thread that calls run(). What waits on the
// loop (streams, scopes, watches) is destroyed before it.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <type_traits>

#include "base/result.hpp"
#include "task/executor.hpp"
#include "task/scope.hpp"
#include "task/task.hpp"
#include "task/wait.hpp"

namespace castle::io {

enum class WorkerKind { files, names };

class Loop final : public Executor {
public:
    // Ignores SIGPIPE and raises the limit of open descriptors for the whole process; io/process.hpp gives children
    // back what was before.
    Loop();
    Loop(const Loop&) = delete;
    Loop& operator=(const Loop&) = delete;
    ~Loop() override;

    BootTime now() const override;
    void post(std::function<void()> work) override;  // any thread
    TimerId at(BootTime when, std::function<void()> work) override;
    void cancel(TimerId timer) override;

    void run();   // until stop(); may be called again
    void stop();  // any thread

    // Runs `job` (it returns a Result<...>) on a worker and brings its answer back. After the deadline the answer is
    // Errc::timed_out, but the job goes on: it must own all it uses, and its effect is unknown. The same holds when the
    // waiting coroutine is destroyed.
    template <class Job>
    Task<std::invoke_result_t<Job&>> on_worker(Job job, BootTime deadline = BootTime::max(),
                                               WorkerKind kind = WorkerKind::files) {
        using Answer = std::invoke_result_t<Job&>;
        Completion<Answer> completion;
        auto shared = std::make_shared<Job>(std::move(job));
        run_on_worker(kind, [this, shared, setter = completion.setter()] {
            auto answer = std::make_shared<Answer>((*shared)());
            post([setter, answer] { setter(std::move(*answer)); });
        });
        shared.reset();
        auto answer = co_await wait_for(*this, completion, deadline);
        if (!answer)
            co_return Answer(Error{Errc::timed_out, "the file system did not answer in time", Effect::unknown});
        co_return std::move(*answer);
    }

    // For coroutines that nobody else owns, such as the reaping of a child. Destroyed at the end of the loop.
    Scope& background();

    struct Impl;
    Impl& impl() { return *impl_; }

private:
    void run_on_worker(WorkerKind kind, std::function<void()> job);
    std::unique_ptr<Impl> impl_;
};

namespace detail {
template <class T>
Task<> run_into(Loop& loop, Task<T> task, std::optional<T>& out) {
    out.emplace(co_await std::move(task));
    loop.stop();
}
inline Task<> run_into(Loop& loop, Task<> task, std::optional<Done>& out) {
    co_await std::move(task);
    out.emplace();
    loop.stop();
}
}  // namespace detail

// Runs the loop until the task has ended; for programs that do one thing, and for tests. Nobody else stops the loop.
template <class T>
T run_to_end(Loop& loop, Task<T> task) {
    std::optional<std::conditional_t<std::is_void_v<T>, Done, T>> out;
    Scope scope(loop);
    scope.spawn(detail::run_into(loop, std::move(task), out));
    loop.run();
    CASTLE_ASSERT(out.has_value());
    if constexpr (!std::is_void_v<T>) return std::move(*out);
}

}  // namespace castle::io
