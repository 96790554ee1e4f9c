#include "node/take_down.hpp"

#include "base/text.hpp"
#include "io/process.hpp"
#include "node/control.hpp"
#include "node/directory.hpp"
#include "node/processes.hpp"
#include "node/stop_cluster.hpp"

namespace castle::node {
namespace {

using namespace std::chrono_literals;
using Say = std::function<void(const std::string&)>;

constexpr Duration stop_time_max = 180s;

// Until the supervisor says that it has stopped everything, or goes away.
Task<> follow(io::Loop& loop, Control control, Say say) {
    const BootTime deadline = loop.now() + stop_time_max;
    std::string doing;
    pid_t supervisor = 0;
    for (;;) {
        auto report = co_await control.next(deadline);
        if (!report) break;
        supervisor = report->supervisor;
        if (!report->stopped && !report->doing.empty() && report->doing != doing) say(report->doing);
        doing = report->doing;
        if (report->stopped) break;
    }
    if (supervisor) {
        [[maybe_unused]] const auto gone = co_await io::watch_pid(loop, supervisor, loop.now() + 10s);
    }
}

}  // namespace

Task<Result<bool>> take_down(io::Loop& loop, Plan plan, Say say) {
    bool ran = false;
    auto control = co_await Control::ask(loop, plan, "stop", loop.now() + 5s);
    if (control) {
        ran = true;
        co_await follow(loop, *std::move(control), say);
    }
    // A supervisor that is gone by now, or has been from the beginning, may have left something.
    auto left = what_runs(plan);
    if (!left.empty()) {
        CASTLE_CO_TRY(const DirectoryLock lock, DirectoryLock::take(plan));
        if (!ran) say("there is no supervisor, but these run: " + join(left, ", "));
        ran = true;
        auto stopped = co_await stop_cluster(loop, plan, say);
        if (!stopped) co_return std::move(stopped).error();
    }
    co_return ran;
}

}  // namespace castle::node
