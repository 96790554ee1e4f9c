// How many health checks one agent answers: 50 keep-alive connections against the REST interface over loopback, in
// front of a view that does not change. Prints requests per second, the server thread's CPU time per request, and the
// time a lone probe takes meanwhile.
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <thread>
#include <vector>

#include "api/rest_server.hpp"
#include "api/test_world.hpp"
#include "io/clock.hpp"
#include "io/stream.hpp"

namespace castle {
namespace {

using namespace std::chrono_literals;

constexpr int connections = 50;
constexpr Duration length = 3s;

struct RealClock final : ports::Clock {
    Now now() const override { return {io::boot_now(), io::wall_now()}; }
};
struct Silence final : ports::Journal {
    void write(ports::Level, std::string_view) override {}
};
struct StillAgent final : ports::Commands {
    StillAgent() {
        core::AgentView view = api::test_primary();
        view.cluster_read_at = view.instance.looked_at = io::boot_now();
        view.leader_until = io::boot_now() + 1h;
        current = std::make_shared<core::AgentView>(std::move(view));
    }
    std::shared_ptr<const core::AgentView> view() const override { return current; }
    Signal& view_changed() override { return changed; }
    Task<Result<core::Cluster>> read_cluster(BootTime) override { co_return *current->cluster; }
    Task<Result<Revision>> write(std::vector<core::KeyWrite>, BootTime) override { co_return Revision{}; }
    Task<std::vector<core::PeerStatus>> ask(std::vector<core::Member>, BootTime) override {
        co_return std::vector<core::PeerStatus>{};
    }
    void wake() override {}
    void reload() override {}
    Task<ports::RestartOutcome> restart(ports::RestartRequest) override { co_return ports::RestartOutcome::failed; }
    bool schedule_restart(core::ScheduledRestart) override { return false; }
    bool unschedule_restart() override { return false; }
    ports::ReinitOutcome reinitialize(bool, bool) override { return ports::ReinitOutcome::no_leader; }
    std::shared_ptr<const core::AgentView> current;
    Signal changed;
};

double cpu_seconds() {
    timespec time{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

struct Counts {
    long requests = 0;
    bool failed = false;
    std::vector<double> probe_ms;
};

Task<> ask_again(io::Loop& loop, int port, std::string request, BootTime end, Counts& counts) {
    auto stream = co_await io::connect(loop, {"127.0.0.1", port}, nullptr, end);
    if (!stream) {
        counts.failed = true;
        co_return;
    }
    char buffer[8192];
    while (loop.now() < end) {
        auto sent = co_await (*stream)->write_all(request, end + 5s);
        auto size = co_await (*stream)->read_some(buffer, end + 5s);  // answers fit into one segment
        if (!sent || !size || *size == 0) {
            counts.failed = true;
            co_return;
        }
        ++counts.requests;
    }
}

Task<> probe_again(io::Loop& loop, int port, BootTime end, Counts& counts) {
    const std::string request = "OPTIONS /primary HTTP/1.0\r\n\r\n";
    while (loop.now() < end) {
        const auto begin = std::chrono::steady_clock::now();
        auto stream = co_await io::connect(loop, {"127.0.0.1", port}, nullptr, end + 5s);
        if (!stream) co_return;
        auto sent = co_await (*stream)->write_all(request, end + 5s);
        char buffer[256];
        auto size = co_await (*stream)->read_some(buffer, end + 5s);
        if (!sent || !size || *size == 0) co_return;
        counts.probe_ms.push_back(
            std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count());
        co_await sleep_for(loop, 10ms);
    }
}

Task<> load(io::Loop& loop, int port, std::string path, Counts& counts) {
    const BootTime end = loop.now() + length;
    Scope scope(loop);
    for (int i = 0; i < connections; ++i)
        scope.spawn(ask_again(loop, port, "GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n", end, counts));
    scope.spawn(probe_again(loop, port, end, counts));
    co_await scope.drained();
}

void measure(const char* path) {
    io::Loop loop;
    RealClock clock;
    Silence journal;
    StillAgent agent;
    api::Rest rest(loop, clock, agent, journal);
    config::RestApi config;
    config.listen.host = "127.0.0.1";
    auto server = io::run_to_end(loop, api::RestServer::start(loop, rest, config, loop.now() + 5s));
    if (!server) {
        std::printf("%s\n", server.error().message.c_str());
        return;
    }
    const int port = (*server)->port();
    Counts counts;
    std::thread clients([&] {
        io::Loop own;
        io::run_to_end(own, load(own, port, path, counts));
        loop.stop();
    });
    const double before = cpu_seconds();
    loop.run();
    const double used = cpu_seconds() - before;
    clients.join();
    auto& probes = counts.probe_ms;
    std::sort(probes.begin(), probes.end());
    const auto at = [&probes](double part) {
        return probes.empty() ? 0.0 : probes[static_cast<std::size_t>(part * static_cast<double>(probes.size() - 1))];
    };
    const double seconds = std::chrono::duration<double>(length).count();
    std::printf(
        "GET %-10s %9.0f requests/s on %d connections, %5.1f us of CPU each; a probe meanwhile: median %.1f ms, p99 "
        "%.1f ms%s\n",
        path, static_cast<double>(counts.requests) / seconds, connections,
        used * 1e6 / static_cast<double>(std::max(counts.requests, 1L)), at(0.5), at(0.99),
        counts.failed ? " (FAILED)" : "");
}

}  // namespace
}  // namespace castle

int main() {
    for (const char* path : {"/primary", "/patroni", "/metrics"}) castle::measure(path);
}
