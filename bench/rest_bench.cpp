// Health checks as many as an agent answers, ours or the peer's:
//
//   rest_bench HOST PORT [--connections N] [--seconds N] [--idle N] [--kept 1]
//
// So many connections at a time ask GET /primary, each for one request or (--kept) for all of them, beside as many idle
// ones as asked for (or as are taken within 10 s), which stay open and say nothing. Prints one line: requests a second,
// median and slowest hundredth in ms, and how many requests and idle connections failed.
#include <algorithm>
#include <charconv>
#include <cstdio>
#include <map>
#include <string>
#include <vector>

#include "io/loop.hpp"
#include "io/stream.hpp"
#include "task/scope.hpp"

namespace castle {
namespace {

using namespace std::chrono_literals;

struct Load {
    io::Loop& loop;
    io::Endpoint target;
    bool kept = false;
    BootTime end{};
    std::vector<double> milliseconds;
    long failed = 0;

    std::string request() const {
        return "GET /primary HTTP/1.1\r\nHost: x\r\n" + std::string(kept ? "" : "Connection: close\r\n") + "\r\n";
    }
};

// A kept connection's answer comes in one segment; otherwise the end of the connection is the end of the answer.
Task<bool> answered(Load& load, io::Stream& stream) {
    char buffer[16 * 1024];
    bool something = false;
    for (;;) {
        const auto size = co_await stream.read_some(buffer, load.end + 5s);
        if (!size) co_return false;
        if (*size == 0) co_return something;
        something = true;
        if (load.kept) co_return true;
    }
}

Task<> client(Load& load) {
    const std::string request = load.request();
    io::StreamPtr stream;
    while (load.loop.now() < load.end) {
        const auto begin = std::chrono::steady_clock::now();
        if (!stream) {
            auto connected = co_await io::connect(load.loop, load.target, nullptr, load.end + 5s);
            if (connected) stream = std::move(*connected);
        }
        bool done = false;
        if (stream) {
            const auto sent = co_await stream->write_all(request, load.end + 5s);
            if (sent) done = co_await answered(load, *stream);
        }
        if (!done || !load.kept) stream.reset();
        if (!done && ++load.failed > 1000) co_return;
        if (done)
            load.milliseconds.push_back(
                std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count());
    }
}

Task<int> run(Load& load, int connections, int idle, Duration length) {
    std::vector<io::StreamPtr> open;
    const BootTime opened_by = load.loop.now() + 10s;
    for (int i = 0; i < idle; ++i) {
        auto stream = co_await io::connect(load.loop, load.target, nullptr, opened_by);
        if (stream)
            open.push_back(std::move(*stream));
        else
            ++load.failed;
    }
    load.end = load.loop.now() + length;
    Scope clients(load.loop);
    for (int i = 0; i < connections; ++i) clients.spawn(client(load));
    co_await clients.drained();
    co_return load.failed == 0 ? 0 : 1;
}

int number(const std::string& text) {
    int value = -1;
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
}

int measure(const std::vector<std::string>& arguments) {
    std::map<std::string, int> options{{"--connections", 50}, {"--seconds", 3}, {"--idle", 0}, {"--kept", 0}};
    for (std::size_t i = 2; i + 1 < arguments.size(); i += 2) options[arguments[i]] = number(arguments[i + 1]);
    if (arguments.size() < 2 || options.size() != 4) return 2;
    io::Loop loop;
    Load load{.loop = loop, .target = {arguments[0], number(arguments[1])}, .kept = options["--kept"] != 0};
    const Duration length = std::chrono::seconds{options["--seconds"]};
    const int status = io::run_to_end(loop, run(load, options["--connections"], options["--idle"], length));
    auto& times = load.milliseconds;
    std::ranges::sort(times);
    const auto at = [&](double part) {
        return times.empty() ? 0.0 : times[static_cast<std::size_t>(part * static_cast<double>(times.size() - 1))];
    };
    std::printf("%.0f %.2f %.2f %ld\n", static_cast<double>(times.size()) / options["--seconds"], at(0.5), at(0.99),
                load.failed);
    return status;
}

}  // namespace
}  // namespace castle

int main(int count, char** values) {
    return castle::measure({values + 1, values + count});
}
