#include "dcs/etcd/from_config.hpp"

namespace castle::dcs {

Result<EtcdOptions> etcd_options(const config::Etcd3& section, std::string prefix) {
    if (section.hosts.empty())
        return Error{Errc::invalid,
                     "etcd3.srv: finding etcd by SRV records is not possible in this version yet; "
                     "list the servers in etcd3.hosts"};
    EtcdOptions options;
    for (const config::Address& host : section.hosts) options.endpoints.push_back({host.host, host.port});
    options.secure = section.tls();
    options.tls.ca_file = section.cacert;
    options.tls.cert_file = section.cert;
    options.tls.key_file = section.key;
    options.user = section.username;
    options.password = section.password;
    options.use_proxies = section.use_proxies;
    options.prefix = std::move(prefix);
    return options;
}

}  // namespace castle::dcs
