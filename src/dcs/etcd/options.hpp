// Where the etcd cluster is and how to speak to it.
#pragma once

#include <string>
#include <vector>

#include "base/types.hpp"
#include "io/stream.hpp"
#include "io/tls.hpp"

namespace castle::dcs {

struct EtcdOptions {
    std::vector<io::Endpoint> endpoints;  // as configured; at least one
    bool secure = false;                  // TLS; never left off for an endpoint that the cluster names
    io::TlsOptions tls;                   // files are read again for every new connection
    std::string user;                     // empty: no authentication
    std::string password;
    bool use_proxies = false;         // the endpoints are proxies: do not ask the cluster for its members
    std::string prefix;               // "/service/main/"
    bool watch = true;                // feed cached(); a program that reads once does not need it
    bool shuffle = true;              // spread the members of our cluster over those of etcd's
    Duration members_every{300'000};  // how often the member list is read: ten times the ttl
};

}  // namespace castle::dcs
