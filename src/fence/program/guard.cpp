#include "fence/program/guard.hpp"

#include <errno.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>

#include <algorithm>
#include <limits>

#include "fence/program/note.hpp"

namespace castle::fence {
namespace {

constexpr std::int64_t millisecond = 1'000;
constexpr std::int64_t second = 1'000'000;
// PostgreSQL kills its own children five seconds after an immediate stop; then the rest is ours.
constexpr std::int64_t quit_time = 6 * second;
// An agent that is being replaced or restarted comes back within this time.
constexpr std::int64_t abandoned_time = 10 * second;
constexpr std::int64_t look_wait_max = second / 2;

std::int64_t microseconds(BootTime time) {
    return time.time_since_epoch().count() * millisecond;
}

std::uint32_t clamp_us(std::int64_t us) {
    return static_cast<std::uint32_t>(std::clamp<std::int64_t>(us, 0, std::numeric_limits<std::uint32_t>::max()));
}

Descriptor make_signalfd() {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGTERM);
    return Descriptor{::signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC)};
}

}  // namespace

Guard::Guard(Descriptor listener, bool use_cgroup, std::uint32_t guards)
    : server_(use_cgroup),
      listener_(std::move(listener)),
      signals_(make_signalfd()),
      timer_(::timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC)),
      guards_(guards),
      abandoned_us_(boot_microseconds()) {}

void Guard::run() {
    for (;;) {
        apply(deadline_.tick(instant()));
        if (killing_) look_if_empty();
        if (ending_ && server_.pid() != 0 && !killing_ && boot_microseconds() >= quit_until_us_) {
            apply(deadline_.kill(instant()));
        }
        if (finished()) break;
        wait();
    }
    if (ending_) addresses_.drop();
    watchdog_.close();
}

bool Guard::finished() const {
    if (server_.pid() != 0 || killing_ || launching_) return false;
    if (ending_) return true;
    if (deadline_.state().phase != Phase::gone) return false;  // armed: keeps the epoch for the agent's return
    return end_when_gone_ || (abandoned_us_ != 0 && boot_microseconds() >= abandoned_us_ + abandoned_time);
}

std::int64_t Guard::next_wake_us() const {
    std::int64_t wake = std::numeric_limits<std::int64_t>::max();
    const Instant now = instant();
    if (const auto wait = deadline_.wait(now)) wake = microseconds(now.boot + *wait);
    if (killing_) wake = std::min(wake, next_look_us_);
    if (ending_ && !killing_) wake = std::min(wake, quit_until_us_);
    if (abandoned_us_ != 0 && server_.pid() == 0) wake = std::min(wake, abandoned_us_ + abandoned_time);
    return wake;
}

void Guard::wait() {
    itimerspec until{};
    if (const std::int64_t wake = next_wake_us(); wake != std::numeric_limits<std::int64_t>::max()) {
        until.it_value = {.tv_sec = wake / second, .tv_nsec = wake % second * 1'000 + 1};  // all zero would mean never
    }
    ::timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME, &until, nullptr);

    constexpr std::size_t fixed = 6;
    std::array<pollfd, fixed + std::tuple_size_v<decltype(clients_)>> ready{{
        {.fd = timer_.get(), .events = POLLIN, .revents = 0},
        {.fd = signals_.get(), .events = POLLIN, .revents = 0},
        {.fd = server_.launch_report(), .events = POLLIN, .revents = 0},
        {.fd = killing_ ? -1 : server_.pidfd(), .events = POLLIN, .revents = 0},
        {.fd = killing_ ? server_.cgroup_events() : -1, .events = POLLPRI, .revents = 0},
        {.fd = listener_.get(), .events = POLLIN, .revents = 0},
    }};
    for (std::size_t i = 0; i < clients_.size(); ++i) {
        ready[fixed + i] = {.fd = clients_[i].socket.get(), .events = POLLIN, .revents = 0};
    }
    if (::poll(ready.data(), ready.size(), -1) <= 0) return;
    // Before any command: one that came after the deadline is too late.
    apply(deadline_.tick(instant()));
    if (ready[1].revents != 0) on_signals();
    if (ready[2].revents != 0) on_launch_report();
    if (ready[3].revents != 0) on_children();
    if (ready[4].revents != 0) next_look_us_ = 0;
    if (ready[5].revents != 0) on_connection();
    for (std::size_t i = 0; i < clients_.size(); ++i) {
        if (ready[fixed + i].revents != 0 && ready[fixed + i].fd == clients_[i].socket.get()) on_packet(clients_[i]);
    }
}

