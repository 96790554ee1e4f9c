#include "io/process.hpp"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "io/address.hpp"
#include "io/process_impl.hpp"

namespace castle::io {

using namespace std::chrono_literals;

std::string ExitStatus::text() const {
    return signal ? "killed by signal " + std::to_string(signal) : "exit status " + std::to_string(code);
}

Process::State::State(Loop& on, Fd pid_fd, pid_t id)
    : loop(on), pidfd(std::move(pid_fd)), watch(on, pidfd.get()), pid(id) {}

void Process::State::signal_group(int number) const {
    if (ended) return;  // reaped: the number may be somebody else's by now
    ::kill(-pid, number);
}

// Reaps it if it has ended.
bool Process::State::reap() {
    if (ended) return true;
    siginfo_t info{};
    if (::waitid(P_PIDFD, static_cast<id_t>(pidfd.get()), &info, WEXITED | WNOHANG) != 0) {
        if (errno == EINTR) return false;
        ended = ExitStatus{.code = 255};  // somebody else has reaped our child
        return true;
    }
    if (info.si_pid == 0) return false;
    ended = info.si_code == CLD_EXITED ? ExitStatus{.code = info.si_status} : ExitStatus{.signal = info.si_status};
    return true;
}

namespace {

Task<> reap_later(std::shared_ptr<Process::State> state) {
    while (!state->reap()) {
        auto ready = co_await state->watch.ready(Want::read, BootTime::max());
        if (!ready) co_return;
    }
}

Task<> leader_gone(std::shared_ptr<Process::State> state, BootTime deadline) {
    [[maybe_unused]] const auto gone = co_await state->watch.ready(Want::read, deadline);
}

}  // namespace

Process::Process(std::shared_ptr<State> state) : state_(std::move(state)) {}

Process::~Process() {
    if (!state_ || state_->reap()) return;
    state_->signal_group(SIGKILL);
    detach();
}

void Process::detach() {
    if (!state_ || state_->reap()) return;
    Loop& loop = state_->loop;
    loop.background().spawn(reap_later(std::move(state_)));
    state_.reset();
}

pid_t Process::pid() const {
    return state_->pid;
}
void Process::signal_group(int number) {
    state_->signal_group(number);
}

Task<Result<ExitStatus>> Process::wait(BootTime deadline, CancelToken cancel) {
    const auto state = state_;
    while (!state->reap()) CASTLE_CO_CHECK(co_await state->watch.ready(Want::read, deadline, cancel));
    co_return *state->ended;
}

Task<Result<ExitStatus>> Process::terminate(Duration grace) {
    const auto state = state_;
    state->signal_group(SIGTERM);
    if (!state->ended) co_await leader_gone(state, state->loop.now() + grace);
    state->signal_group(SIGKILL);  // also when the leader has ended: it is not reaped yet, others may be left
    auto killed = co_await wait(state->loop.now() + 10s);
    if (killed) co_return killed;
    co_return Error{Errc::timed_out, "process " + std::to_string(pid()) + " does not end, not even by SIGKILL"};
}

Task<Status> watch_pid(Loop& loop, pid_t pid, BootTime deadline, CancelToken cancel) {
    const Fd pidfd(open_pidfd(pid));
    if (!pidfd && errno == ESRCH) co_return Done{};
    if (!pidfd) co_return Error{Errc::failed, "watch process " + std::to_string(pid) + ": " + errno_text(errno)};
    co_return co_await wait_readable(loop, pidfd.get(), deadline, std::move(cancel));
}

}  // namespace castle::io
