#include <cerrno>
#include <optional>

#include "io/socket.hpp"
#include "io/tls.hpp"

namespace castle::io {
namespace {

using namespace std::chrono_literals;

constexpr Duration head_start = 250ms;  // RFC 8305

Task<Result<StreamPtr>> connect_to(Loop& loop, SocketAddress address, BootTime deadline, CancelToken cancel) {
    Fd fd = make_socket(address.family());
    if (!fd) co_return Error{Errc::unavailable, "cannot make a socket: " + errno_text(errno)};
    const int raw = fd.get();
    if (address.family() != AF_UNIX) tune_tcp(raw);
    auto socket = std::make_unique<Socket>(loop, std::move(fd), address.peer());
    if (::connect(raw, address.data(), address.size) != 0) {
        if (errno != EINPROGRESS && errno != EINTR) co_return Error{Errc::unavailable, errno_text(errno)};
        CASTLE_CO_CHECK(co_await socket->ready(Want::write, deadline, cancel));
        int error = 0;
        socklen_t size = sizeof error;
        ::getsockopt(raw, SOL_SOCKET, SO_ERROR, &error, &size);
        if (error != 0) co_return Error{Errc::unavailable, errno_text(error)};
    }
    co_return StreamPtr(std::move(socket));
}

// The attempts of one connect() and what has come of them.
struct Race {
    Signal changed;
    std::size_t failed = 0;
    std::optional<Error> first_error;
    StreamPtr winner;
};

Task<> attempt(Loop& loop, Race& race, SocketAddress address, BootTime deadline, CancelToken cancel) {
    auto connected = co_await connect_to(loop, address, deadline, cancel);
    if (connected && !race.winner) {
        race.winner = *std::move(connected);
    } else if (!connected) {
        ++race.failed;
        if (!race.first_error) race.first_error = std::move(connected).error();
    }
    race.changed.notify();
}

Task<Result<StreamPtr>> run_race(Loop& loop, std::vector<SocketAddress> addresses, BootTime deadline,
                                 CancelToken cancel) {
    if (addresses.size() == 1) co_return co_await connect_to(loop, addresses.front(), deadline, cancel);
    Race race;
    Scope attempts(loop);
    for (std::size_t started = 0; !race.winner && race.failed < addresses.size();) {
        const auto seen = race.changed.count();
        const auto failed_before = race.failed;
        BootTime next = deadline;
        if (started < addresses.size()) {
            attempts.spawn(attempt(loop, race, addresses[started++], deadline, cancel));
            next = std::min(deadline, loop.now() + head_start);
        }
        auto count = seen;
        while (!race.winner && race.failed == failed_before) {
            if (!co_await wait_past(loop, race.changed, count, next, cancel)) break;
            count = race.changed.count();
        }
        if (race.winner) break;
        if (cancel.cancelled()) co_return Error{Errc::cancelled, "cancelled"};
        if (loop.now() >= deadline) break;
    }
    if (race.winner) co_return std::move(race.winner);
    if (race.first_error) co_return *race.first_error;
    co_return Error{Errc::timed_out, "timed out"};
}

}  // namespace

Task<Result<StreamPtr>> connect(Loop& loop, Endpoint to, std::shared_ptr<const TlsContext> tls, BootTime deadline,
                                CancelToken cancel) {
    const std::string doing = "connect to " + to.text();
    auto addresses = co_await resolve(loop, to, false, deadline);
    if (!addresses) co_return std::move(addresses).error().in(doing);
    auto stream = co_await run_race(loop, *std::move(addresses), deadline, cancel);
    if (!stream) co_return std::move(stream).error().in(doing);
    if (!tls) co_return stream;
    co_return co_await secure_as_client(loop, *std::move(stream), std::move(tls), to.host, deadline, std::move(cancel));
}

Task<Result<StreamPtr>> connect_unix(Loop& loop, std::string path, BootTime deadline, CancelToken cancel) {
    CASTLE_CO_TRY(const auto address, unix_address(path));
    auto stream = co_await connect_to(loop, address, deadline, std::move(cancel));
    if (!stream) co_return std::move(stream).error().in("connect to " + path);
    co_return stream;
}

}  // namespace castle::io
