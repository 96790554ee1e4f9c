#include "postgres/server_process.hpp"

#include <signal.h>
#include <sys/inotify.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>

#include "io/ready.hpp"
#include "postgres/conf_files.hpp"
#include "postgres/files.hpp"

namespace castle::postgres {
namespace {

using core::ProcessState;
using namespace std::chrono_literals;

// PostgreSQL itself kills what has not ended 5 s after an immediate stop.
constexpr Duration immediate_patience = 6s;
constexpr Duration orphan_patience = 10s;

bool concerns_us(const char* name) {
    constexpr std::string_view names[] = {"postmaster.pid", "standby.signal", "recovery.signal", "PG_VERSION",
                                          "pg_control"};
    return std::ranges::find(names, std::string_view(name)) != std::end(names);
}

// Watching what is watched already changes nothing, so this is called after every look: the directories may be new.
void watch_directories(const io::Fd& inotify, const std::string& data_dir) {
    constexpr std::uint32_t events = IN_MODIFY | IN_CREATE | IN_DELETE | IN_MOVED_TO | IN_MOVED_FROM;
    ::inotify_add_watch(inotify.get(), data_dir.c_str(), events);
    ::inotify_add_watch(inotify.get(), (data_dir + "/global").c_str(), events);
}

// Reads all events that are there; whether one of them is about a file that we read.
bool drain(int fd) {
    alignas(inotify_event) char buffer[16384];
    bool found = false;
    for (;;) {
        const ssize_t got = ::read(fd, buffer, sizeof buffer);
        if (got <= 0) return found;
        for (ssize_t at = 0; at < got;) {
            inotify_event event;
            std::memcpy(&event, buffer + at, sizeof event);
            if (event.mask & (IN_Q_OVERFLOW | IN_IGNORED))
                found = true;
            else if (event.len > 0 && concerns_us(buffer + at + sizeof event))
                found = true;
            at += static_cast<ssize_t>(sizeof event + event.len);
        }
    }
}

}  // namespace

ServerProcess::ServerProcess(const Site& site, Launcher& launcher)
    : site_(site),
      launcher_(launcher),
      inotify_(std::make_shared<io::Fd>(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC))),
      scope_(site.loop) {
    scope_.spawn(watch_files());
}

ProcessState ServerProcess::state() const {
    if (pid_ == 0) return ProcessState::stopped;
    if (stop_requested_) return ProcessState::stopping;
    if (!files_.postmaster || files_.postmaster->pid != pid_) return ProcessState::starting;
    const std::string& status = files_.postmaster->status;
    if (status == "ready" || status == "standby") return ProcessState::running;
    return status == "stopping" ? ProcessState::stopping : ProcessState::starting;
}

bool ServerProcess::ready() const {
    return state() == ProcessState::running;
}

Task<> ServerProcess::watch_files() {
    if (!*inotify_) {
        site_.warn("changes of the server's files are noticed late: inotify: " +
                   std::generic_category().message(errno));
        co_return;
    }
    for (;;) {
        auto readable = co_await io::wait_readable(site_.loop, inotify_->get(), BootTime::max());
        if (!readable) co_return;
        const bool relevant = drain(inotify_->get());
        if (relevant) co_await refresh(site_.in(10s));
    }
}

Task<> ServerProcess::watch_end(pid_t pid, std::shared_ptr<io::Fd> pidfd) {
    auto over = co_await io::wait_readable(site_.loop, pidfd->get(), BootTime::max());
    if (!over || pid_ != pid || pidfd_ != pidfd) co_return;
    ended();
    changed_.notify();
    co_await refresh(site_.in(10s));
}

