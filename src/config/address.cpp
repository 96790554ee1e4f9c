#include "config/address.hpp"

#include <algorithm>
#include <array>
#include <limits>

#include "base/text.hpp"

namespace castle::config {
namespace {

std::optional<std::uint16_t> parse_port(std::string_view text) {
    if (!is_digits(text)) return {};
    const auto number = parse_uint(text);
    if (!number || *number > std::numeric_limits<std::uint16_t>::max()) return {};
    return static_cast<std::uint16_t>(*number);
}

std::string_view without_brackets(std::string_view host) {
    host = trim(host);
    if (host.starts_with('[') && host.ends_with(']')) return host.substr(1, host.size() - 2);
    return host;
}

std::string unescape(std::string_view text) {
    std::string result;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '%' && i + 2 < text.size()) {
            if (const auto byte = parse_hex32(text.substr(i + 1, 2))) {
                result += static_cast<char>(*byte);
                i += 2;
                continue;
            }
        }
        result += text[i];
    }
    return result;
}

}  // namespace

std::string Address::text() const {
    const bool v6 = host.find(':') != host.npos && host.find(',') == host.npos;
    return (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

std::vector<std::string> Address::hosts() const {
    std::vector<std::string> all;
    for (const std::string& one : split(host, ','))
        if (const auto bare = without_brackets(one); !bare.empty()) all.emplace_back(bare);
    return all;
}

std::optional<Address> parse_address(std::string_view text, std::uint16_t default_port) {
    text = trim(text);
    const auto colon = text.rfind(':');
    // The last colon begins the port, unless it is inside of brackets.
    const bool has_port = colon != text.npos && text.find(']', colon) == text.npos;
    Address address{{}, default_port};
    if (has_port) {
        const auto port = parse_port(text.substr(colon + 1));
        if (!port) return {};
        address.port = *port;
    } else if (default_port == 0) {
        return {};
    }
    std::vector<std::string> hosts;
    for (const std::string& one : split(has_port ? text.substr(0, colon) : text, ','))
        hosts.emplace_back(without_brackets(one));
    address.host = join(hosts, ",");
    return address;
}

bool is_unreachable_for_others(std::string_view host) {
    static constexpr std::array<std::string_view, 6> unreachable{"127.0.0.1", "0.0.0.0", "*", "::1", "localhost", ""};
    return std::ranges::find(unreachable, lower(host)) != unreachable.end();
}

std::optional<Url> parse_url(std::string_view text) {
    Url url;
    text = trim(text);
    if (const auto scheme = text.find("://"); scheme != text.npos) {
        url.scheme = lower(text.substr(0, scheme));
        text.remove_prefix(scheme + 3);
    }
    if (const auto slash = text.find('/'); slash != text.npos) {
        url.path = std::string(text.substr(slash));
        text = text.substr(0, slash);
    }
    if (const auto at = text.rfind('@'); at != text.npos) {
        const std::string_view login = text.substr(0, at);
        const auto colon = login.find(':');
        url.username = unescape(login.substr(0, colon));
        if (colon != login.npos) url.password = unescape(login.substr(colon + 1));
        text.remove_prefix(at + 1);
    }
    const bool bare_v6 = !text.starts_with('[') && std::ranges::count(text, ':') > 1;
    const auto colon = text.rfind(':');
    if (!bare_v6 && colon != text.npos && text.find(']', colon) == text.npos) {
        url.port = parse_port(text.substr(colon + 1));
        if (!url.port) return {};
        text = text.substr(0, colon);
    }
    url.host = std::string(without_brackets(text));
    if (url.host.empty()) return {};
    return url;
}

}  // namespace castle::config
