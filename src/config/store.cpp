#include "config/store.hpp"

#include <array>

#include "base/text.hpp"
#include "config/section.hpp"
#include "config/units.hpp"

namespace castle::config {
namespace {

constexpr std::uint16_t etcd_port = 2379;

struct Unusable {
    std::string_view section;
    std::string_view why;
};
constexpr std::array<Unusable, 6> unusable{{
    {"etcd",
     "etcd means the API of version 2, which etcd has removed; if your servers run 3.4 or later, rename the section to "
     "etcd3 "
     "(keys written through version 2 are not visible there)"},
    {"consul", "Consul is not built into this version yet; use etcd3"},
    {"zookeeper", "ZooKeeper is not built into this version yet; use etcd3"},
    {"exhibitor", "Exhibitor is not supported; use etcd3"},
    {"kubernetes", "Kubernetes objects as a store are not supported; use etcd3"},
    {"raft", "the Raft store was deprecated and is not supported; use etcd3"},
}};
constexpr std::array<std::string_view, 7> sections{"etcd",      "etcd3",      "consul", "zookeeper",
                                                   "exhibitor", "kubernetes", "raft"};

// "a:2379, b" or a list of such; a number is no host.
Status read_hosts(Section& section, std::string_view key, std::uint16_t default_port, Etcd3& etcd) {
    std::vector<std::string> texts;
    if (!section.texts(key, texts)) return Done{};
    for (const std::string& text : texts) {
        for (const std::string& one : split(text, ',')) {
            if (trim(one).empty()) continue;
            const auto url = parse_url(one);
            if (!url) {
                section.mistake(key, "is not a list of addresses of the form host:port");
                return Error{Errc::invalid,
                             section.path() + "." + std::string(key) + ": \"" + one + "\" is not host:port"};
            }
            if (!url->scheme.empty()) etcd.protocol = url->scheme;
            etcd.hosts.push_back({url->host, url->port.value_or(default_port)});
        }
    }
    return Done{};
}

Status read_url(Section& section, std::string_view key, Etcd3& etcd) {
    std::string text;
    if (!section.text(key, text)) return Done{};
    const auto url = parse_url(text);
    if (!url || (!url->scheme.empty() && url->scheme != "http" && url->scheme != "https"))
        return Error{Errc::invalid,
                     section.path() + "." + std::string(key) + " is not of the form http(s)://host:port"};
    if (!url->scheme.empty()) etcd.protocol = url->scheme;
    if (!url->username.empty()) etcd.username = url->username;
    if (!url->password.empty()) etcd.password = url->password;
    etcd.hosts = {{url->host, url->port.value_or(etcd_port)}};
    return Done{};
}

Result<Etcd3> read_etcd3(Section section) {
    Etcd3 etcd;
    std::int64_t port = etcd_port;
    section.number("port", port, {.min = 1, .max = 65535});
    section.choice("protocol", etcd.protocol, {"http", "https"});
    section.text("username", etcd.username);
    section.text("password", etcd.password);
    section.text("cacert", etcd.cacert);
    section.text("cert", etcd.cert);
    section.text("key", etcd.key);
    section.flag("use_proxies", etcd.use_proxies);
    for (const std::string_view name : {"srv", "discovery_srv", "srv_domain"})
        if (etcd.srv.empty()) section.text(name, etcd.srv);
    section.text("srv_suffix", etcd.srv_suffix);

    // One of them; the first that is given counts.
    if (section.find("proxy")) {
        etcd.use_proxies = true;
        CASTLE_CHECK(read_url(section, "proxy", etcd));
    } else if (section.find("url")) {
        CASTLE_CHECK(read_url(section, "url", etcd));
    } else if (section.find("hosts")) {
        CASTLE_CHECK(read_hosts(section, "hosts", static_cast<std::uint16_t>(port), etcd));
    } else if (etcd.srv.empty() || section.find("host")) {
        CASTLE_CHECK(read_hosts(section, "host", static_cast<std::uint16_t>(port), etcd));
    }
    if (etcd.hosts.empty() && etcd.srv.empty())
        return Error{Errc::invalid, "etcd3: one of host, hosts, url, proxy or srv has to say where etcd is"};
    return etcd;
}

}  // namespace

Result<Etcd3> read_store(Document& document) {
    const auto given = [&](std::string_view name) {
        const auto* const value = document.data.if_contains(name);
        return value && !value->is_null();
    };
    if (given("etcd3")) {
        auto etcd = read_etcd3(Section(document, "etcd3"));
        if (!etcd) {
            const std::string place = document.place_of("etcd3").text();
            return std::move(etcd).error().in(place);
        }
        return etcd;
    }
    for (const Unusable& one : unusable)
        if (given(one.section))
            return Error{Errc::invalid, document.place_of(one.section).text() + ": " + std::string(one.why)};
    return Error{Errc::not_found, "no store is configured: add a section like \"etcd3: {hosts: [\"10.0.0.1:2379\"]}\""};
}

Result<StoreUrl> apply_store_url(Document& document, std::string_view text) {
    const auto url = parse_url(text);
    if (!url)
        return Error{Errc::invalid,
                     "\"" + std::string(text) + "\" is not of the form [scheme://]host[:port][/namespace]"};
    std::string scheme = url->scheme;
    if (scheme.empty()) {
        const std::uint16_t port = url->port.value_or(0);
        scheme = port == 8500 ? "consul" : port == 2181 ? "zookeeper" : port == 8181 ? "exhibitor" : "etcd3";
    }
    if (scheme == "etcd") scheme = "etcd3";  // etcd has no other API any more
    if (scheme != "etcd3" && scheme != "consul" && scheme != "zookeeper" && scheme != "exhibitor")
        return Error{Errc::invalid, "Unknown dcs scheme: " + scheme};
    for (const std::string_view section : sections)
        if (const auto found = document.data.find(section); found != document.data.end())
            document.data.stable_erase(found);
    const Address address{url->host, url->port.value_or(etcd_port)};
    document.data[scheme] = {{"host", address.text()}};
    document.places.insert_or_assign(scheme, Place{"--dcs-url", 0});
    if (!url->username.empty()) {
        document.data[scheme].get_object()["username"] = url->username;
        document.data[scheme].get_object()["password"] = url->password;
    }
    std::string name_space = url->path;
    while (name_space.ends_with('/')) name_space.pop_back();
    return StoreUrl{scheme, name_space};
}

}  // namespace castle::config
