// Accepts connections on all addresses of a host, or on a unix socket. Belongs to the loop's thread.
#pragma once

#include <vector>

#include "io/stream.hpp"

namespace castle::io {

class Listener {
public:
    // Host "" or "*": every address, IPv6 and IPv4 through one socket where the machine has both. Port 0: any free one,
    // see port(). Resolving a name may wait for the name server until the deadline. `backlog` below 1 is the system's
    // most.
    static Task<Result<std::unique_ptr<Listener>>> tcp(Loop& loop, Endpoint at, BootTime deadline, int backlog = 0);
    // A file that is in the way is replaced if nobody answers there. Removed again on destruction.
    static Task<Result<std::unique_ptr<Listener>>> unix(Loop& loop, std::string path, int mode, BootTime deadline);

    ~Listener();

    // The next connection. TCP: keep-alive after 3 s idle, given up after 10 s without an answer. TLS is not negotiated
    // yet: see secure_as_server(). Without descriptors left it waits for better times.
    Task<Result<StreamPtr>> accept(BootTime deadline = BootTime::max(), CancelToken cancel = {});

    int port() const;                            // 0 for a unix socket
    const std::vector<Endpoint>& bound() const;  // numeric addresses

private:
    struct State;
    explicit Listener(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace castle::io
