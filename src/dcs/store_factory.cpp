#include "dcs/store_factory.hpp"

#include <arpa/nameser.h>
#include <netinet/in.h>
#include <resolv.h>

#include <array>

#include "dcs/etcd/etcd_store.hpp"
#include "wire/dns_srv.hpp"

namespace castle::dcs {
namespace {

std::vector<wire::SrvRecord> ask_name_server(const std::string& name) {
    std::array<unsigned char, 65536> buffer;
    const int size = ::res_query(name.c_str(), ns_c_in, ns_t_srv, buffer.data(), static_cast<int>(buffer.size()));
    if (size <= 0 || static_cast<std::size_t>(size) > buffer.size()) return {};
    auto records =
        wire::read_srv_answer({reinterpret_cast<const char*>(buffer.data()), static_cast<std::size_t>(size)});
    return records ? *std::move(records) : std::vector<wire::SrvRecord>{};
}

// The first of these names that the domain has. Those that say so are TLS.
Status discover(const config::Etcd3& etcd, EtcdOptions& options) {
    const std::string suffix = etcd.srv_suffix.empty() ? "" : "-" + etcd.srv_suffix;
    for (const char* service : {"-client-ssl", "-client", "-ssl", "", "-server-ssl", "-server"}) {
        const std::string name = std::string("_etcd") + service + suffix + "._tcp." + etcd.srv;
        const bool to_members = std::string_view(service).starts_with("-server");
        for (const auto& record : ask_name_server(name)) {
            // The server records name the ports of the peers; the clients' port is etcd's usual one then.
            options.endpoints.push_back({record.target, to_members ? 2379 : record.port});
        }
        if (options.endpoints.empty()) continue;
        options.secure = options.secure || std::string_view(service).ends_with("-ssl");
        return Done{};
    }
    return Error{Errc::not_found, "etcd3.srv: the name service has no SRV record of etcd for " + etcd.srv};
}

}  // namespace

Result<EtcdOptions> etcd_options(const config::Local& local, StoreUse use) {
    if (!local.store) return local.store.error();
    const config::Etcd3& etcd = *local.store;
    EtcdOptions options;
    options.secure = etcd.tls();
    for (const config::Address& address : etcd.hosts) options.endpoints.push_back({address.host, address.port});
    if (!etcd.srv.empty()) {
        CASTLE_CHECK(discover(etcd, options));
    }
    if (options.endpoints.empty()) return Error{Errc::invalid, "etcd3: no host is given"};
    options.tls.ca_file = etcd.cacert;
    options.tls.cert_file = etcd.cert;
    options.tls.key_file = etcd.key;
    options.user = etcd.username;
    options.password = etcd.password;
    options.use_proxies = etcd.use_proxies;
    options.prefix = local.store_prefix();
    options.watch = use.watch;
    options.members_every = 10 * use.ttl;
    return options;
}

Result<std::unique_ptr<ports::Store>> make_store(io::Loop& loop, const config::Local& local, StoreUse use) {
    CASTLE_TRY(EtcdOptions options, etcd_options(local, use));
    return std::unique_ptr<ports::Store>(std::make_unique<EtcdStore>(loop, std::move(options)));
}

}  // namespace castle::dcs
