#include "io/address.hpp"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

#include <algorithm>
#include <cctype>

namespace castle::io {
namespace {

using Addresses = Result<std::vector<SocketAddress>>;

Addresses look_up(const Endpoint& endpoint, int flags) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = flags | AI_NUMERICSERV;
    addrinfo* found = nullptr;
    const std::string port = std::to_string(endpoint.port);
    const int error =
        getaddrinfo(endpoint.host.empty() ? nullptr : endpoint.host.c_str(), port.c_str(), &hints, &found);
    if (error != 0) {
        const std::string why = error == EAI_SYSTEM ? errno_text(errno) : gai_strerror(error);
        return Error{Errc::unavailable, "cannot resolve host \"" + endpoint.host + "\": " + why};
    }
    std::vector<SocketAddress> addresses;
    for (const addrinfo* each = found; each; each = each->ai_next) {
        if (each->ai_addrlen > sizeof(sockaddr_storage)) continue;
        SocketAddress address;
        address.size = each->ai_addrlen;
        memcpy(&address.storage, each->ai_addr, each->ai_addrlen);
        addresses.push_back(address);
    }
    freeaddrinfo(found);
    if (addresses.empty()) return Error{Errc::unavailable, "host \"" + endpoint.host + "\" has no address"};
    return addresses;
}

}  // namespace

PeerAddress SocketAddress::peer() const {
    char text[INET6_ADDRSTRLEN] = "";
    if (family() == AF_INET) {
        const auto& v4 = reinterpret_cast<const sockaddr_in&>(storage);
        inet_ntop(AF_INET, &v4.sin_addr, text, sizeof text);
        return {text, ntohs(v4.sin_port)};
    }
    if (family() == AF_INET6) {
        const auto& v6 = reinterpret_cast<const sockaddr_in6&>(storage);
        if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr))
            inet_ntop(AF_INET, &v6.sin6_addr.s6_addr[12], text, sizeof text);
        else
            inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof text);
        return {text, ntohs(v6.sin6_port)};
    }
    return {};
}

void SocketAddress::set_port(int port) {
    const auto network = htons(static_cast<std::uint16_t>(port));
    if (family() == AF_INET) reinterpret_cast<sockaddr_in&>(storage).sin_port = network;
    if (family() == AF_INET6) reinterpret_cast<sockaddr_in6&>(storage).sin6_port = network;
}

Result<SocketAddress> unix_address(const std::string& path) {
    SocketAddress address;
    auto& un = reinterpret_cast<sockaddr_un&>(address.storage);
    if (path.size() >= sizeof un.sun_path)
        return Error{Errc::invalid, "the path of the socket is longer than " + std::to_string(sizeof un.sun_path - 1) +
                                        " bytes: " + path};
    un.sun_family = AF_UNIX;
    memcpy(un.sun_path, path.c_str(), path.size() + 1);
    address.size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + 1);
    return address;
}

std::string Endpoint::text() const {
    const bool v6 = host.find(':') != host.npos;
    return (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

Task<Addresses> resolve(Loop& loop, Endpoint endpoint, bool to_listen, BootTime deadline) {
    const int flags = to_listen ? AI_PASSIVE : 0;
    auto numeric = look_up(endpoint, flags | AI_NUMERICHOST);
    if (numeric) co_return numeric;
    auto job = [endpoint, flags] { return look_up(endpoint, flags); };
    auto found = co_await loop.on_worker(job, deadline, WorkerKind::names);
    if (!found && found.error().code == Errc::timed_out)
        co_return Error{Errc::timed_out, "resolving host \"" + endpoint.host + "\" timed out"};
    co_return found;
}

Task<Result<std::vector<std::string>>> resolve_host(Loop& loop, std::string host, BootTime deadline) {
    const Endpoint endpoint{std::move(host), 0};
    CASTLE_CO_TRY(const auto addresses, co_await resolve(loop, endpoint, false, deadline));
    std::vector<std::string> hosts;
    for (const auto& address : addresses) {
        auto text = address.peer().host;
        if (std::find(hosts.begin(), hosts.end(), text) == hosts.end()) hosts.push_back(std::move(text));
    }
    co_return hosts;
}

std::string errno_text(int error) {
    char buffer[128];
    std::string text = strerror_r(error, buffer, sizeof buffer);
    if (text.size() > 1 && std::islower(static_cast<unsigned char>(text[1])))
        text[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(text[0])));
    return text;
}

}  // namespace castle::io
