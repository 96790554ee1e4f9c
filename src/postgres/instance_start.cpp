// Instance: start, stop, promote, follow.
#include <signal.h>

#include <algorithm>

#include "base/text.hpp"
#include "postgres/aside.hpp"
#include "postgres/files.hpp"
#include "postgres/instance.hpp"
#include "postgres/timelines.hpp"

namespace castle::postgres {
namespace {

using core::ControlState;
using core::ProcessState;
using namespace std::chrono_literals;

constexpr Duration query_patience = 3s;
constexpr Duration history_patience = 10s;
constexpr Duration before_stop_limit = 60s;
// What a server gets that is stopped because its start was given up.
constexpr Duration give_up_patience = 10s;

}  // namespace

// The postmaster tells its reasons only to its log, but the same program says the most frequent ones to us.
Task<std::string> Instance::why_not_started(std::vector<std::string> argv, std::string otherwise) {
    Command command{.argv = {argv.at(0), "-C", "data_directory"}};
    command.argv.insert(command.argv.end(), argv.begin() + 1, argv.end());
    auto outcome = co_await site_.programs.run(std::move(command), site_.in(10s));
    if (outcome && !outcome->ok()) co_return outcome->reason();
    co_return otherwise + "; see its log";
}

Task<Status> Instance::start(WantedConfig wanted, CancelToken cancel) {
    co_await process_.refresh(site_.in(10s));
    sync_view();
    const DataDirState& files = process_.files();
    if (process_.pid() != 0)
        co_return Error{Errc::conflict, "PostgreSQL runs already (process " + std::to_string(process_.pid()) + ")"};
    if (files.major != 0 && files.major != site_.version.major()) co_return Error{Errc::invalid, view_.data_problem};
    if (files.kind != core::DataDir::present)
        co_return Error{Errc::failed, files.problem.empty() ? "the data directory is empty" : files.problem};
    if (cancel.cancelled()) co_return Error{Errc::cancelled, "the start was given up"};

    CASTLE_CO_TRY(const std::string program, site_.programs.path("postgres"));
    if (wanted.following.standby && files.control) {
        auto forgotten = co_await forget_unbegun_timelines(site_, *files.control, site_.in(history_patience));
        if (!forgotten) site_.warn("look for timelines that were never begun: " + forgotten.error().message);
    }
    wanted.control = files.control;
    wanted.signals = WantedConfig::Signals::set;
    CASTLE_CO_TRY(const WrittenConfig written, co_await writer_.write(wanted));
    role_ = wanted.role;
    following_ = wanted.following;

    std::vector<std::string> argv = writer_.arguments(wanted, written.parameters, program);
    auto launched = co_await process_.launch(argv);
    if (!launched) co_return std::move(launched).error().in("start PostgreSQL");
    view_.pending_restart = written.parameters.raised;
    // A standby may have to wait for WAL that nobody sends yet: it has been started all the same.
    const BootTime patience = wanted.following.standby ? site_.in(policy_.start_timeout) : BootTime::max();
    auto ready = co_await process_.await_ready(patience, cancel);
    if (!ready && ready.error().code == Errc::timed_out && wanted.following.standby) co_return Done{};
    if (!ready && ready.error().code == Errc::cancelled) {
        auto stopped = co_await process_.stop(ports::StopMode::immediate, site_.in(give_up_patience));
        if (!stopped) site_.error(stopped.error().message);
        co_return std::move(ready).error();
    }
    if (!ready)
        co_return Error{Errc::failed, "PostgreSQL does not start: " +
                                          co_await why_not_started(std::move(argv), ready.error().message)};
    if (!wanted.bootstrapping) {
        auto saved = co_await writer_.back_up();
        if (!saved) site_.warn("copy the configuration of PostgreSQL: " + saved.error().message);
    }
    co_await look(site_.in(query_patience));
    co_await remember_dynamic();
    co_return Done{};
}

Task<Status> Instance::start_primary(CancelToken cancel) {
    WantedConfig config = wanted();
    config.role = Role::primary;
    config.following = {};
    auto started = co_await start(std::move(config), cancel);
    if (!started) co_return std::move(started).error();
    auto primary = co_await await_primary(BootTime::max(), cancel);
    if (primary) co_return Done{};
    auto stopped = co_await process_.stop(ports::StopMode::immediate, site_.in(give_up_patience));
    if (!stopped) site_.error(stopped.error().message);
    co_return std::move(primary).error();
}

Task<Status> Instance::start_standby(std::optional<core::Upstream> upstream, CancelToken cancel) {
    WantedConfig config = wanted();
    config.role = role_for(false, upstream);
    config.following = Following::of(upstream);
    co_return co_await start(std::move(config), cancel);
}

// The control file says "in production" a moment before the server lets anybody write, so the server is asked.
Task<Status> Instance::await_primary(BootTime deadline, CancelToken cancel) {
    const pid_t pid = process_.pid();
    std::string problem = "it is still in recovery";
    for (Duration pause = 2ms;; pause = std::min<Duration>(2 * pause, 200ms)) {
        const auto seen = process_.changed().count();
        if (process_.pid() != pid || pid == 0) co_return Error{Errc::failed, "the server ended"};
        const auto& control = process_.files().control;
        if (control && control->state == wire::ControlData::State::in_production) {
            co_await look(site_.in(query_patience));
            if (process_.pid() == pid && view_.accepting && !asked_in_recovery_) co_return Done{};
            if (view_.read_failed) problem = "it cannot be asked";
        }
        if (cancel.cancelled())
            co_return Error{Errc::cancelled, "waiting for PostgreSQL to become primary was given up"};
        if (site_.loop.now() >= deadline)
            co_return Error{Errc::timed_out, "PostgreSQL did not become primary in time: " + problem};
        const bool news =
            co_await wait_past(site_.loop, process_.changed(), seen, std::min(deadline, site_.in(pause)), cancel);
        if (!news) co_await process_.refresh(std::min(deadline, site_.in(5s)));
    }
}

Task<Status> Instance::run_script(std::string name, std::string text, BootTime deadline, CancelToken cancel) {
    auto argv = shell_split(text);
    if (!argv) co_return std::move(argv).error().in("postgresql." + name);
    Command command{.argv = *std::move(argv), .from = Command::From::server, .directory = site_.options.start_dir};
    if (command.argv.empty()) co_return Done{};
    command.on_line = [this, name](std::string_view line) { site_.info(name + ": " + std::string(line)); };
    auto outcome = co_await site_.programs.run(std::move(command), deadline, cancel);
    if (!outcome) co_return std::move(outcome).error().in(name + " script `" + text + "`");
    site_.info(name + " script `" + text + "` exited with " + std::to_string(outcome->status));
    if (!outcome->ok()) co_return Error{Errc::failed, name + " script `" + text + "`: " + outcome->reason()};
    co_return Done{};
}

Task<Status> Instance::pre_promote(BootTime deadline, CancelToken cancel) {
    if (policy_.pre_promote.empty()) co_return Done{};
    co_return co_await run_script("pre_promote", policy_.pre_promote, deadline, cancel);
}

bool Instance::in_recovery() const {
    const auto& control = process_.files().control;
    return control && control->state != wire::ControlData::State::in_production;
}

// A standby that has just begun to connect to its upstream takes the request, and then sleeps for what is left of
// wal_retrieve_retry_interval since its last connection broke (WaitForWALToBecomeAvailable in xlogrecovery.c); the next
// request wakes it. Without the file the postmaster would not pass it on.
Task<Status> Instance::request_promotion(std::string trigger) {
    auto write = [trigger = std::move(trigger), owner = site_.owner()] { return write_file(trigger, "", 0600, owner); };
    CASTLE_CO_CHECK(co_await site_.loop.on_worker(std::move(write), site_.in(10s)));
    co_return process_.signal(SIGUSR1);
}

Task<Status> Instance::promote(Timeline at_least, CancelToken cancel) {
    co_await process_.refresh(site_.in(5s));
    sync_view();
    if (process_.pid() == 0) co_return Error{Errc::failed, "PostgreSQL does not run; there is nothing to promote"};
    if (process_.state() != ProcessState::running)
        co_return Error{Errc::failed, "PostgreSQL is still starting or already stopping"};
    if (cancel.cancelled()) co_return Error{Errc::cancelled, "the promotion was given up"};
    const std::string trigger = site_.options.data_dir + "/promote";
    if (in_recovery()) {
        auto reserve = [data_dir = site_.options.data_dir, mine = view_.timeline, at_least, owner = site_.owner()] {
            return reserve_timelines(data_dir, mine, at_least, owner);
        };
        CASTLE_CO_CHECK(co_await site_.loop.on_worker(std::move(reserve), site_.in(10s)));
        CASTLE_CO_CHECK(co_await request_promotion(trigger));
    }
    role_ = Role::primary;
    Status promoted = Done{};
    for (Duration patience = 25ms;; patience = std::min<Duration>(2 * patience, 1s)) {
        promoted = co_await await_primary(site_.in(patience), cancel);
        if (promoted || promoted.error().code != Errc::timed_out) break;
        if (in_recovery()) (void)co_await request_promotion(trigger);  // the first one counts
    }
    (void)co_await site_.loop.on_worker([trigger] { return remove_file(trigger); }, site_.in(10s));
    if (!promoted) co_return std::move(promoted).error().in("promote");
    following_ = {};
    // Most configurations are the same in both roles; then the files stay as they are until the next change.
    const bool differs = !policy_.parameters.of.empty() || !policy_.pg_hba.of.empty() || !policy_.pg_ident.of.empty();
    if (differs) {
        auto configured = co_await apply_config(false);
        if (!configured) site_.warn("configure the new primary: " + configured.error().message);
    }
    co_return Done{};
}

Task<Status> Instance::follow(std::optional<core::Upstream> upstream) {
    if (process_.pid() == 0) co_return Error{Errc::failed, "PostgreSQL does not run"};
    if (!view_.in_recovery)
        co_return Error{Errc::conflict, "PostgreSQL is primary; it follows nobody without a restart"};
    following_ = Following::of(upstream);
    role_ = role_for(false, upstream);
    CASTLE_CO_TRY(const WrittenConfig written, co_await writer_.write(wanted()));
    // Files that said so already may be from an agent that died before it told the server.
    const bool told = upstream ? view_.follows(*upstream) : !view_.upstream;
    if (!written.changed && told) co_return Done{};
    CASTLE_CO_CHECK(process_.signal(SIGHUP));
    co_return Done{};
}

Task<Status> Instance::resume_replay() {
    const BootTime deadline = site_.in(query_patience);
    CASTLE_CO_TRY(ConnectionPtr connection, co_await connect_local("Patroni heartbeat", deadline));
    auto resumed = co_await connection->query("SELECT pg_catalog.pg_wal_replay_resume()", deadline);
    if (!resumed) co_return std::move(resumed).error().in("resume the replay");
    co_return Done{};
}

Task<Status> Instance::stop(ports::StopMode mode, BootTime deadline) {
    if (mode == ports::StopMode::fast && process_.state() == ProcessState::running && !policy_.before_stop.empty()) {
        // The other half of the time is PostgreSQL's. Whatever becomes of the script, the server stops.
        const Duration limit = std::min(before_stop_limit, (deadline - site_.loop.now()) / 2);
        auto done = co_await run_script("before_stop", policy_.before_stop, site_.in(limit), {});
        if (!done) site_.warn(done.error().message + "; stopping all the same");
    }
    auto stopped = co_await process_.stop(mode, deadline);
    co_await process_.refresh(site_.in(10s));
    sync_view();
    if (!stopped) co_return std::move(stopped).error().in("stop PostgreSQL");
    co_return Done{};
}

}  // namespace castle::postgres
