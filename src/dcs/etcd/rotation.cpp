#include "dcs/etcd/rotation.hpp"

#include <algorithm>
#include <string>

#include "base/text.hpp"

namespace castle::dcs {
namespace {

bool is_loopback(std::string_view host) {
    return equal_nocase(host, "localhost") || host.starts_with("127.") || host == "::1";
}

bool contains(const std::vector<io::Endpoint>& list, const io::Endpoint& endpoint) {
    return std::any_of(list.begin(), list.end(), [&](const io::Endpoint& other) { return same(other, endpoint); });
}

void append_new(std::vector<io::Endpoint>& list, const std::vector<io::Endpoint>& more) {
    for (const auto& endpoint : more)
        if (!contains(list, endpoint)) list.push_back(endpoint);
}

}  // namespace

bool same(const io::Endpoint& a, const io::Endpoint& b) {
    return a.host == b.host && a.port == b.port;
}

Rotation::Rotation(std::vector<io::Endpoint> configured) : configured_(std::move(configured)) {
    append_new(order_, configured_);
}

void Rotation::prefer(const io::Endpoint& endpoint) {
    const auto found = std::find_if(order_.begin(), order_.end(), [&](const auto& e) { return same(e, endpoint); });
    if (found != order_.end()) std::rotate(order_.begin(), found, found + 1);
}

void Rotation::leave(const io::Endpoint& endpoint) {
    const auto found = std::find_if(order_.begin(), order_.end(), [&](const auto& e) { return same(e, endpoint); });
    if (found != order_.end()) std::rotate(found, found + 1, order_.end());
}

void Rotation::learn(const std::vector<io::Endpoint>& advertised) {
    if (advertised.empty()) return;
    std::vector<io::Endpoint> fresh;
    for (const auto& endpoint : order_)
        if (contains(advertised, endpoint)) fresh.push_back(endpoint);
    append_new(fresh, advertised);
    append_new(fresh, configured_);
    // Whoever is answering now goes on answering.
    const io::Endpoint current = order_.front();
    order_ = std::move(fresh);
    prefer(current);
}

std::optional<io::Endpoint> usable_client_url(std::string_view url, bool secure,
                                              const std::vector<io::Endpoint>& configured) {
    const std::string_view scheme = secure ? "https://" : "http://";
    if (!url.starts_with(scheme)) return std::nullopt;
    url.remove_prefix(scheme.size());
    url = url.substr(0, url.find('/'));
    const auto colon = url.rfind(':');
    if (colon == url.npos) return std::nullopt;
    std::string_view host = url.substr(0, colon);
    const auto port = parse_uint(url.substr(colon + 1));
    if (!port || *port == 0 || *port > 65535) return std::nullopt;
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    if (host.empty() || host == "0.0.0.0" || host == "::") return std::nullopt;
    const bool local = std::all_of(configured.begin(), configured.end(),
                                   [](const io::Endpoint& endpoint) { return is_loopback(endpoint.host); });
    if (is_loopback(host) && !local) return std::nullopt;
    return io::Endpoint{std::string(host), static_cast<int>(*port)};
}

}  // namespace castle::dcs
