// The `postgresql` section, typed. It is read from the merge of the dynamic and the local configuration
// (dynamic.hpp: effective_postgresql), because most of its keys may come from either.
//
// Pure values; whoever starts the server resolves paths and versions.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/address.hpp"
#include "config/document.hpp"
#include "config/parameters.hpp"

namespace castle::config {

// Who a connection is made as: a name, a password, and libpq's options (sslmode, sslcert, ...).
struct Login {
    std::string username;
    std::string password;
    std::map<std::string, std::string> options;
    bool operator==(const Login&) const = default;
};

// Since which major version libpq knows an option of a login; 0: always.
int login_option_since(std::string_view option);

struct Callbacks {  // commands; empty: none
    std::string on_start, on_stop, on_restart, on_reload, on_role_change;
    bool operator==(const Callbacks&) const = default;
};

// One way to make a replica: the built-in "basebackup", or a command of the user.
struct ReplicaMethod {
    std::string name;
    std::string command;
    bool keep_data = false;
    bool no_params = false;
    bool no_leader = false;
    std::vector<std::string> options;  // "--key=value"
    bool built_in() const { return command.empty(); }
    bool operator==(const ReplicaMethod&) const = default;
};

// What the server is at the moment; chooses among the parameters_primary, pg_hba_replica, ... of the configuration.
enum class ServerRole { primary, replica, standby_leader };

template <class T>
struct PerRole {
    std::optional<T> primary, replica, standby_leader;
    const std::optional<T>& of(ServerRole role) const {
        return role == ServerRole::primary ? primary : role == ServerRole::replica ? replica : standby_leader;
    }
    bool operator==(const PerRole&) const = default;
};

struct Postgresql {
    Address listen{"", 5432};  // hosts separated by commas become listen_addresses
    Address connect_address;   // what others reach us at; the first local address of `listen` if not given
    std::optional<std::string> proxy_address;
    std::string data_dir;
    std::string config_dir;                       // data_dir if not given
    std::string bin_dir;                          // empty: PATH
    std::map<std::string, std::string> bin_name;  // pg_ctl -> what it is called here
    std::string config_base_name = "postgresql";
    std::string custom_conf;
    std::string database = "postgres";
    std::string pgpass;  // empty: ~/pgpass

    Login superuser;
    Login replication;
    std::optional<Login> rewind;  // the superuser's if not given
    std::string krbsrvname;
    bool use_unix_socket = false;
    bool use_unix_socket_repl = false;

    Parameters controlled;  // identical on all members, handed over on the command line
    Parameters parameters;  // all others, without those of recovery; convert_wal_keep() before writing them
    PerRole<Parameters> role_parameters;
    Parameters recovery_conf;  // without what the agent sets itself (primary_conninfo, recovery_target*, ...)
    std::optional<std::vector<std::string>> pg_hba, pg_ident;
    PerRole<std::vector<std::string>> role_pg_hba, role_pg_ident;

    Callbacks callbacks;
    std::string pre_promote, before_stop;
    std::chrono::milliseconds pg_ctl_timeout{60'000};
    bool use_pg_rewind = false;
    std::vector<std::string> rewind_options;
    bool remove_data_directory_on_rewind_failure = false;
    bool remove_data_directory_on_diverged_timelines = false;
    std::vector<ReplicaMethod> create_replica_methods;  // never empty
    std::vector<std::string> basebackup_options;
    bool use_slots = true;

    const Login& login_for_rewind() const { return rewind ? *rewind : superuser; }
    // `parameters` with those of the role over them.
    Parameters parameters_for(ServerRole role) const;
    const std::optional<std::vector<std::string>>& pg_hba_for(ServerRole role) const;
    const std::optional<std::vector<std::string>>& pg_ident_for(ServerRole role) const;
    // The name of a program, with bin_dir in front if there is one.
    std::string program(std::string_view name) const;

    bool operator==(const Postgresql&) const = default;
};

// Reads `postgresql` of a merged document; mistakes are noted there. Controlled parameters must have been sorted out
// before: the merge puts them under `postgresql.controlled`.
Postgresql read_postgresql(Document& merged);

}  // namespace castle::config
