// `pgcastle up`: prepares, starts the supervisor, shows how the cluster comes up, then what can be done with it.
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <set>

#include "base/text.hpp"
#include "io/signals.hpp"
#include "node/commands.hpp"
#include "node/control.hpp"
#include "node/last_line.hpp"
#include "node/prepare.hpp"
#include "node/progress.hpp"
#include "node/show.hpp"
#include "node/supervisor.hpp"
#include "node/take_down.hpp"

namespace castle::node {
namespace {

using namespace std::chrono_literals;

constexpr int interrupted_status = 130;
constexpr int ends_max = 5;          // of one part while coming up
constexpr Duration patience = 180s;  // without any change
constexpr Duration look_every = 100ms;

void complain(const Error& error) {
    std::fflush(stdout);
    std::fprintf(stderr, "pgcastle up: %s\n", error.message.c_str());
}

void say_step(const std::string& step) {
    std::printf("  %s\n", step.c_str());
    std::fflush(stdout);
}

bool on_terminal() {
    const char* kind = ::getenv("TERM");
    return ::isatty(STDOUT_FILENO) && kind && std::string_view(kind) != "dumb";
}

// A part that keeps ending will not come up by itself.
Status check_ends(const Plan& plan, const Report& first, const Report& now) {
    for (const PartReport& part : now.parts) {
        const PartReport* before = first.part(part.name);
        if (part.restarts - (before ? before->restarts : 0) < ends_max) continue;
        const std::string log = plan.log_of(part.name);
        const std::string what = part.name == "etcd" ? "etcd" : "the agent of " + part.name;
        return Error{Errc::failed,
                     what + " keeps ending (" + part.last_end + "); it said last: " + last_line(log) + "; see " + log};
    }
    return Done{};
}

struct Outcome {
    std::vector<MemberReport> members;
    std::string missing;  // what is not there yet although a primary serves; empty: the cluster is whole
};

std::string not_streaming(const Plan& plan, const std::vector<MemberReport>& members) {
    std::vector<std::string> names;
    for (std::size_t i = 0; i < members.size(); ++i)
        if (!members[i].primary() && !members[i].streaming())
            names.push_back(plan.member(static_cast<int>(i) + 1).name);
    return join(names, ", ");
}

// Shows the way there. Errc::cancelled: interrupted.
Task<Result<Outcome>> await_whole(io::Loop& loop, Plan plan, CancelToken interrupted) {
    ProgressView view(on_terminal());
    const BootTime began = loop.now();
    BootTime moved = began;
    std::set<std::string> known;                                // members that have answered
    std::set<std::pair<std::string, std::string>> seen_before;  // going in circles is no progress
    std::optional<Report> first;
    while (!interrupted.cancelled()) {
        auto report = co_await ask_status(loop, plan, loop.now() + 5s);
        if (!report) co_return std::move(report).error().in("it said last: " + last_line(plan.log_of("supervisor")));
        if (report->stopping) co_return Error{Errc::failed, "somebody has stopped it meanwhile"};
        if (!first) first = *report;
        auto members = co_await ask_members(loop, plan, loop.now() + 1s);
        for (std::size_t i = 0; i < members.size(); ++i)
            if (members[i].answered) known.insert(plan.member(static_cast<int>(i) + 1).name);
        const auto lines = describe(plan, *report, members, known);
        for (const ProgressLine& line : lines)
            if (seen_before.emplace(line.name, line.text).second) moved = loop.now();
        view.show(lines, loop.now() - began);
        if (whole(members)) co_return Outcome{std::move(members), {}};
        CASTLE_CO_CHECK(check_ends(plan, *first, *report));
        if (loop.now() - moved > patience) {
            const std::string missing = not_streaming(plan, members);
            if (std::ranges::any_of(members, &MemberReport::primary)) co_return Outcome{std::move(members), missing};
            co_return Error{Errc::timed_out, "nothing has moved for " + std::to_string(patience / 1s) +
                                                 " s; see the logs in " + plan.log_dir()};
        }
        co_await sleep_for(loop, look_every, interrupted);
    }
    co_return Error{Errc::cancelled, "interrupted"};
}

Task<int> give_up(io::Loop& loop, Plan plan, Error why) {
    const bool interrupted = why.code == Errc::cancelled;
    if (interrupted)
        std::printf("\nInterrupted: stopping what has been started\n");
    else
        complain(why);
    auto ended = co_await take_down(loop, plan, say_step);
    if (!ended) {
        complain(ended.error());
        co_return 1;
    }
    std::printf("Nothing is left running. Files stay in %s; go on with: %s up%s\n", plan.dir.c_str(),
                program_for_people().c_str(), directory_option(plan).c_str());
    co_return interrupted ? interrupted_status : 1;
}

Task<> show_summary(io::Loop& loop, Plan plan, std::vector<MemberReport> members) {
    const auto table = co_await member_table(loop, plan, loop.now() + 5s);
    std::printf("\n%s\n%s\n%s", table ? table->c_str() : (table.error().message + "\n").c_str(),
                connection_text(plan).c_str(), try_text(plan, members).c_str());
    std::fflush(stdout);
}

// Until interrupted, or the supervisor ends.
Task<int> stay(io::Loop& loop, Plan plan, CancelToken interrupted) {
    auto control = co_await Control::ask(loop, plan, "watch", loop.now() + 5s);
    while (control) {
        auto report = co_await control->next(BootTime::max(), interrupted);
        if (report && report->stopped) co_return 0;
        if (report) continue;
        if (report.error().code == Errc::cancelled) break;
        complain(report.error());
        co_return 1;
    }
    auto ended = co_await take_down(loop, plan, say_step);
    if (ended) co_return 0;
    complain(ended.error());
    co_return 1;
}

Task<int> run(io::Loop& loop, UpOptions options, CancelToken interrupted) {
    auto prepared = co_await prepare(loop, options);
    if (!prepared) {
        complain(prepared.error());
        co_return 1;
    }
    const Plan& plan = prepared->plan;
    if (prepared->running) {
        std::printf("The cluster in %s is running already\n", plan.dir.c_str());
    } else {
        std::printf("%s a cluster of %d with PostgreSQL %d in %s\n", prepared->made ? "Making" : "Resuming", plan.nodes,
                    plan.postgres_major, plan.dir.c_str());
        std::fflush(stdout);
        if (!interrupted.cancelled()) {
            auto started = co_await start_supervisor(loop, plan);
            if (!started) co_return co_await give_up(loop, plan, std::move(started).error());
        }
    }
    auto outcome = co_await await_whole(loop, plan, interrupted);
    if (!outcome && prepared->running) {  // not ours to stop
        complain(outcome.error());
        co_return outcome.error().code == Errc::cancelled ? interrupted_status : 1;
    }
    if (!outcome) co_return co_await give_up(loop, plan, std::move(outcome).error());
    co_await show_summary(loop, plan, outcome->members);
    if (!outcome->missing.empty())
        complain({Errc::failed, "the primary serves, but these do not stream from it yet: " + outcome->missing +
                                    "; see the logs in " + plan.log_dir()});
    if (options.foreground) co_return co_await stay(loop, plan, interrupted);
    co_return outcome->missing.empty() ? 0 : 1;
}

}  // namespace

int up(std::vector<std::string> arguments) {
    if (arguments.size() == 2 && arguments[0] == "--supervise") return supervise(arguments[1]);
    const auto read = read_up(std::move(arguments));
    if (const int* status = std::get_if<int>(&read)) return *status;
    ::umask(077);
    io::Loop loop;
    CancelSource interrupted;
    const io::Signals signals(loop, {SIGINT, SIGTERM, SIGHUP}, [&](int) { interrupted.cancel(); });
    return io::run_to_end(loop, run(loop, std::get<UpOptions>(read), interrupted.token()));
}

}  // namespace castle::node
