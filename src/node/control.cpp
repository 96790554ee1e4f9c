#include "node/control.hpp"

#include <unistd.h>

#include "io/process.hpp"
#include "node/last_line.hpp"
#include "node/processes.hpp"

extern char** environ;

namespace castle::node {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t line_size_max = 1 << 20;

// What would steer the programs that we start without anybody meaning it.
bool misleads(std::string_view name) {
    for (const std::string_view prefix : {"PATRONI_", "PATRONICTL_", "ETCD_", "KUBERNETES_", "PG"})
        if (name.starts_with(prefix)) return true;
    return name == "NOTIFY_SOCKET" || name == "DCS_URL";
}

io::SpawnOptions supervisor_command(const Plan& plan) {
    io::SpawnOptions command{.argv = {own_program(), "up", "--supervise", plan.dir}, .cwd = "/"};
    for (char** each = environ; each && *each; ++each) {
        const std::string_view entry = *each;
        const std::string name(entry.substr(0, entry.find('=')));
        if (misleads(name)) command.env[name] = std::nullopt;
    }
    command.output_file = plan.log_of("supervisor");
    command.new_session = true;
    command.die_with_parent = false;
    return command;
}

}  // namespace

Task<Result<Control>> Control::ask(io::Loop& loop, Plan plan, std::string request, BootTime deadline) {
    auto stream = co_await io::connect_unix(loop, plan.socket(), deadline);
    if (!stream) co_return Error{Errc::not_found, "no supervisor runs for " + plan.dir};
    request += "\n";
    const auto written = co_await (*stream)->write_all(request, deadline);
    if (!written) co_return Error{Errc::not_found, "the supervisor of " + plan.dir + " went away"};
    co_return Control(*std::move(stream));
}

Task<Result<Report>> Control::next(BootTime deadline, CancelToken cancel) {
    for (;;) {
        if (const auto end = unread_.find('\n'); end != unread_.npos) {
            const std::string line = unread_.substr(0, end);
            unread_.erase(0, end + 1);
            co_return Report::from_line(line);
        }
        char buffer[4096];
        auto size = co_await stream_->read_some(buffer, deadline, cancel);
        if (!size && (size.error().code == Errc::timed_out || size.error().code == Errc::cancelled))
            co_return std::move(size).error();
        if (!size || *size == 0 || unread_.size() > line_size_max)
            co_return Error{Errc::not_found, "the supervisor went away"};
        unread_.append(buffer, *size);
    }
}

Task<Result<Report>> ask_status(io::Loop& loop, Plan plan, BootTime deadline) {
    auto control = co_await Control::ask(loop, std::move(plan), "status", deadline);
    if (!control) co_return std::move(control).error();
    co_return co_await control->next(deadline);
}

Task<Status> start_supervisor(io::Loop& loop, Plan plan) {
    auto process = co_await io::Process::start(loop, supervisor_command(plan));
    if (!process) co_return std::move(process).error().in("start the supervisor");
    const BootTime deadline = loop.now() + 20s;
    for (;;) {
        const auto answer = co_await ask_status(loop, plan, loop.now() + 2s);
        if (answer) break;
        const auto ended = co_await (*process)->wait(loop.now() + 20ms);
        if (ended) co_return Error{Errc::failed, "the supervisor has ended: " + last_line(plan.log_of("supervisor"))};
        if (loop.now() > deadline) {
            [[maybe_unused]] const auto killed = co_await (*process)->terminate(1s);
            co_return Error{Errc::timed_out, "the supervisor does not answer; see " + plan.log_of("supervisor")};
        }
    }
    (*process)->detach();
    co_return Done{};
}

}  // namespace castle::node
