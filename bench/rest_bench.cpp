// Health checks as many as an agent answers, ours or the peer's:
//
//   rest_bench ADDRESS PORT [--connections N] [--seconds N] [--idle N] [--kept 1]
//
// So many connections at a time ask GET /primary, each for one request or (--kept) for all of them, beside as many idle
// ones as asked for (or as are taken within 10 s), which stay open and say nothing. Prints one line: requests a second,
// median and slowest hundredth in ms, and how many requests and idle connections failed. It shares the processors with
// the agent, so it makes as few system calls as there can be.
#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <map>
#include <string>
#include <vector>

#include "io/fd.hpp"

namespace castle {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr auto patience = 5s;
constexpr long failed_max = 1000;

struct Target {
    sockaddr_in address{};

    io::Fd connect() const {
        io::Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
        const int status = ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
        if (status != 0 && errno != EINPROGRESS) fd.reset();
        return fd;
    }
};

// Connections that were taken within 10 s.
std::vector<io::Fd> open_idle(const Target& target, int wanted) {
    std::vector<io::Fd> open;
    const auto until = Clock::now() + 10s;
    for (int i = 0; i < wanted && Clock::now() < until; ++i) {
        io::Fd fd = target.connect();
        pollfd one{.fd = fd.get(), .events = POLLOUT, .revents = 0};
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now());
        if (fd && ::poll(&one, 1, static_cast<int>(std::max(left, 0ms).count())) == 1 && one.revents == POLLOUT)
            open.push_back(std::move(fd));
    }
    return open;
}

class Load {
public:
    Load(Target target, int connections, bool kept)
        : target_(target),
          kept_(kept),
          request_("GET /primary HTTP/1.1\r\nHost: x\r\n" + std::string(kept ? "" : "Connection: close\r\n") + "\r\n"),
          clients_(static_cast<std::size_t>(connections)),
          polled_(clients_.size()) {}

    void run(Clock::time_point end) {
        const auto over = [&] { return failed >= failed_max || Clock::now() >= end; };
        for (;;) {
            int busy = 0;
            for (std::size_t i = 0; i < clients_.size(); ++i) {
                Client& client = clients_[i];
                if (client.phase == Phase::idle && !over()) begin(client);
                const bool waits = client.phase != Phase::idle;
                busy += waits;
                polled_[i] = {.fd = waits ? client.fd.get() : -1,
                              .events = client.phase == Phase::connecting ? short{POLLOUT} : short{POLLIN},
                              .revents = 0};
            }
            if (over() && (busy == 0 || Clock::now() >= end + patience)) {
                failed += busy;
                return;
            }
            ::poll(polled_.data(), polled_.size(), 100);
            // All answers that have come, before the next requests: no client waits for the work of another.
            for (std::size_t i = 0; i < clients_.size(); ++i)
                if (polled_[i].revents != 0) go_on(clients_[i]);
        }
    }

    std::vector<double> milliseconds;
    long failed = 0;

private:
    enum class Phase { idle, connecting, asked, answered };
    struct Client {
        io::Fd fd;
        Phase phase = Phase::idle;
        Clock::time_point began;
    };

    void begin(Client& client) {
        client.began = Clock::now();
        if (!client.fd) client.fd = target_.connect();
        client.phase = Phase::connecting;
        send(client);  // on one machine the connection is there by now
    }

    void send(Client& client) {
        const auto size = ::send(client.fd.get(), request_.data(), request_.size(), MSG_NOSIGNAL);
        if (size == static_cast<ssize_t>(request_.size()))
            client.phase = Phase::asked;
        else if (size >= 0 || (errno != EAGAIN && errno != ENOTCONN))
            finish(client, false);
    }

    // A kept connection's answer comes in one segment; otherwise the end of the connection is the end of the answer.
    void go_on(Client& client) {
        if (client.phase == Phase::connecting) return send(client);
        char buffer[16 * 1024];
        for (;;) {
            const auto size = ::recv(client.fd.get(), buffer, sizeof buffer, 0);
            if (size < 0 && errno == EAGAIN) return;
            if (size <= 0) return finish(client, size == 0 && client.phase == Phase::answered);
            if (kept_) return finish(client, true);
            client.phase = Phase::answered;
        }
    }

    void finish(Client& client, bool good) {
        if (good)
            milliseconds.push_back(std::chrono::duration<double, std::milli>(Clock::now() - client.began).count());
        else
            ++failed;
        if (!good || !kept_) client.fd.reset();
        client.phase = Phase::idle;
    }

    Target target_;
    bool kept_;
    std::string request_;
    std::vector<Client> clients_;
    std::vector<pollfd> polled_;
};

int number(const std::string& text) {
    int value = -1;
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
}

int measure(const std::vector<std::string>& arguments) {
    std::map<std::string, int> options{{"--connections", 50}, {"--seconds", 3}, {"--idle", 0}, {"--kept", 0}};
    for (std::size_t i = 2; i + 1 < arguments.size(); i += 2) options[arguments[i]] = number(arguments[i + 1]);
    if (arguments.size() < 2 || options.size() != 4) return 2;
    Target target;
    target.address.sin_family = AF_INET;
    target.address.sin_port = htons(static_cast<std::uint16_t>(number(arguments[1])));
    if (::inet_pton(AF_INET, arguments[0].c_str(), &target.address.sin_addr) != 1) return 2;
    const std::vector<io::Fd> idle = open_idle(target, options["--idle"]);
    Load load(target, options["--connections"], options["--kept"] != 0);
    load.failed = options["--idle"] - static_cast<long>(idle.size());
    load.run(Clock::now() + std::chrono::seconds{options["--seconds"]});
    auto& times = load.milliseconds;
    std::ranges::sort(times);
    const auto at = [&](double part) {
        return times.empty() ? 0.0 : times[static_cast<std::size_t>(part * static_cast<double>(times.size() - 1))];
    };
    std::printf("%.0f %.2f %.2f %ld\n", static_cast<double>(times.size()) / options["--seconds"], at(0.5), at(0.99),
                load.failed);
    return load.failed == 0 ? 0 : 1;
}

}  // namespace
}  // namespace castle

int main(int count, char** values) {
    return castle::measure({values + 1, values + count});
}