void ServerProcess::took_over(pid_t pid) {
    auto pidfd = std::make_shared<io::Fd>(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    if (!*pidfd) return;  // it has ended in between
    pid_ = pid;
    pidfd_ = pidfd;
    stop_requested_ = false;
    ended_by_itself_ = false;
    scope_.spawn(watch_end(pid, std::move(pidfd)));
}

void ServerProcess::ended() {
    ended_by_itself_ = !stop_requested_;
    pid_ = 0;
    pidfd_.reset();
    stop_requested_ = false;
}

void ServerProcess::apply(DataDirState next) {
    const pid_t old_pid = pid_;
    const ProcessState old_state = state();
    const bool same = next.kind == files_.kind && next.problem == files_.problem &&
                      next.standby_signal == files_.standby_signal &&
                      next.control.has_value() == files_.control.has_value() &&
                      (!next.control || (next.control->state == files_.control->state &&
                                         next.control->timeline == files_.control->timeline &&
                                         next.control->checkpoint == files_.control->checkpoint));
    files_ = std::move(next);
    if (files_.postmaster && files_.postmaster->pid != pid_) took_over(files_.postmaster->pid);
    if (!same || pid_ != old_pid || state() != old_state) changed_.notify();
}

Task<> ServerProcess::refresh(BootTime deadline) {
    auto job = [path = site_.options.data_dir, inotify = inotify_,
                timeline = known_timeline_]() -> Result<DataDirState> {
        if (*inotify) watch_directories(*inotify, path);
        return read_data_dir(path, timeline);
    };
    auto state = co_await site_.loop.on_worker(std::move(job), deadline);
    if (state) apply(*std::move(state));
}

// What outlives its postmaster goes on committing and blocks the next start; nothing orderly is left to be done with
// it.
Task<Status> ServerProcess::clear_orphans() {
    const BootTime deadline = site_.in(orphan_patience);
    bool told = false;
    for (;;) {
        auto job = [path = site_.options.data_dir]() -> Result<std::vector<pid_t>> { return orphans_of(path, 0); };
        CASTLE_CO_TRY(const std::vector<pid_t> orphans, co_await site_.loop.on_worker(std::move(job), deadline));
        if (orphans.empty()) co_return Done{};
        if (!told)
            site_.warn("ending " + std::to_string(orphans.size()) + " server processes that outlived their postmaster");
        told = true;
        for (const pid_t pid : orphans) ::kill(pid, SIGKILL);
        if (site_.loop.now() >= deadline)
            co_return Error{Errc::failed,
                            "processes of a former server do not end (process " + std::to_string(orphans[0]) + ")"};
        co_await sleep_for(site_.loop, 5ms);
    }
}

Task<Status> ServerProcess::launch(std::vector<std::string> argv) {
    co_await refresh(site_.in(10s));
    if (pid_ != 0) co_return Error{Errc::conflict, "the server runs already (process " + std::to_string(pid_) + ")"};
    CASTLE_CO_CHECK(co_await clear_orphans());
    PostmasterCommand command{site_.options.data_dir, std::move(argv), server_environment(our_environment()),
                              site_.owner()};
    // The process of that number is somebody else's: the server must not take it for one of its own.
    if (files_.stale_pid != 0) command.environment.push_back("PG_GRANDPARENT_PID=" + std::to_string(files_.stale_pid));
    CASTLE_CO_TRY(const pid_t pid, co_await launcher_.start(std::move(command)));
    took_over(pid);
    changed_.notify();
    co_return Done{};
}

Task<Status> ServerProcess::await_ready(BootTime deadline, CancelToken cancel) {
    const pid_t pid = pid_;
    for (;;) {
        const auto seen = changed_.count();
        if (pid_ != pid || pid_ == 0) co_return Error{Errc::failed, "the server ended while it was starting"};
        if (ready()) co_return Done{};
        // inotify may be missing or blind (network file systems), so look now and then.
        const BootTime next = std::min(deadline, site_.in(250ms));
        const bool news = co_await wait_past(site_.loop, changed_, seen, next, cancel);
        if (cancel.cancelled()) co_return Error{Errc::cancelled, "the start was given up"};
        if (news) continue;
        if (site_.loop.now() >= deadline) co_return Error{Errc::timed_out, "the server is still starting"};
        co_await refresh(site_.in(5s));
    }
}

Status ServerProcess::signal(int number) {
    if (pid_ == 0 || !pidfd_) return Error{Errc::not_found, "the server does not run"};
    if (::syscall(SYS_pidfd_send_signal, pidfd_->get(), number, nullptr, 0) == 0) return Done{};
    if (errno == ESRCH) return Error{Errc::not_found, "the server does not run"};
    return Error{errno == EPERM ? Errc::denied : Errc::failed,
                 "signal the server (process " + std::to_string(pid_) + "): " + std::generic_category().message(errno)};
}

Task<bool> ServerProcess::await_end(BootTime deadline) {
    for (;;) {
        const auto seen = changed_.count();
        if (pid_ == 0) co_return true;
        const BootTime next = std::min(deadline, site_.in(1s));
        const bool news = co_await wait_past(site_.loop, changed_, seen, next);
        if (news) continue;
        if (site_.loop.now() >= deadline) co_return pid_ == 0;
        co_await refresh(std::min(deadline, site_.in(5s)));
    }
}

Task<Status> ServerProcess::kill() {
    site_.warn("killing the server and everything below it");
    CASTLE_CO_CHECK(co_await launcher_.kill_tree(site_.options.data_dir, pid_));
    const bool over = co_await await_end(site_.in(5s));
    if (!over) co_return Error{Errc::failed, "the server (process " + std::to_string(pid_) + ") could not be killed"};
    co_return Done{};
}

Task<Status> ServerProcess::stop(ports::StopMode mode, BootTime deadline) {
    if (pid_ == 0) co_await refresh(std::min(deadline, site_.in(5s)));
    if (pid_ == 0) co_return Done{};
    stop_requested_ = true;
    changed_.notify();
    auto sent = signal(mode == ports::StopMode::fast ? SIGINT : SIGQUIT);
    if (!sent && sent.error().code != Errc::not_found) co_return std::move(sent).error();
    if (mode == ports::StopMode::immediate) deadline = std::min(deadline, site_.in(immediate_patience));
    bool over = co_await await_end(deadline);
    if (!over && mode == ports::StopMode::fast) {
        site_.warn("the server did not end in time; stopping it in immediate mode");
        sent = signal(SIGQUIT);
        over = co_await await_end(site_.in(immediate_patience));
    }
    if (over) co_return Done{};
    co_return co_await kill();
}

}  // namespace castle::postgres
