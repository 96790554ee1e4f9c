// The local configuration: the file (or directory) with the environment over it, typed. `postgresql` is not here: it is
// merged with the dynamic configuration first (dynamic.hpp).
//
// Reading never fails: what is wrong is a mistake with its place in `document.mistakes`, and the default stands. Who
// starts an agent asks check_startable(); who validates asks validate() (validate.hpp).
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "config/address.hpp"
#include "config/document.hpp"
#include "config/environment.hpp"
#include "config/store.hpp"
#include "config/tags.hpp"

namespace castle::config {

struct BasicAuth {
    std::string username, password;
    bool operator==(const BasicAuth&) const = default;
};

using Headers = std::vector<std::pair<std::string, std::string>>;

struct RestApi {
    Address listen;           // host empty or "*": all
    Address connect_address;  // `listen` if not given
    std::optional<BasicAuth> authentication;
    std::string certfile, keyfile, keyfile_password, cafile, ciphers;
    enum class VerifyClient { none, optional, required };
    VerifyClient verify_client = VerifyClient::none;
    std::vector<std::string> allowlist;
    bool allowlist_include_members = false;
    Headers http_extra_headers, https_extra_headers;
    std::int64_t thread_pool_size = 5;
    std::int64_t request_queue_size = 5;
    std::string server_tokens = "original";
    bool tls() const { return !certfile.empty(); }
    std::string url() const;  // "https://10.0.0.1:8008/patroni", as the member key shows it
    bool operator==(const RestApi&) const = default;
};

// How we call other members, from the command line and from the agent.
struct Ctl {
    std::optional<BasicAuth> authentication;  // restapi's if not given
    bool insecure = false;
    std::string cacert;  // restapi.cafile if not given
    std::string certfile, keyfile, keyfile_password;
    bool operator==(const Ctl&) const = default;
};

struct Log {
    enum class Type { plain, json };
    Type type = Type::plain;
    std::string level = "INFO";
    std::string traceback_level = "ERROR";
    std::string format = "%(asctime)s %(levelname)s: %(message)s";
    boost::json::array format_fields;  // `format` given as a list (json only)
    std::string dateformat;
    boost::json::object static_fields;
    std::int64_t max_queue_size = 1000;
    std::string dir;  // empty: standard error
    std::int64_t file_size = 25'000'000;
    std::int64_t file_num = 4;
    std::optional<std::int64_t> mode;  // of the file; 0666 & ~umask if not given
    std::vector<std::pair<std::string, std::string>> loggers;
    bool deduplicate_heartbeat_logs = false;
    bool operator==(const Log&) const = default;
};

struct Watchdog {
    enum class Mode { off, automatic, required };
    Mode mode = Mode::automatic;
    std::string device = "/dev/watchdog";
    std::chrono::milliseconds safety_margin{5'000};  // negative: half of ttl
    std::string driver = "default";
    bool operator==(const Watchdog&) const = default;
};

struct CustomBootstrap {
    std::string command;
    bool no_params = false;
    bool keep_existing_recovery_conf = false;
    boost::json::object recovery_conf;
    std::vector<std::string> options;  // "--key=value"
    bool operator==(const CustomBootstrap&) const = default;
};

struct Bootstrap {
    boost::json::object dcs;  // becomes the dynamic configuration after the first bootstrap
    std::string method = "initdb";
    std::vector<std::string> initdb;        // options, without those the agent adds
    std::optional<CustomBootstrap> custom;  // if method is not initdb
    std::vector<std::string> pg_hba;
    std::string post_bootstrap;  // a command; empty: none
    bool operator==(const Bootstrap&) const = default;
};

struct Castle {
    bool fence = true;
    std::string fence_dir;  // where the fence's socket lies; empty: the agent's choice
    bool operator==(const Castle&) const = default;
};

struct Local {
    Document document;  // everything as data, with places and mistakes
    std::string name;
    std::string scope;
    std::string name_space = "/service";
    std::int64_t thread_pool_size = 5;
    RestApi restapi;
    Ctl ctl;
    Log log;
    Tags tags;
    Watchdog watchdog;
    Bootstrap bootstrap;
    Castle castle;
    Result<Etcd3> store = Error{Errc::not_found, "not read"};

    // The prefix of all keys: "/service/demo/".
    std::string store_prefix() const;
};

// The reserved word of synchronous_standby_names; no member may be called that.
inline constexpr std::string_view reserved_member_name = "__patroni_strict_sync_replica_placeholder__";

// A file or directory with the variables over it; without a path PATRONI_CONFIGURATION, or the variables alone.
Result<Document> load_document(const std::optional<std::string>& path, const Variables& variables);

Local read_local(Document document);

// All reasons why an agent cannot start with this, in one message of several lines; a warning is none.
Status check_startable(const Local& local);

}  // namespace castle::config
