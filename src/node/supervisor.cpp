#include "node/supervisor.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cstdio>

#include "base/text.hpp"
#include "core/cluster.hpp"
#include "dcs/etcd/etcd_store.hpp"
#include "io/files.hpp"
#include "io/signals.hpp"
#include "node/directory.hpp"
#include "node/etcd_users.hpp"
#include "node/preflight.hpp"
#include "node/processes.hpp"
#include "node/stop_cluster.hpp"

namespace castle::node {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t log_size_max = 16 << 20;
constexpr std::size_t request_size_max = 64;
constexpr Duration head_start_max = 3s;  // of the agent of the last leader

void note(const std::string& text) {
    const time_t now = ::time(nullptr);
    tm local{};
    ::localtime_r(&now, &local);
    char stamp[32];
    ::strftime(stamp, sizeof stamp, "%F %T", &local);
    std::fprintf(stderr, "%s %s\n", stamp, text.c_str());
}

Keeper::Part etcd_part(const Plan& plan, const io::User& owner) {
    io::SpawnOptions command{.argv = etcd_command(plan), .cwd = plan.etcd_dir(), .run_as = owner};
    command.env["HOME"] = owner.home;
    command.output_file = plan.log_of("etcd");
    command.new_session = true;
    command.die_with_parent = false;
    return {"etcd", std::move(command), [plan] { return find_etcd_process(running_processes(), plan); }};
}

Keeper::Part agent_part(const Plan& plan, const std::string& program, const MemberPlan& member) {
    io::SpawnOptions command{.argv = agent_command(program, member), .cwd = member.dir};
    command.output_file = plan.log_of(member.name);
    command.new_session = true;
    command.die_with_parent = false;
    return {member.name, std::move(command), [member] { return find_agent_process(running_processes(), member); }};
}

// The writers go on with the same file, at its new end.
Status trim(const std::string& path) {
    CASTLE_TRY(const io::FileInfo info, io::file_info(path));
    if (info.size < log_size_max) return Done{};
    CASTLE_TRY(const std::string content, io::read_file(path));
    CASTLE_CHECK(io::write_file_atomic(path + ".1", content, 0600, info.owner));
    if (::truncate(path.c_str(), 0) != 0) return Error{Errc::failed, "empty " + path};
    return Done{};
}

Status trim_all(const std::vector<std::string>& paths) {
    Status all = Done{};
    for (const std::string& path : paths)
        if (auto trimmed = trim(path); !trimmed && trimmed.error().code != Errc::not_found) all = std::move(trimmed);
    return all;
}

}  // namespace

Supervisor::Supervisor(io::Loop& loop, Plan plan, io::User owner, std::string program)
    : loop_(loop), plan_(std::move(plan)), etcd_(loop, etcd_part(plan_, owner), changed_, note) {
    for (const MemberPlan& each : plan_.members())
        agents_.push_back(std::make_unique<Keeper>(loop, agent_part(plan_, program, each), changed_, note));
}

Report Supervisor::report() const {
    Report report{.supervisor = ::getpid(), .stopping = stopping_, .stopped = stopped_, .doing = doing_};
    report.parts.push_back(etcd_.report());
    for (const auto& each : agents_) report.parts.push_back(each->report());
    return report;
}

Task<> Supervisor::protect_store() {
    std::string last;
    while (!stop_.cancelled()) {
        const auto protected_now = co_await protect_etcd(loop_, plan_, loop_.now() + 2s);
        if (protected_now) co_return;
        if (protected_now.error().message != last) note("etcd: not ready yet: " + protected_now.error().message);
        last = protected_now.error().message;
        co_await sleep_for(loop_, 100ms, stop_.token());
    }
}

void Supervisor::start_agent(Scope& agents, Keeper& agent) {
    if (started_.insert(agent.report().name).second) agents.spawn(agent.keep(stop_.token()));
}

// Who was stopped as the last has everything; whoever else became primary before it is back would make it rewind.
Task<> Supervisor::start_last_leader_first(Scope& agents) {
    dcs::EtcdStore store(loop_, etcd_options(plan_));
    const BootTime deadline = loop_.now() + head_start_max;
    std::string first;
    while (!stop_.cancelled() && loop_.now() < deadline) {
        auto snapshot = co_await store.read(deadline);
        if (!snapshot) co_return;
        const core::Cluster cluster = core::read_cluster(**snapshot);
        if (cluster.locked() || !cluster.last_leadership) co_return;
        if (first.empty()) {
            first = cluster.last_leadership->name;
            for (const auto& each : agents_)
                if (each->report().name == first) start_agent(agents, *each);
        }
        co_await sleep_for(loop_, 50ms, stop_.token());
    }
}

