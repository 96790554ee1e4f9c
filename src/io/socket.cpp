#include "io/socket.hpp"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <cerrno>

namespace castle::io {
namespace {

// A peer that sends without pause must not keep others from their turn.
constexpr int unbroken_max = 32;

Error closed_error() {
    return {Errc::cancelled, "the connection is closed"};
}

bool would_block(int error) {
    return error == EAGAIN || error == EWOULDBLOCK;
}

}  // namespace

Fd make_socket(int family) {
    return Fd(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}

void tune_tcp(int fd) {
    const auto set = [fd](int level, int name, int value) { ::setsockopt(fd, level, name, &value, sizeof value); };
    set(IPPROTO_TCP, TCP_NODELAY, 1);
    set(SOL_SOCKET, SO_KEEPALIVE, 1);
    set(IPPROTO_TCP, TCP_KEEPIDLE, 3);
    set(IPPROTO_TCP, TCP_KEEPINTVL, 2);
    set(IPPROTO_TCP, TCP_KEEPCNT, 3);
    set(IPPROTO_TCP, TCP_USER_TIMEOUT, 10'000);
}

Status set_blocking_off(int fd) {
    const int flags = ::fcntl(fd, F_GETFL);
    if (flags < 0 || ::fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
        return Error{Errc::failed, "cannot make a descriptor non-blocking: " + errno_text(errno)};
    return Done{};
}

Socket::Socket(Loop& loop, Fd fd, PeerAddress peer)
    : loop_(loop), fd_(std::move(fd)), watch_(std::make_unique<FdWatch>(loop, fd_.get())), peer_(std::move(peer)) {}

void Socket::close() {
    watch_.reset();
    fd_.reset();
}

ReadyWait Socket::ready(Want want, BootTime deadline, CancelToken cancel) {
    return watch_->ready(want, deadline, std::move(cancel));
}

Task<Result<std::size_t>> Socket::read_some(std::span<char> buffer, BootTime deadline, CancelToken cancel) {
    if (!drained_ && ++unbroken_ > unbroken_max) {
        unbroken_ = 0;
        co_await yield(loop_);
    }
    for (;;) {
        if (!watch_) co_return closed_error();
        if (drained_) {
            CASTLE_CO_CHECK(co_await watch_->ready(Want::read, deadline, cancel));
            if (!watch_) co_return closed_error();
            unbroken_ = 0;
        }
        const auto size = ::recv(fd_.get(), buffer.data(), buffer.size(), 0);
        if (size >= 0) {
            drained_ = size > 0 && static_cast<std::size_t>(size) < buffer.size();
            co_return static_cast<std::size_t>(size);
        }
        if (would_block(errno))
            drained_ = true;
        else if (errno != EINTR)
            co_return Error{Errc::unavailable, errno_text(errno)};
    }
}

Task<Status> Socket::write_all(std::string_view bytes, BootTime deadline, CancelToken cancel) {
    while (!bytes.empty()) {
        if (!watch_) co_return closed_error();
        const auto size = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (size >= 0) {
            bytes.remove_prefix(static_cast<std::size_t>(size));
        } else if (would_block(errno)) {
            CASTLE_CO_CHECK(co_await watch_->ready(Want::write, deadline, cancel));
        } else if (errno != EINTR) {
            co_return Error{Errc::unavailable, errno_text(errno)};
        }
    }
    co_return Done{};
}

}  // namespace castle::io
