// `pgcastle status`.
#include <cstdio>

#include "base/text.hpp"
#include "node/arguments.hpp"
#include "node/commands.hpp"
#include "node/control.hpp"
#include "node/directory.hpp"
#include "node/processes.hpp"
#include "node/show.hpp"

namespace castle::node {
namespace {

using namespace std::chrono_literals;

constexpr int not_whole = 1;
constexpr int not_running = 3;

int complain(const std::string& what) {
    std::fprintf(stderr, "pgcastle status: %s\n", what.c_str());
    return not_running;
}

Task<int> run(io::Loop& loop, PlaceOptions options) {
    const auto plan = load_plan(options.dir);
    if (!plan) co_return complain(plan.error().message);
    const auto report = co_await ask_status(loop, *plan, loop.now() + 5s);
    if (!report) {
        const auto left = what_runs(*plan);
        const std::string again = program_for_people() + " up" + directory_option(*plan);
        if (left.empty())
            co_return complain("the cluster in " + plan->dir + " is not running; resume it with: " + again);
        co_return complain("the supervisor of " + plan->dir + " is gone, but these run on: " + join(left, ", ") +
                           "; take them over with: " + again);
    }
    std::fputs(processes_text(*plan, *report).c_str(), stdout);
    const auto table = co_await member_table(loop, *plan, loop.now());
    std::printf("\n%s\n%s", table ? table->c_str() : (table.error().message + "\n").c_str(),
                connection_text(*plan).c_str());
    const auto members = co_await ask_members(loop, *plan, loop.now() + 2s);
    co_return whole(members) ? 0 : not_whole;
}

}  // namespace

int status(std::vector<std::string> arguments) {
    const auto read = read_status(std::move(arguments));
    if (const int* done = std::get_if<int>(&read)) return *done;
    io::Loop loop;
    return io::run_to_end(loop, run(loop, std::get<PlaceOptions>(read)));
}

}  // namespace castle::node