void Guard::on_signals() {
    signalfd_siginfo info{};
    while (::read(signals_.get(), &info, sizeof info) == sizeof info) {
        if (info.ssi_signo == SIGCHLD) on_children();
        if (info.ssi_signo == SIGTERM) quit_server();
    }
}

// The host is shutting down, or somebody wants the fence gone: the server does not outlive it.
void Guard::quit_server() {
    if (ending_) {
        apply(deadline_.kill(instant()));  // told twice: no more patience
        return;
    }
    note("told to end: stopping the server at once");
    ending_ = true;
    quit_until_us_ = boot_microseconds() + quit_time;
    server_.signal(SIGQUIT);
}

void Guard::on_launch_report() {
    if (!launching_) return;
    SpawnFailure failure;
    const ssize_t got = ::read(server_.launch_report(), &failure, sizeof failure);
    if (got < 0 && errno == EAGAIN) return;
    (void)server_.take_launch_report();
    launching_ = false;
    if (got == sizeof failure) {
        launch_failure_ = failure;  // answered when what is left of the child has been cleared away
        return;
    }
    if (starter_ != nullptr) answer(*starter_, start_sequence_, {});
    starter_ = nullptr;
}

void Guard::on_children() {
    on_launch_report();
    if (server_.reap() && !killing_) begin_clearing();
}

Answer Guard::apply(Outcome outcome) {
    switch (outcome.action) {
        case Action::nothing: break;
        case Action::ping_watchdog: watchdog_.ping(); break;
        case Action::stop:
            note("the deadline is near and nobody has moved it: stopping the server");
            server_.signal(SIGINT);
            break;
        case Action::kill: strike(); break;
        case Action::close_watchdog: watchdog_.close(); break;
    }
    return outcome.answer;
}

void Guard::strike() {
    server_.kill();
    killed_us_ = boot_microseconds();
    addresses_.drop();
    late_us_ = clamp_us(killed_us_ - microseconds(deadline_.state().deadline));
    killing_ = true;
    next_look_us_ = killed_us_ + millisecond;
}

// The server ended by itself: whatever it has left behind (backends of a crashed postmaster, which would go on
// answering their clients, or programs that it ran) would be in its successor's way.
void Guard::begin_clearing() {
    server_.kill();
    killed_us_ = boot_microseconds();
    killing_ = true;
    next_look_us_ = 0;
}

// Not at every child's death: each look walks through /proc, and the dying need the processor more than we do. A
// process that waits for a dead disk may take hours: the longer it lasts, the less often we look.
void Guard::look_if_empty() {
    const std::int64_t now = boot_microseconds();
    if (now < next_look_us_) return;
    server_.reap();
    if (server_.empty()) {
        on_empty();
        return;
    }
    next_look_us_ = boot_microseconds() + std::clamp((now - killed_us_) / 8, millisecond, look_wait_max);
}

void Guard::on_empty() {
    killing_ = false;
    on_launch_report();
    const bool fired = deadline_.state().phase == Phase::fired;
    if (abandoned_us_ != 0)
        abandoned_us_ = boot_microseconds();  // a restarted agent should still find out what happened
    server_.forget();
    launching_ = false;
    if (fired) {
        addresses_.drop();  // once more those that could not be dropped at the first attempt
        teardown_us_ = clamp_us(boot_microseconds() - killed_us_);
        note("killed the server %u us after its deadline; all of it was gone %u us later", late_us_, teardown_us_);
        apply(deadline_.emptied());
    } else {
        deadline_.server_ended();
    }
    if (launch_failure_.error != 0 && starter_ != nullptr) {
        answer(*starter_, start_sequence_, {Answer::failed, launch_failure_.error, launch_failure_.step.data()});
        if (!fired) return;
    }
    starter_ = nullptr;
    tell_all(fired ? Kind::fired : Kind::server_exited);
}

Report Guard::report() const {
    Report report;
    report.fence = ::getpid();
    report.state = deadline_.state();
    report.busy = killing_ || launching_;
    report.starts = starts_;
    report.adopted = server_.adopted();
    report.exit_status = server_.exit_status();
    report.guards = guards_ | (server_.cgroup_path().empty() ? 0U : guard_cgroup) |
                    (server_.directory_locked() ? guard_directory_lock : 0U) |
                    (watchdog_.is_open() ? guard_watchdog : 0U);
    report.late_us = late_us_;
    report.teardown_us = teardown_us_;
    report.watchdog_seconds = static_cast<std::uint32_t>(watchdog_.seconds());
    report.cgroup = server_.cgroup_path();
    report.data_dir = server_.directory_path();
    return report;
}

}  // namespace castle::fence
