// A connection that carries bytes both ways: TCP, a unix socket, or TLS over TCP. Belongs to the loop's thread.
//
// One coroutine may read while another writes, but not two of the same. A stream whose read or write ended with an
// error, or whose writing coroutine was destroyed, is of no more use: close it.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "io/loop.hpp"

namespace castle::io {

class TlsContext;

struct PeerAddress {
    std::string host;  // numeric, an IPv4 address never in its IPv6 form; empty for a unix socket
    int port = 0;
};

// What the other side's certificate says; nothing if it showed none.
struct PeerCertificate {
    bool verified = false;
    std::string subject;  // "CN=client,O=..."
    std::string common_name;
};

class Stream {
public:
    virtual ~Stream() = default;

    // At least one byte; 0 means that the peer has ended its side.
    virtual Task<Result<std::size_t>> read_some(std::span<char> buffer, BootTime deadline, CancelToken cancel = {}) = 0;

    // The bytes must stay where they are until the end of the call.
    virtual Task<Status> write_all(std::string_view bytes, BootTime deadline, CancelToken cancel = {}) = 0;

    // Says goodbye as far as that is possible without waiting. Those who wait in it end with Errc::cancelled.
    virtual void close() = 0;

    virtual const PeerAddress& peer() const = 0;
    virtual const PeerCertificate* certificate() const { return nullptr; }
    virtual bool secure() const { return false; }
    virtual int fd() const = 0;  // -1 after close()
};
using StreamPtr = std::unique_ptr<Stream>;

struct Endpoint {
    std::string host;  // name or address, without brackets
    int port = 0;
    std::string text() const;  // "10.0.0.1:2379", "[::1]:2379"
};

// Resolves the name and tries all its addresses: the next one as soon as an attempt fails or has gone on for 250 ms,
// the attempts before it staying in the race. With a context, TLS is negotiated and the server's name checked as the
// context says. Errors name the endpoint; their Effect is none.
Task<Result<StreamPtr>> connect(Loop& loop, Endpoint to, std::shared_ptr<const TlsContext> tls, BootTime deadline,
                                CancelToken cancel = {});
Task<Result<StreamPtr>> connect_unix(Loop& loop, std::string path, BootTime deadline, CancelToken cancel = {});

// Negotiates TLS over a connected stream; the accepting side of Listener's streams uses it as well.
Task<Result<StreamPtr>> secure_as_client(Loop& loop, StreamPtr stream, std::shared_ptr<const TlsContext> tls,
                                         std::string host, BootTime deadline, CancelToken cancel = {});
Task<Result<StreamPtr>> secure_as_server(Loop& loop, StreamPtr stream, std::shared_ptr<const TlsContext> tls,
                                         BootTime deadline, CancelToken cancel = {});

}  // namespace castle::io
