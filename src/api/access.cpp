#include "api/access.hpp"

#include <arpa/inet.h>

#include <cstring>

#include "api/answers.hpp"
#include "base/text.hpp"

namespace castle::api {
namespace {

// 4 or 16 bytes; empty if it is no address.
std::string address_bytes(std::string_view text) {
    const std::string whole(text);
    unsigned char bytes[16];
    if (inet_pton(AF_INET, whole.c_str(), bytes) == 1) return {reinterpret_cast<char*>(bytes), 4};
    if (inet_pton(AF_INET6, whole.c_str(), bytes) != 1) return {};
    static constexpr unsigned char mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    if (std::memcmp(bytes, mapped, sizeof mapped) == 0) return {reinterpret_cast<char*>(bytes + 12), 4};
    return {reinterpret_cast<char*>(bytes), 16};
}

bool same_bits(const std::string& a, const std::string& b, int bits) {
    const auto whole = static_cast<std::size_t>(bits / 8);
    if (a.compare(0, whole, b, 0, whole) != 0) return false;
    if (bits % 8 == 0) return true;
    const int shift = 8 - bits % 8;
    return static_cast<unsigned char>(a[whole]) >> shift == static_cast<unsigned char>(b[whole]) >> shift;
}

}  // namespace

bool AddressSet::add(std::string_view text) {
    const auto slash = text.find('/');
    const std::string bytes = address_bytes(text.substr(0, slash));
    if (bytes.empty()) return false;
    int bits = static_cast<int>(bytes.size()) * 8;
    if (slash != text.npos) {
        auto given = parse_uint(text.substr(slash + 1));
        if (!given || *given > static_cast<unsigned>(bits)) return false;
        bits = static_cast<int>(*given);
    }
    networks_.push_back({bytes, bits});
    return true;
}

bool AddressSet::contains(std::string_view address) const {
    const std::string bytes = address_bytes(address);
    if (bytes.empty()) return false;
    for (const auto& network : networks_)
        if (network.bytes.size() == bytes.size() && same_bits(network.bytes, bytes, network.bits)) return true;
    return false;
}

bool equal_in_constant_time(std::string_view secret, std::string_view given) {
    unsigned difference = secret.size() == given.size() ? 0 : 1;
    for (std::size_t i = 0; i < given.size(); ++i) {
        const char expected = secret.empty() ? '\0' : secret[i % secret.size()];
        difference |= static_cast<unsigned char>(given[i]) ^ static_cast<unsigned char>(expected);
    }
    return difference == 0;
}

std::optional<io::HttpResponse> refuse_access(const AccessRules& rules, const AddressSet& allowed,
                                              const io::ServerRequest& request) {
    if (rules.check_address && !allowed.contains(request.peer.host)) return text_answer(403, "Access is denied");
    if (rules.check_certificate && !(request.certificate && request.certificate->verified))
        return text_answer(403, "client certificate required");
    if (!rules.auth) return std::nullopt;
    const std::string* given = io::find_header(request.headers, "Authorization");
    if (given && equal_in_constant_time(rules.auth->header(), *given)) return std::nullopt;
    auto refusal = text_answer(401, given ? "not authenticated" : "no auth header received");
    refusal.headers.emplace_back("WWW-Authenticate", "Basic realm=\"Patroni\"");
    return refusal;
}

}  // namespace castle::api
