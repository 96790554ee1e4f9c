// Where the store is: the `etcd3` section (sections 8 and 9 of the contract), or why there is none that we can use.
#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"
#include "config/address.hpp"
#include "config/document.hpp"

namespace castle::config {

struct Etcd3 {
    std::vector<Address> hosts;  // empty only if srv is set
    std::string protocol = "http";
    std::string srv;  // domain to ask for SRV records
    std::string srv_suffix;
    bool use_proxies = false;  // stay with `hosts`; do not ask the cluster for its members
    std::string username, password;
    std::string cacert, cert, key;
    bool tls() const { return protocol == "https"; }
    bool operator==(const Etcd3&) const = default;
};

// The one section that counts. Errc::not_found: there is none; Errc::invalid: it is one we cannot use, or it says
// nothing usable. The error tells what to do.
Result<Etcd3> read_store(Document& document);

// `--dcs-url` of the command line: [scheme://]host[:port][/namespace]. Replaces all sections of the document.
struct StoreUrl {
    std::string section;     // "etcd3"
    std::string name_space;  // of the path, or empty
};
Result<StoreUrl> apply_store_url(Document& document, std::string_view text);

}  // namespace castle::config
