// Socket addresses: look-up of names, conversion to text. Internal to io, except resolve().
#pragma once

#include <sys/socket.h>

#include <string>
#include <vector>

#include "base/result.hpp"
#include "io/loop.hpp"
#include "io/stream.hpp"

namespace castle::io {

struct SocketAddress {
    sockaddr_storage storage{};
    socklen_t size = 0;

    const sockaddr* data() const { return reinterpret_cast<const sockaddr*>(&storage); }
    sockaddr* data() { return reinterpret_cast<sockaddr*>(&storage); }
    int family() const { return storage.ss_family; }
    PeerAddress peer() const;
    void set_port(int port);
};

Result<SocketAddress> unix_address(const std::string& path);

// All addresses of a host in the order in which the system prefers them; numeric ones without waiting. For listening,
// an empty host means every address of this machine.
Task<Result<std::vector<SocketAddress>>> resolve(Loop& loop, Endpoint endpoint, bool to_listen, BootTime deadline);

// The numeric addresses of a name, for access lists.
Task<Result<std::vector<std::string>>> resolve_host(Loop& loop, std::string host, BootTime deadline);

std::string errno_text(int error);  // "connection refused"

}  // namespace castle::io
