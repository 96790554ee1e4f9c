// `pgcastle down`.
#include <cstdio>

#include "io/loop.hpp"
#include "node/arguments.hpp"
#include "node/commands.hpp"
#include "node/directory.hpp"
#include "node/show.hpp"
#include "node/take_down.hpp"

namespace castle::node {
namespace {

Task<int> run(io::Loop& loop, PlaceOptions options) {
    const auto plan = load_plan(options.dir);
    if (!plan) {
        std::fprintf(stderr, "pgcastle down: %s\n", plan.error().message.c_str());
        co_return 1;
    }
    const auto say = [](const std::string& step) {
        std::printf("  %s\n", step.c_str());
        std::fflush(stdout);
    };
    auto ran = co_await take_down(loop, *plan, say);
    if (!ran) {
        std::fprintf(stderr, "pgcastle down: %s\n", ran.error().message.c_str());
        co_return 1;
    }
    if (*ran)
        std::printf("Stopped. The data is in %s; go on with: %s up%s\n", plan->dir.c_str(),
                    program_for_people().c_str(), directory_option(*plan).c_str());
    else
        std::printf("Nothing of the cluster in %s is running\n", plan->dir.c_str());
    co_return 0;
}

}  // namespace

int down(std::vector<std::string> arguments) {
    const auto read = read_down(std::move(arguments));
    if (const int* status = std::get_if<int>(&read)) return *status;
    io::Loop loop;
    return io::run_to_end(loop, run(loop, std::get<PlaceOptions>(read)));
}

}  // namespace castle::node
