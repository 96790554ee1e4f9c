// Who may change something: address, client certificate, name and password, in this order. Pure, but for the
// allowlist's names, which are looked up by whoever builds it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "io/http.hpp"
#include "io/http_server.hpp"

namespace castle::api {

// Addresses and networks. An IPv4 address in IPv6 form is the IPv4 address.
class AddressSet {
public:
    bool add(std::string_view text);  // "10.0.0.1", "fe80::/10"; false: a name, or nonsense
    bool contains(std::string_view address) const;
    bool empty() const { return networks_.empty(); }

private:
    struct Network {
        std::string bytes;  // 4 or 16
        int bits;
    };
    std::vector<Network> networks_;
};

struct AccessRules {
    bool check_address = false;
    bool check_certificate = false;
    std::optional<io::BasicAuth> auth;
};

// Nothing: welcome. `allowed` is looked at only if the rules check addresses.
std::optional<io::HttpResponse> refuse_access(const AccessRules& rules, const AddressSet& allowed,
                                              const io::ServerRequest& request);

// Takes the same time whatever the texts are; only the length of `given` shows.
bool equal_in_constant_time(std::string_view secret, std::string_view given);

}  // namespace castle::api
