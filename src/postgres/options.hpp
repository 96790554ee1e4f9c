// What the PostgreSQL part of the configuration says, typed. No YAML or JSON here: whoever reads the configuration
// fills these in. Plain values.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/types.hpp"
#include "config/parameters.hpp"
#include "core/settings.hpp"

namespace castle::postgres {

enum class Role { primary, replica, standby_leader };

using Parameters = config::Parameters;
using Lines = std::vector<std::string>;

// One of `postgresql.authentication`. `options` holds sslmode, sslcert, ... by their libpq names.
struct Credentials {
    std::string username;
    std::string password;
    std::map<std::string, std::string> options;
};

// A value for each role, over one for all.
template <class T>
struct PerRole {
    T base;
    std::map<Role, T> of;
};

struct ReplicaMethod {
    std::string command;
    bool keep_data = false;
    bool no_params = false;
    bool no_leader = false;
    std::vector<std::string> options;  // "--key=value"
};

// What may change while we run: the local configuration merged with the dynamic one.
struct Policy {
    PerRole<Parameters> parameters;
    PerRole<std::optional<Lines>> pg_hba;
    PerRole<std::optional<Lines>> pg_ident;
    Parameters recovery_conf;
    bool use_slots = true;
    bool use_pg_rewind = false;
    bool remove_data_directory_on_rewind_failure = false;
    bool remove_data_directory_on_diverged_timelines = false;
    std::vector<std::string> rewind_options;      // as pg_rewind takes them: "--debug"
    std::vector<std::string> basebackup_options;  // as pg_basebackup takes them: "--checkpoint=fast"
    std::vector<std::string> create_replica_methods{"basebackup"};
    std::map<std::string, ReplicaMethod> replica_methods;  // without basebackup
    std::map<std::string, std::string> callbacks;          // on_start, ...: command
    std::string pre_promote, before_stop;                  // commands; empty: none
    Duration start_timeout{60'000};                        // pg_ctl_timeout
    // Owned by the synchronous mode while it is on; nothing: the user's value from the parameters applies.
    std::optional<std::string> synchronous_standby_names;
    bool standby_cluster = false;
};

struct CustomBootstrap {
    std::string command;
    bool no_params = false;
    bool keep_existing_recovery_conf = false;
    std::optional<Parameters> recovery_conf;
    std::vector<std::string> options;  // "--key=value"
};

struct BootstrapOptions {
    std::string method = "initdb";
    std::vector<std::string> initdb_options;  // as initdb takes them: "--data-checksums", "--encoding=UTF8"
    CustomBootstrap custom;                   // if method is not initdb
    Lines pg_hba;
    std::string post_bootstrap;
};

// What stays for the life of the process, and how the rest is found out.
struct InstanceOptions {
    std::string scope;
    std::string name;
    std::string data_dir;
    std::string config_dir;  // empty: data_dir
    std::string config_base_name = "postgresql";
    std::string custom_conf;
    std::string bin_dir;                           // empty: PATH
    std::map<std::string, std::string> bin_names;  // "pg_ctl" -> another name
    std::string listen_addresses = "localhost";
    int port = 5432;
    std::string connect_host;  // by which others reach us
    std::string database = "postgres";
    std::string pgpass;  // empty: <home>/pgpass
    std::string krbsrvname;
    Credentials superuser, replication;
    std::optional<Credentials> rewind;  // nothing: the superuser
    bool use_unix_socket = false;
    bool use_unix_socket_repl = false;
    BootstrapOptions bootstrap;
    std::string start_dir;  // where the agent was started: callbacks and scripts run there

    // The policy of a dynamic configuration (the JSON of the store's `config` key; empty: none yet). Never fails:
    // broken parts are warned about and left out where the configuration is read.
    std::function<Policy(const std::string& dynamic_json)> policy;
};

}  // namespace castle::postgres
