#include "config/local.hpp"

#include <gtest/gtest.h>

#include <boost/json/serialize.hpp>

#include "config/yaml.hpp"

namespace castle::config {
namespace {

using namespace std::chrono_literals;

Local local_of(const std::string& yaml) {
    auto document = parse_yaml(yaml, "p.yml");
    EXPECT_TRUE(document) << (document ? "" : document.error().message);
    return read_local(std::move(*document));
}

std::vector<std::string> mistakes_of(const Local& local) {
    std::vector<std::string> texts;
    for (const Mistake& mistake : local.document.mistakes) texts.push_back(mistake.text());
    return texts;
}

constexpr const char* whole = R"(
scope: demo
name: n1
namespace: //db/
restapi:
  listen: 0.0.0.0:8008
  connect_address: 10.0.0.1:8008
  authentication: {username: admin, password: secret}
  certfile: /c.pem
  cafile: /ca.pem
  verify_client: required
  allowlist: [10.0.0.0/8]
  http_extra_headers: {X-A: 1}
ctl: {insecure: on}
log: {type: json, level: debug, format: [message], loggers: {a.b: INFO}, mode: 0640}
watchdog: {mode: off, safety_margin: -1}
tags: {nosync: 'true', zone: eu}
etcd3: {hosts: "10.0.0.1:2379,10.0.0.2"}
bootstrap:
  method: mine
  mine: {command: "make it", no_params: 'yes', keep_existing_recovery_conf: false, recovery_conf: {a: b}, x: y}
  dcs: {ttl: 20}
  initdb: [encoding: UTF8, data-checksums, pwfile: x]
  post_init: finish
  pg_hba: [host all all all md5]
postgresql: {listen: 10.0.0.1, data_dir: /d}
castle: {fence_dir: /run/x}
)";

TEST(Local, EverySectionIsTyped) {
    const Local local = local_of(whole);
    EXPECT_EQ(local.name, "n1");
    EXPECT_EQ(local.store_prefix(), "/db/demo/");
    EXPECT_EQ(local.restapi.url(), "https://10.0.0.1:8008/patroni");
    EXPECT_EQ(local.restapi.verify_client, RestApi::VerifyClient::required);
    EXPECT_EQ(local.restapi.http_extra_headers, (Headers{{"X-A", "1"}}));
    EXPECT_TRUE(local.ctl.insecure);
    EXPECT_EQ(local.ctl.cacert, "/ca.pem") << "falls back to restapi";
    EXPECT_EQ(local.ctl.authentication, (BasicAuth{"admin", "secret"}));
    EXPECT_EQ(local.log.type, Log::Type::json);
    EXPECT_EQ(local.log.level, "DEBUG");
    EXPECT_EQ(local.log.mode, 0640);
    EXPECT_EQ(local.log.format_fields.size(), 1u);
    EXPECT_EQ(local.watchdog.mode, Watchdog::Mode::off);
    EXPECT_EQ(local.watchdog.safety_margin, -1s);
    EXPECT_TRUE(local.tags.nosync);
    EXPECT_EQ(boost::json::serialize(local.bootstrap.dcs), R"({"ttl":20})");
    EXPECT_EQ(local.bootstrap.initdb, (std::vector<std::string>{"--encoding=UTF8", "--data-checksums"}));
    EXPECT_EQ(local.bootstrap.post_bootstrap, "finish");
    ASSERT_TRUE(local.bootstrap.custom);
    EXPECT_EQ(local.bootstrap.custom->options, std::vector<std::string>{"--x=y"});
    EXPECT_TRUE(local.bootstrap.custom->no_params);
    EXPECT_EQ(local.castle.fence_dir, "/run/x");
    ASSERT_TRUE(local.store);
    EXPECT_EQ(local.store->hosts, (std::vector<Address>{{"10.0.0.1", 2379}, {"10.0.0.2", 2379}}));
    EXPECT_EQ(mistakes_of(local),
              std::vector<std::string>{
                  "p.yml:23: bootstrap.initdb [{\"encoding\":\"UTF8\"},\"data-checksums\",{\"pwfile\":\"x\"}] "
                  "must not contain pwfile, which is set by the agent"});
    const Status startable = check_startable(local);
    EXPECT_TRUE(startable) << (startable ? "" : startable.error().message);
}

TEST(Local, AMistakeLeavesTheDefaultAndNamesItsLine) {
    struct Row {
        const char* yaml;
        const char* mistake;
    };
    const Row rows[] = {
        {"restapi: {verify_client: maybe}",
         "p.yml:1: restapi.verify_client maybe is not one of none, optional, required"},
        {"restapi:\n  listen: nowhere", "p.yml:2: restapi.listen nowhere is not an address of the form host:port"},
        {"restapi: {request_queue_size: 5000}", "p.yml:1: restapi.request_queue_size 5000 must be from 0 to 4096"},
        {"restapi: text", "p.yml:1: restapi text is not a dictionary"},
        {"restapi: {authentication: {password: [1]}}",
         "p.yml:1: restapi.authentication.password (not shown) is not a string"},
        {"watchdog: {mode: perhaps}", "p.yml:1: watchdog.mode perhaps is not one of off, false, automatic, required"},
        {"watchdog: {safety_margin: -7}", "p.yml:1: watchdog.safety_margin -7 must be at least -1"},
        {"log: {level: loud}",
         "p.yml:1: log.level loud is not one of critical, fatal, error, warning, warn, info, debug, notset"},
        {"tags: {nofailover: maybe}", "p.yml:1: tags.nofailover maybe is not a boolean"},
        {"tags: {failover_priority: high}", "p.yml:1: tags.failover_priority high is not an integer"},
        {"bootstrap: {users: {a: b}}",
         "p.yml:1: bootstrap.users {\"a\":\"b\"} was removed in version 4.0 and is ignored; create users with "
         "post_bootstrap"},
        {"bootstrap: {method: x}", "p.yml:1: bootstrap.method x has no bootstrap.x.command; using initdb"},
        {"castle: {fence_dri: /x}", "p.yml:1: castle.fence_dri  is not a known key; did you mean \"fence_dir\"?"},
        {"proxy: {listen: 1}", "p.yml:1: proxy {\"listen\":1} is a section that this version does not have yet"},
        {"castle:\n\n  colour: red", "p.yml:3: castle.colour  is not a known key"},
        {"name: __patroni_strict_sync_replica_placeholder__",
         "p.yml:1: name __patroni_strict_sync_replica_placeholder__ is a reserved word; choose another name"},
    };
    for (const Row& row : rows) {
        SCOPED_TRACE(row.yaml);
        EXPECT_EQ(mistakes_of(local_of(row.yaml)), std::vector<std::string>{row.mistake});
    }
}

TEST(Local, OnlyFatalThingsKeepAnAgentFromStarting) {
    const std::string good = "scope: s\nname: n\nrestapi: {listen: \":8008\"}\netcd3: {host: h}\n";
    const std::string server = "postgresql: {listen: h, data_dir: /d}\n";
    EXPECT_TRUE(check_startable(local_of(good + server)));
    EXPECT_TRUE(check_startable(local_of(good + server + "watchdog: {mode: nonsense}\nttl: x\n")));
    const auto refused = [&](const std::string& yaml) { return check_startable(local_of(yaml)).error().message; };
    EXPECT_EQ(refused(""), "p.yml: the configuration is empty");
    EXPECT_EQ(refused(good), "p.yml: postgresql.listen is not defined\np.yml: postgresql.data_dir is not defined");
    EXPECT_TRUE(refused(good + server + "castle: {wrong: 1}").find("castle.wrong") != std::string::npos);
}

TEST(Store, SectionsThatWeCannotUseSayWhatToDo) {
    struct Row {
        const char* yaml;
        const char* message;
    };
    const Row rows[] = {
        {"etcd: {host: h}", "rename the section to etcd3"},
        {"consul: {host: h}", "not built into this version yet"},
        {"zookeeper: {hosts: [h]}", "not built into this version yet"},
        {"kubernetes: {}", "not supported"},
        {"raft: {x: 1}", "not supported"},
        {"exhibitor: {x: 1}", "not supported"},
        {"scope: x", "no store is configured"},
        {"etcd3: {port: 2379}", "one of host, hosts, url, proxy or srv"},
        {"etcd3: {host: 'h:x'}", "is not host:port"},
        {"etcd3: {url: 'ftp://h'}", "is not of the form"},
    };
    for (const Row& row : rows) {
        SCOPED_TRACE(row.yaml);
        const Local local = local_of(row.yaml);
        ASSERT_FALSE(local.store);
        EXPECT_NE(local.store.error().message.find(row.message), std::string::npos) << local.store.error().message;
    }
}

TEST(Store, EveryWayToSayWhereEtcdIs) {
    struct Row {
        const char* yaml;
        Etcd3 expected;
    };
    const Row rows[] = {
        {"etcd3: {host: h}", {.hosts = {{"h", 2379}}}},
        {"etcd3: {host: h, port: 2380, protocol: https}", {.hosts = {{"h", 2380}}, .protocol = "https"}},
        {"etcd3: {hosts: [a, 'b:1', '[::1]:2']}", {.hosts = {{"a", 2379}, {"b", 1}, {"::1", 2}}}},
        {"etcd3: {hosts: 'https://a:1,https://b:2'}", {.hosts = {{"a", 1}, {"b", 2}}, .protocol = "https"}},
        {"etcd3: {url: 'https://u:p@h:1'}",
         {.hosts = {{"h", 1}}, .protocol = "https", .username = "u", .password = "p"}},
        {"etcd3: {proxy: 'http://h'}", {.hosts = {{"h", 2379}}, .use_proxies = true}},
        {"etcd3: {srv: example.org, srv_suffix: x}", {.srv = "example.org", .srv_suffix = "x"}},
        {"etcd: {host: old}\netcd3: {host: h}", {.hosts = {{"h", 2379}}}},
    };
    for (const Row& row : rows) {
        SCOPED_TRACE(row.yaml);
        const Local local = local_of(row.yaml);
        ASSERT_TRUE(local.store) << local.store.error().message;
        EXPECT_EQ(*local.store, row.expected);
    }
}

TEST(Store, AUrlReplacesTheSections) {
    Document document = *parse_yaml("consul: {host: h}\nscope: x\n", "p.yml");
    const auto url = apply_store_url(document, "10.0.0.1:2379/db");
    ASSERT_TRUE(url);
    EXPECT_EQ(url->name_space, "/db");
    EXPECT_EQ(boost::json::serialize(document.data), R"({"scope":"x","etcd3":{"host":"10.0.0.1:2379"}})");
    EXPECT_EQ(apply_store_url(document, "h:8500")->section, "consul");
    EXPECT_EQ(apply_store_url(document, "etcd://h")->section, "etcd3");
    EXPECT_EQ(apply_store_url(document, "redis://h").error().message, "Unknown dcs scheme: redis");
}

TEST(LoadDocument, TheEnvironmentGoesOverTheFile) {
    const auto document = load_document({}, {{"PATRONI_CONFIGURATION", "scope: a\n"}, {"PATRONI_SCOPE", "b"}});
    ASSERT_TRUE(document);
    EXPECT_EQ(read_local(*document).scope, "a") << "the whole configuration in one variable: others are ignored";
    EXPECT_EQ(read_local(*load_document({}, {{"PATRONI_SCOPE", "b"}})).scope, "b");
    EXPECT_EQ(load_document("/nowhere/p.yml", {}).error().message,
              "cannot read /nowhere/p.yml: No such file or directory");
}

}  // namespace
}  // namespace castle::config
