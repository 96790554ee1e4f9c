#include "io/listener.hpp"

#include <netinet/in.h>
#include <sys/stat.h>

#include <cerrno>
#include <deque>

#include "io/socket.hpp"

namespace castle::io {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t waiting_max = 64;  // accepted and not yet asked for; more stay in the kernel's queue
constexpr int backlog_max = 4096;        // the kernel cuts it to net.core.somaxconn
constexpr Duration pause_when_full = 100ms;

void set(int fd, int level, int name, int value) {
    ::setsockopt(fd, level, name, &value, sizeof value);
}

Result<Fd> listen_on(const SocketAddress& address, bool both_families, int backlog) {
    Fd fd = make_socket(address.family());
    if (!fd) return Error{Errc::unavailable, errno_text(errno)};
    if (address.family() != AF_UNIX) {
        set(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1);
        tune_tcp(fd.get());  // what it accepts inherits that
    }
    if (address.family() == AF_INET6) set(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, both_families ? 0 : 1);
    if (::bind(fd.get(), address.data(), address.size) != 0 || ::listen(fd.get(), backlog) != 0)
        return Error{errno == EADDRINUSE ? Errc::conflict : Errc::unavailable, errno_text(errno)};
    return fd;
}

Endpoint bound_to(int fd) {
    SocketAddress address;
    address.size = sizeof address.storage;
    ::getsockname(fd, address.data(), &address.size);
    const PeerAddress here = address.peer();
    return {here.host, here.port};
}

}  // namespace

struct Listener::State {
    explicit State(Loop& on) : loop(on), accepting(on) {}
    ~State() {
        if (!path.empty()) ::unlink(path.c_str());
    }

    Loop& loop;
    std::vector<Fd> sockets;
    std::vector<std::unique_ptr<FdWatch>> watches;
    std::vector<Endpoint> bound;
    std::string path;
    std::deque<StreamPtr> waiting;
    Signal arrived;
    Signal taken;
    Scope accepting;

    void add(Fd fd) {
        watches.push_back(std::make_unique<FdWatch>(loop, fd.get()));
        sockets.push_back(std::move(fd));
        accepting.spawn(accept_on(*this, sockets.size() - 1));
    }

    static Task<> accept_on(State& state, std::size_t index) {
        const int listening = state.sockets[index].get();
        FdWatch& watch = *state.watches[index];
        for (;;) {
            while (state.waiting.size() >= waiting_max)
                co_await wait_past(state.loop, state.taken, state.taken.count(), BootTime::max());
            SocketAddress from;
            from.size = sizeof from.storage;
            Fd fd(::accept4(listening, from.data(), &from.size, SOCK_NONBLOCK | SOCK_CLOEXEC));
            if (fd) {
                state.waiting.push_back(std::make_unique<Socket>(state.loop, std::move(fd), from.peer()));
                state.arrived.notify();
            } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
                auto ready = co_await watch.ready(Want::read, BootTime::max());
                if (!ready) co_return;
            } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
                co_await sleep_for(state.loop, pause_when_full);
            }  // anything else happened to the connection, which is gone
        }
    }
};

Listener::Listener(std::unique_ptr<State> state) : state_(std::move(state)) {}
Listener::~Listener() = default;

Task<Result<std::unique_ptr<Listener>>> Listener::tcp(Loop& loop, Endpoint at, BootTime deadline, int backlog) {
    if (backlog < 1) backlog = backlog_max;
    const std::string doing = "listen on " + at.text();
    const bool everywhere = at.host.empty() || at.host == "*";
    if (everywhere) at.host.clear();
    auto addresses = co_await resolve(loop, at, true, deadline);
    if (!addresses) co_return std::move(addresses).error().in(doing);
    auto state = std::make_unique<State>(loop);
    if (everywhere) {
        for (const auto& address : *addresses) {
            if (address.family() != AF_INET6) continue;
            auto both = listen_on(address, true, backlog);
            if (!both && both.error().code == Errc::conflict) co_return std::move(both).error().in(doing);
            if (both) state->sockets.push_back(*std::move(both));
            break;
        }
    }
    std::optional<Error> error;
    if (state->sockets.empty()) {
        for (auto& address : *addresses) {
            if (at.port == 0 && !state->sockets.empty()) address.set_port(bound_to(state->sockets.front().get()).port);
            auto one = listen_on(address, false, backlog);
            if (one) {
                state->sockets.push_back(*std::move(one));
            } else if (one.error().code == Errc::conflict && at.port != 0) {
                co_return std::move(one).error().in(doing);
            } else if (!error) {
                error = std::move(one).error();  // such as ::1 on a machine without IPv6: the others will do
            }
        }
    }
    if (state->sockets.empty()) co_return std::move(*error).in(doing);
    auto sockets = std::move(state->sockets);
    state->sockets.clear();
    state->sockets.reserve(sockets.size());
    for (auto& socket : sockets) {
        state->bound.push_back(bound_to(socket.get()));
        state->add(std::move(socket));
    }
    co_return std::unique_ptr<Listener>(new Listener(std::move(state)));
}

Task<Result<std::unique_ptr<Listener>>> Listener::unix(Loop& loop, std::string path, int mode, BootTime deadline) {
    const std::string doing = "listen on " + path;
    CASTLE_CO_TRY(const auto address, unix_address(path));
    auto fd = listen_on(address, false, backlog_max);
    if (!fd && fd.error().code == Errc::conflict) {
        auto living = co_await connect_unix(loop, path, deadline);
        struct stat there {};
        if (living || ::lstat(path.c_str(), &there) != 0 || !S_ISSOCK(there.st_mode))
            co_return std::move(fd).error().in(doing);
        ::unlink(path.c_str());  // left behind by a process that is gone
        fd = listen_on(address, false, backlog_max);
    }
    if (!fd) co_return std::move(fd).error().in(doing);
    auto state = std::make_unique<State>(loop);
    state->path = path;
    if (::chmod(path.c_str(), static_cast<mode_t>(mode)) != 0)
        co_return Error{Errc::failed, doing + ": chmod: " + errno_text(errno)};
    state->bound.push_back({path, 0});
    state->add(*std::move(fd));
    co_return std::unique_ptr<Listener>(new Listener(std::move(state)));
}

Task<Result<StreamPtr>> Listener::accept(BootTime deadline, CancelToken cancel) {
    State& state = *state_;
    while (state.waiting.empty()) {
        const bool came = co_await wait_past(state.loop, state.arrived, state.arrived.count(), deadline, cancel);
        if (!came && cancel.cancelled()) co_return Error{Errc::cancelled, "cancelled"};
        if (!came && state.loop.now() >= deadline) co_return Error{Errc::timed_out, "timed out"};
    }
    StreamPtr stream = std::move(state.waiting.front());
    state.waiting.pop_front();
    state.taken.notify();
    co_return stream;
}

int Listener::port() const {
    return state_->bound.front().port;
}
const std::vector<Endpoint>& Listener::bound() const {
    return state_->bound;
}

}  // namespace castle::io
