#include "main/options.hpp"

#include <boost/json.hpp>

#include "config/dynamic.hpp"

namespace castle {
namespace {

using config::ServerRole;
using postgres::Role;

constexpr std::pair<ServerRole, Role> roles[] = {{ServerRole::primary, Role::primary},
                                                 {ServerRole::replica, Role::replica},
                                                 {ServerRole::standby_leader, Role::standby_leader}};

postgres::Credentials credentials(const config::Login& login) {
    return {login.username, login.password, login.options};
}

config::EffectivePostgresql effective(const config::Document& document, const std::string& dynamic_json) {
    auto dynamic = config::parse_dynamic(dynamic_json.empty() ? "{}" : dynamic_json);
    return config::effective_postgresql(document, dynamic ? *dynamic : boost::json::object{});
}

postgres::Policy policy(const config::Document& document, const std::string& dynamic_json) {
    const config::Postgresql from = effective(document, dynamic_json).postgresql;
    postgres::Policy policy;
    policy.parameters.base = from.parameters;
    for (const auto& [name, value] : from.controlled) policy.parameters.base[name] = value;
    policy.pg_hba.base = from.pg_hba;
    policy.pg_ident.base = from.pg_ident;
    for (const auto& [here, there] : roles) {
        if (const auto& value = from.role_parameters.of(here)) policy.parameters.of[there] = *value;
        if (const auto& value = from.role_pg_hba.of(here)) policy.pg_hba.of[there] = *value;
        if (const auto& value = from.role_pg_ident.of(here)) policy.pg_ident.of[there] = *value;
    }
    policy.recovery_conf = from.recovery_conf;
    policy.use_slots = from.use_slots;
    policy.use_pg_rewind = from.use_pg_rewind;
    policy.remove_data_directory_on_rewind_failure = from.remove_data_directory_on_rewind_failure;
    policy.remove_data_directory_on_diverged_timelines = from.remove_data_directory_on_diverged_timelines;
    policy.rewind_options = from.rewind_options;
    policy.basebackup_options = from.basebackup_options;
    policy.create_replica_methods.clear();
    for (const config::ReplicaMethod& method : from.create_replica_methods) {
        policy.create_replica_methods.push_back(method.name);
        if (!method.built_in())
            policy.replica_methods[method.name] = {method.command, method.keep_data, method.no_params, method.no_leader,
                                                   method.options};
    }
    const config::Callbacks& callbacks = from.callbacks;
    for (const auto& [name, command] :
         {std::pair{"on_start", callbacks.on_start}, std::pair{"on_stop", callbacks.on_stop},
          std::pair{"on_restart", callbacks.on_restart}, std::pair{"on_reload", callbacks.on_reload},
          std::pair{"on_role_change", callbacks.on_role_change}})
        if (!command.empty()) policy.callbacks[name] = command;
    policy.pre_promote = from.pre_promote;
    policy.before_stop = from.before_stop;
    policy.start_timeout = from.pg_ctl_timeout;
    if (auto dynamic = config::parse_dynamic(dynamic_json.empty() ? "{}" : dynamic_json)) {
        const core::Settings settings = config::read_settings(*dynamic).settings;
        policy.standby_cluster = settings.is_standby_cluster();
    }
    return policy;
}

}  // namespace

std::vector<std::string> postgresql_warnings(const config::Local& local) {
    const auto merged = effective(local.document, "{}");
    std::vector<std::string> warnings = merged.warnings;
    for (const config::Mistake& mistake : merged.mistakes) warnings.push_back(mistake.text());
    return warnings;
}

agent::Options agent_options(const config::Local& local) {
    const config::Postgresql postgresql = effective(local.document, "{}").postgresql;
    agent::Options options;
    options.name = local.name;
    options.scope = local.scope;
    options.conn_url = "postgres://" + postgresql.connect_address.text() + "/" + postgresql.database;
    if (postgresql.proxy_address)
        options.proxy_url = "postgres://" + *postgresql.proxy_address + "/" + postgresql.database;
    options.api_url = local.restapi.url();
    options.tags = local.tags.shown;
    options.can_bootstrap = local.document.data.contains("bootstrap");
    options.bootstrap_config = boost::json::serialize(local.bootstrap.dcs);
    options.fence_works = local.castle.fence;
    options.watchdog = local.watchdog;
    options.rejoin = [document = local.document](const std::string& dynamic_json) {
        const config::Postgresql from = effective(document, dynamic_json).postgresql;
        return agent::Rejoin{from.use_pg_rewind, from.remove_data_directory_on_rewind_failure ||
                                                     from.remove_data_directory_on_diverged_timelines};
    };
    return options;
}

postgres::InstanceOptions instance_options(const config::Local& local, std::string start_dir) {
    const config::Postgresql from = effective(local.document, "{}").postgresql;
    postgres::InstanceOptions options;
    options.scope = local.scope;
    options.name = local.name;
    options.data_dir = from.data_dir;
    options.config_dir = from.config_dir == from.data_dir ? "" : from.config_dir;
    options.config_base_name = from.config_base_name;
    options.custom_conf = from.custom_conf;
    options.bin_dir = from.bin_dir;
    options.bin_names = from.bin_name;
    options.listen_addresses = from.listen.host.empty() ? "*" : from.listen.host;
    options.port = from.listen.port;
    options.connect_host = from.connect_address.host;
    options.database = from.database;
    options.pgpass = from.pgpass;
    options.krbsrvname = from.krbsrvname;
    options.superuser = credentials(from.superuser);
    options.replication = credentials(from.replication);
    if (from.rewind) options.rewind = credentials(*from.rewind);
    options.use_unix_socket = from.use_unix_socket;
    options.use_unix_socket_repl = from.use_unix_socket_repl;
    const config::Bootstrap& bootstrap = local.bootstrap;
    options.bootstrap.method = bootstrap.method;
    options.bootstrap.initdb_options = bootstrap.initdb;
    options.bootstrap.pg_hba = bootstrap.pg_hba;
    options.bootstrap.post_bootstrap = bootstrap.post_bootstrap;
    if (bootstrap.custom) {
        options.bootstrap.custom.command = bootstrap.custom->command;
        options.bootstrap.custom.no_params = bootstrap.custom->no_params;
        options.bootstrap.custom.keep_existing_recovery_conf = bootstrap.custom->keep_existing_recovery_conf;
        options.bootstrap.custom.options = bootstrap.custom->options;
        if (!bootstrap.custom->recovery_conf.empty()) {
            config::Parameters recovery;
            for (const auto& [name, value] : bootstrap.custom->recovery_conf)
                recovery[name] = value.is_string() ? std::string(value.get_string()) : boost::json::serialize(value);
            options.bootstrap.custom.recovery_conf = std::move(recovery);
        }
    }
    options.start_dir = std::move(start_dir);
    options.policy = [document = local.document](const std::string& dynamic_json) {
        return policy(document, dynamic_json);
    };
    return options;
}

}  // namespace castle
