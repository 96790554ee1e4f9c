// Addresses as the configuration writes them: "host:port", "h1,h2:port", "[::1]:5432", ":8008", "*:8008". Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace castle::config {

struct Address {
    std::string host;  // without brackets; may be empty, "*", or several separated by commas
    std::uint16_t port = 0;
    std::string text() const;  // "host:port", IPv6 in brackets
    std::vector<std::string> hosts() const;
    bool operator==(const Address&) const = default;
};

// The port may be left out where there is a default (not 0). Nothing if the port is no port.
std::optional<Address> parse_address(std::string_view text, std::uint16_t default_port = 0);

// Other machines cannot reach us there: 127.0.0.1, 0.0.0.0, *, ::1, localhost, or nothing at all.
bool is_unreachable_for_others(std::string_view host);

// [scheme://][user[:password]@]host[:port][/path]; %-escapes in the credentials are decoded.
struct Url {
    std::string scheme;
    std::string username;
    std::string password;
    std::string host;
    std::optional<std::uint16_t> port;
    std::string path;  // with its slash, or empty
};
std::optional<Url> parse_url(std::string_view text);

}  // namespace castle::config
