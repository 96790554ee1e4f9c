#include "io/ready.hpp"

#include <poll.h>

#include <algorithm>
#include <vector>

#include "io/asio.hpp"

namespace castle::io {

// A wait that timed out leaves asio's operation in place, and the next waiter joins it: it ends with the next edge.
struct FdWatch::State {
    State(Loop& on, int fd) : loop(on), descriptor(context_of(on)) {
        boost::system::error_code error;
        descriptor.assign(fd, error);  // on failure every wait ends at once, and the caller's next call says why
    }

    struct Side {
        bool pending = false;
        std::vector<ReadyWait*> waiters;
        std::vector<ReadyWait*> firing;  // being resumed; each may destroy others
    };

    Loop& loop;
    asio::posix::stream_descriptor descriptor;
    Side sides[2];

    Side& side(Want want) { return sides[want == Want::read ? 0 : 1]; }

    void fire(Want want, ReadyWait::Outcome outcome) {
        Side& at = side(want);
        at.pending = false;
        at.firing.swap(at.waiters);
        while (!at.firing.empty()) {
            ReadyWait* waiter = at.firing.back();
            at.firing.pop_back();
            waiter->finish(outcome);
        }
    }

    // Also if it is broken: the caller's next call says why.
    bool is_ready(Want want) {
        const auto events = static_cast<short>(want == Want::read ? POLLIN : POLLOUT);
        pollfd look{.fd = descriptor.native_handle(), .events = events, .revents = 0};
        return ::poll(&look, 1, 0) != 0;
    }

    static void start(const std::shared_ptr<State>& state, Want want) {
        if (!std::exchange(state->side(want).pending, true)) listen(state, want);
    }

    // asio gives an event that was fetched for a descriptor, if that is closed before its turn, to the one opened next:
    // hence the question whether it is so.
    static void listen(const std::shared_ptr<State>& state, Want want) {
        const auto kind =
            want == Want::read ? asio::posix::descriptor_base::wait_read : asio::posix::descriptor_base::wait_write;
        state->descriptor.async_wait(kind, [state, want](boost::system::error_code error) {
            if (!error && !state->is_ready(want)) return listen(state, want);
            state->fire(want, error == asio::error::operation_aborted ? ReadyWait::Outcome::cancelled
                                                                      : ReadyWait::Outcome::ready);
        });
    }
};

FdWatch::FdWatch(Loop& loop, int fd) : state_(std::make_shared<State>(loop, fd)) {}

FdWatch::~FdWatch() {
    if (state_->descriptor.is_open()) state_->descriptor.release();  // pending operations end from the loop
}

ReadyWait FdWatch::ready(Want want, BootTime deadline, CancelToken cancel) {
    return ReadyWait(state_, want, deadline, std::move(cancel));
}

ReadyWait::ReadyWait(std::shared_ptr<FdWatch::State> state, Want want, BootTime deadline, CancelToken cancel)
    : state_(std::move(state)), want_(want), deadline_(deadline), cancel_(std::move(cancel)) {}

ReadyWait::~ReadyWait() {
    if (!linked_) return;
    std::erase(state_->side(want_).waiters, this);
    std::erase(state_->side(want_).firing, this);
}

void ReadyWait::await_suspend(std::coroutine_handle<> waiting) {
    waiting_ = waiting;
    linked_ = true;
    state_->side(want_).waiters.push_back(this);
    if (deadline_ != BootTime::max()) timer_ = Timer(state_->loop, deadline_, [this] { finish(Outcome::timed_out); });
    if (cancel_.signal()) {
        // Whoever cancels goes on first; this waiter is resumed by a timer that is due at once and dies with it.
        on_cancel_ = cancel_.signal()->subscribe(
            [this] { after_cancel_ = Timer(state_->loop, BootTime{}, [this] { finish(Outcome::cancelled); }); });
    }
    FdWatch::State::start(state_, want_);
}

void ReadyWait::finish(Outcome outcome) {
    outcome_ = outcome;
    linked_ = false;
    std::erase(state_->side(want_).waiters, this);
    waiting_.resume();
}

Status ReadyWait::await_resume() {
    timer_.cancel();
    if (outcome_ == Outcome::ready) return Done{};
    if (outcome_ == Outcome::timed_out) return Error{Errc::timed_out, "timed out"};
    return Error{Errc::cancelled, "cancelled"};
}

namespace {
Task<Status> wait_once(Loop& loop, int fd, Want want, BootTime deadline, CancelToken cancel) {
    FdWatch watch(loop, fd);
    co_return co_await watch.ready(want, deadline, std::move(cancel));
}
}  // namespace

Task<Status> wait_readable(Loop& loop, int fd, BootTime deadline, CancelToken cancel) {
    return wait_once(loop, fd, Want::read, deadline, std::move(cancel));
}
Task<Status> wait_writable(Loop& loop, int fd, BootTime deadline, CancelToken cancel) {
    return wait_once(loop, fd, Want::write, deadline, std::move(cancel));
}

Task<> yield(Loop& loop) {
    co_await sleep_until(loop, BootTime{});
}

}  // namespace castle::io