// The agents start once etcd is there and locked, so that they do not begin with complaints.
Task<> Supervisor::keep_all() {
    Scope scope(loop_);
    scope.spawn(etcd_.keep(stop_.token()));
    co_await protect_store();
    co_await start_last_leader_first(scope);
    for (const auto& each : agents_) start_agent(scope, *each);
    co_await scope.drained();
}

Task<> Supervisor::trim_logs() {
    std::vector<std::string> logs{plan_.log_of("supervisor"), plan_.log_of("etcd")};
    for (const MemberPlan& each : plan_.members()) logs.push_back(plan_.log_of(each.name));
    for (;;) {
        co_await sleep_for(loop_, 60s);
        auto trimmed = co_await loop_.on_worker([logs] { return trim_all(logs); });
        if (!trimmed) note("the logs cannot be trimmed: " + trimmed.error().message);
    }
}

Task<> Supervisor::tell_reports(io::Stream& stream) {
    for (;;) {
        const auto seen = changed_.count();
        const std::string line = report().to_line() + "\n";
        const auto written = co_await stream.write_all(line, loop_.now() + 5s);
        if (!written || stopped_) co_return;
        co_await wait_past(loop_, changed_, seen, BootTime::max());
    }
}

// One request a connection: "status" is answered with one report; "watch" with one after every change; "stop" stops
// everything and tells of it in the same way.
Task<> Supervisor::serve(io::StreamPtr stream) {
    std::string request;
    while (request.find('\n') == request.npos && request.size() < request_size_max) {
        char buffer[request_size_max];
        const auto size = co_await stream->read_some(buffer, loop_.now() + 5s);
        if (!size || *size == 0) co_return;
        request.append(buffer, *size);
    }
    const std::string_view command = castle::trim(request);
    if (command == "status") {
        const std::string line = report().to_line() + "\n";
        [[maybe_unused]] const auto written = co_await stream->write_all(line, loop_.now() + 5s);
    } else if (command == "watch") {
        co_await tell_reports(*stream);
    } else if (command == "stop") {
        note("asked to stop");
        stop_.cancel();
        co_await tell_reports(*stream);
    }
}

Task<> Supervisor::accept_all() {
    Scope served(loop_);
    for (;;) {
        auto stream = co_await listener_->accept();
        if (stream)
            served.spawn(serve(*std::move(stream)));
        else
            co_await sleep_for(loop_, 100ms);
    }
}

Task<Status> Supervisor::run() {
    auto listener = co_await io::Listener::unix(loop_, plan_.socket(), 0600, loop_.now() + 10s);
    if (!listener) co_return std::move(listener).error();
    listener_ = *std::move(listener);
    Scope beside(loop_);
    beside.spawn(accept_all());
    beside.spawn(trim_logs());
    co_await keep_all();

    stopping_ = true;
    const auto say = [this](const std::string& step) {
        doing_ = step;
        note(step);
        changed_.notify();
    };
    auto stopped = co_await stop_cluster(loop_, plan_, say);
    doing_ = stopped ? "" : stopped.error().message;
    stopped_ = true;
    changed_.notify();
    co_await sleep_for(loop_, 100ms);  // for the last report to reach those who watch
    co_return stopped;
}

int supervise(const std::string& dir) {
    ::umask(077);
    auto plan = load_plan(dir);
    if (!plan) return note(plan.error().message), 1;
    auto lock = DirectoryLock::take(*plan);
    if (!lock) return note(lock.error().message), 1;
    auto owner = choose_owner(dir);
    if (!owner) return note(owner.error().message), 1;

    io::Loop loop;
    Supervisor supervisor(loop, *plan, *owner, own_program());
    const io::Signals signals(loop, {SIGTERM, SIGINT}, [&](int) { supervisor.stop(); });
    ::signal(SIGHUP, SIG_IGN);
    note("supervisor started, process " + std::to_string(::getpid()));
    const Status ended = io::run_to_end(loop, supervisor.run());
    note(ended ? "everything is stopped" : "ended: " + ended.error().message);
    return ended ? 0 : 1;
}

}  // namespace castle::node
