// Waiting until a descriptor can be read or written: the one thing that everything in this folder rests on. Sockets,
// pipes, pidfds, inotify and libpq's connections all wait here. Belongs to the loop's thread.
#pragma once

#include <coroutine>
#include <memory>

#include "base/result.hpp"
#include "io/loop.hpp"

namespace castle::io {

enum class Want { read, write };

class ReadyWait;

// Keeps a descriptor registered with the loop. Does not own it: destroy the watch first, then close. There is at most
// one watch for a descriptor at any time, with any number of waiters. Waiters that are left when the watch is destroyed
// end with Errc::cancelled.
class FdWatch {
public:
    FdWatch(Loop& loop, int fd);
    FdWatch(const FdWatch&) = delete;
    FdWatch& operator=(const FdWatch&) = delete;
    ~FdWatch();

    // Errc::timed_out, Errc::cancelled, or ready. Ready may be said too often: try, and wait again.
    ReadyWait ready(Want want, BootTime deadline, CancelToken cancel = {});

    struct State;

private:
    std::shared_ptr<State> state_;
};

class [[nodiscard]] ReadyWait {
public:
    ReadyWait(std::shared_ptr<FdWatch::State> state, Want want, BootTime deadline, CancelToken cancel);
    ReadyWait(const ReadyWait&) = delete;
    ReadyWait& operator=(const ReadyWait&) = delete;
    ~ReadyWait();

    bool await_ready() const { return cancel_.cancelled(); }
    void await_suspend(std::coroutine_handle<> waiting);
    Status await_resume();

    enum class Outcome { waiting, ready, timed_out, cancelled };
    void finish(Outcome outcome);  // resumes; only from the loop

private:
    std::shared_ptr<FdWatch::State> state_;
    Want want_;
    BootTime deadline_;
    CancelToken cancel_;
    Outcome outcome_ = Outcome::waiting;
    bool linked_ = false;
    std::coroutine_handle<> waiting_;
    Timer timer_;
    Signal::Subscription on_cancel_;
    Timer after_cancel_;
};

// For descriptors that somebody else opens and closes between two waits, as libpq does: registered for this wait only.
Task<Status> wait_readable(Loop& loop, int fd, BootTime deadline, CancelToken cancel = {});
Task<Status> wait_writable(Loop& loop, int fd, BootTime deadline, CancelToken cancel = {});

// Lets everything else that is due run first.
Task<> yield(Loop& loop);

}  // namespace castle::io
