// The plain stream: a connected socket, TCP or unix. Internal to io.
#pragma once

#include "io/address.hpp"
#include "io/fd.hpp"
#include "io/ready.hpp"
#include "io/stream.hpp"

namespace castle::io {

class Socket final : public Stream {
public:
    Socket(Loop& loop, Fd fd, PeerAddress peer);
    ~Socket() override { close(); }

    Task<Result<std::size_t>> read_some(std::span<char> buffer, BootTime deadline, CancelToken cancel) override;
    Task<Status> write_all(std::string_view bytes, BootTime deadline, CancelToken cancel) override;
    void close() override;
    const PeerAddress& peer() const override { return peer_; }
    int fd() const override { return fd_.get(); }

    ReadyWait ready(Want want, BootTime deadline, CancelToken cancel);

private:
    Loop& loop_;
    Fd fd_;
    std::unique_ptr<FdWatch> watch_;
    PeerAddress peer_;
    bool drained_ = false;  // the last read took all there was: wait before trying again
    int unbroken_ = 0;      // reads in a row that did not have to wait
};

Fd make_socket(int family);  // non-blocking, closed on exec
void tune_tcp(int fd);       // no delay, keep-alive
Status set_blocking_off(int fd);

}  // namespace castle::io
