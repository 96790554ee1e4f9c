// In which order the endpoints are tried: the one that answered last stays in front, one that failed goes to the end.
// Pure.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "io/stream.hpp"

namespace castle::dcs {

bool same(const io::Endpoint& a, const io::Endpoint& b);

class Rotation {
public:
    explicit Rotation(std::vector<io::Endpoint> configured);

    const std::vector<io::Endpoint>& order() const { return order_; }
    void prefer(const io::Endpoint& endpoint);
    void leave(const io::Endpoint& endpoint);

    // What the cluster says its members are. The configured endpoints stay as the last resort: the cluster may name
    // addresses that are of no use from here.
    void learn(const std::vector<io::Endpoint>& advertised);

private:
    std::vector<io::Endpoint> configured_;
    std::vector<io::Endpoint> order_;
};

// An advertised client URL, if it can be used from here: http or https as we speak it ourselves (never less), with a
// real address. Loopback addresses (etcd's default) are only meant for us if all we were told are such.
std::optional<io::Endpoint> usable_client_url(std::string_view url, bool secure,
                                              const std::vector<io::Endpoint>& configured);

}  // namespace castle::dcs
