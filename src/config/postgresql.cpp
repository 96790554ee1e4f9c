#include "config/postgresql.hpp"

#include <array>

#include "base/text.hpp"
#include "config/program_options.hpp"
#include "config/section.hpp"
#include "config/units.hpp"

namespace castle::config {
namespace {

struct LoginOption {
    std::string_view name;
    int since;
};
constexpr std::array<LoginOption, 10> login_options{{{"sslmode", 0},
                                                     {"sslcert", 0},
                                                     {"sslkey", 0},
                                                     {"sslpassword", 13},
                                                     {"sslrootcert", 0},
                                                     {"sslcrl", 0},
                                                     {"sslcrldir", 14},
                                                     {"gssencmode", 12},
                                                     {"channel_binding", 13},
                                                     {"sslnegotiation", 17}}};

Login read_login(Section section) {
    Login login;
    section.text("username", login.username);
    section.text("password", login.password);
    for (const LoginOption& option : login_options)
        if (std::string value; section.text(option.name, value)) login.options.emplace(option.name, value);
    return login;
}

Parameters read_parameters(Section section) {
    Parameters parameters;
    for (const auto& [name, value] : section.map()) {
        if (value.is_null()) continue;
        if (value.is_structured())
            section.mistake(name, "is not a value that a parameter can have");
        else
            parameters.insert_or_assign(std::string(name), parameter_text(value));
    }
    return parameters;
}

// Those of recovery go to recovery_conf, where the same name has precedence; those that the agent controls are dropped.
void sort_out(Section& section, std::string_view key, Parameters& parameters, Parameters* recovery) {
    for (auto it = parameters.begin(); it != parameters.end();) {
        if (is_recovery_parameter(it->first)) {
            if (recovery) recovery->emplace(it->first, it->second);
            it = parameters.erase(it);
        } else if (find_controlled(it->first)) {
            section.mistake(std::string(key) + "." + it->first, "is ignored here: set it in the dynamic configuration");
            it = parameters.erase(it);
        } else {
            ++it;
        }
    }
}

bool is_set_by_agent(const std::string& recovery_name) {
    const std::string name = lower(recovery_name);
    return name == "primary_conninfo" || name == "primary_slot_name" || name == "standby_mode" ||
           name.starts_with("recovery_target");
}

void read_address(Section& section, Postgresql& postgresql) {
    if (std::string text; section.text("listen", text)) {
        if (auto address = parse_address(text, 5432))
            postgresql.listen = std::move(*address);
        else
            section.mistake("listen", "is not an address of the form host:port");
    }
    if (std::string text; section.text("connect_address", text)) {
        if (auto address = parse_address(text, postgresql.listen.port))
            postgresql.connect_address = std::move(*address);
        else
            section.mistake("connect_address", "is not an address of the form host:port");
    }
    if (postgresql.connect_address.port == 0) {
        const auto hosts = postgresql.listen.hosts();
        const bool all = hosts.empty() || hosts[0] == "*" || hosts[0] == "0.0.0.0" || hosts[0] == "::";
        postgresql.connect_address = {all ? "localhost" : hosts[0], postgresql.listen.port};
    }
    if (std::string text; section.text("proxy_address", text)) {
        if (parse_address(text, 5432))
            postgresql.proxy_address = text;
        else
            section.mistake("proxy_address", "is not an address of the form host:port");
    }
}

void read_replica_methods(Section& section, Postgresql& postgresql) {
    std::vector<std::string> names;
    if (!section.texts("create_replica_methods", names)) section.texts("create_replica_method", names);
    for (const std::string& name : names) {
        if (name == "basebackup") {
            postgresql.create_replica_methods.push_back({.name = name});
            continue;
        }
        Section method = section.section(name);
        ReplicaMethod read{.name = name};
        if (!method.text("command", read.command) || trim(read.command).empty()) {
            section.mistake("create_replica_methods", "names " + name + ", which has no command");
            continue;
        }
        method.flag("keep_data", read.keep_data);
        method.flag("no_params", read.no_params);
        method.flag("no_leader", read.no_leader);
        read.options = other_pairs_as_options(method.map(), {"command", "keep_data", "no_params", "no_leader"});
        postgresql.create_replica_methods.push_back(std::move(read));
    }
    if (postgresql.create_replica_methods.empty()) postgresql.create_replica_methods.push_back({.name = "basebackup"});
}

template <class Read>
auto per_role(Section& section, const std::string& key, Read read) {
    return PerRole<decltype(read(section, key))>{
        section.find(key + "_primary") ? std::optional(read(section, key + "_primary")) : std::nullopt,
        section.find(key + "_replica") ? std::optional(read(section, key + "_replica")) : std::nullopt,
        section.find(key + "_standby_leader") ? std::optional(read(section, key + "_standby_leader")) : std::nullopt};
}

std::vector<std::string> read_lines(Section& section, const std::string& key) {
    std::vector<std::string> lines;
    section.texts(key, lines);
    return lines;
}

Parameters read_role_parameters(Section& section, const std::string& key) {
    Parameters parameters = read_parameters(section.section(key));
    sort_out(section, key, parameters, nullptr);
    return parameters;
}

}  // namespace

int login_option_since(std::string_view option) {
    for (const LoginOption& known : login_options)
        if (known.name == option) return known.since;
    return 0;
}

Parameters Postgresql::parameters_for(ServerRole role) const {
    Parameters all = parameters;
    if (const auto& own = role_parameters.of(role))
        for (const auto& [name, value] : *own) all.insert_or_assign(name, value);
    return all;
}

const std::optional<std::vector<std::string>>& Postgresql::pg_hba_for(ServerRole role) const {
    const auto& own = role_pg_hba.of(role);
    return own ? own : pg_hba;
}

const std::optional<std::vector<std::string>>& Postgresql::pg_ident_for(ServerRole role) const {
    const auto& own = role_pg_ident.of(role);
    return own ? own : pg_ident;
}

std::string Postgresql::program(std::string_view name) const {
    const auto renamed = bin_name.find(std::string(name));
    const std::string file = renamed == bin_name.end() ? std::string(name) : renamed->second;
    if (bin_dir.empty()) return file;
    return bin_dir.ends_with('/') ? bin_dir + file : bin_dir + "/" + file;
}

Postgresql read_postgresql(Document& merged) {
    Postgresql p;
    Section section(merged, "postgresql");
    read_address(section, p);
    section.text("data_dir", p.data_dir);
    p.config_dir = p.data_dir;
    section.text("config_dir", p.config_dir);
    section.text("bin_dir", p.bin_dir);
    Section names = section.section("bin_name");
    for (const auto& [name, value] : names.map())
        if (std::string text; names.text(name, text)) p.bin_name.emplace(name, text);
    section.text("config_base_name", p.config_base_name);
    section.text("custom_conf", p.custom_conf);
    section.text("database", p.database);
    section.text("pgpass", p.pgpass);

    Section authentication = section.section("authentication");
    p.superuser = read_login(authentication.section("superuser"));
    p.replication = read_login(authentication.section("replication"));
    if (authentication.find("rewind")) p.rewind = read_login(authentication.section("rewind"));
    section.text("krbsrvname", p.krbsrvname);
    section.flag("use_unix_socket", p.use_unix_socket);
    section.flag("use_unix_socket_repl", p.use_unix_socket_repl);

    p.controlled = read_parameters(section.section("controlled"));
    p.recovery_conf = read_parameters(section.section("recovery_conf"));
    p.parameters = read_parameters(section.section("parameters"));
    sort_out(section, "parameters", p.parameters, &p.recovery_conf);
    for (auto it = p.controlled.begin(); it != p.controlled.end();) {
        const auto* const rule = find_controlled(it->first);
        if (rule && !rule->on_command_line)
            p.parameters.insert(p.controlled.extract(it++));
        else
            ++it;
    }
    std::erase_if(p.recovery_conf, [](const auto& entry) { return is_set_by_agent(entry.first); });
    p.role_parameters = per_role(section, "parameters", read_role_parameters);
    if (section.find("pg_hba")) p.pg_hba = read_lines(section, "pg_hba");
    if (section.find("pg_ident")) p.pg_ident = read_lines(section, "pg_ident");
    p.role_pg_hba = per_role(section, "pg_hba", read_lines);
    p.role_pg_ident = per_role(section, "pg_ident", read_lines);

    Section callbacks = section.section("callbacks");
    callbacks.text("on_start", p.callbacks.on_start);
    callbacks.text("on_stop", p.callbacks.on_stop);
    callbacks.text("on_restart", p.callbacks.on_restart);
    callbacks.text("on_reload", p.callbacks.on_reload);
    callbacks.text("on_role_change", p.callbacks.on_role_change);
    section.text("pre_promote", p.pre_promote);
    section.text("before_stop", p.before_stop);
    section.duration("pg_ctl_timeout", p.pg_ctl_timeout, {.min = 1, .unit = "s"});
    section.flag("use_pg_rewind", p.use_pg_rewind);
    p.rewind_options =
        read_program_options(section, "rewind",
                             {"target-pgdata", "source-pgdata", "source-server", "write-recovery-conf", "dry-run",
                              "restore-target-wal", "config-file", "no-ensure-shutdown", "version", "help"});
    section.flag("remove_data_directory_on_rewind_failure", p.remove_data_directory_on_rewind_failure);
    section.flag("remove_data_directory_on_diverged_timelines", p.remove_data_directory_on_diverged_timelines);
    read_replica_methods(section, p);
    p.basebackup_options = read_program_options(section, "basebackup",
                                                {"pgdata", "format", "wal-method", "xlog-method", "gzip", "version",
                                                 "dbname", "host", "port", "username", "password"});
    section.flag("use_slots", p.use_slots);
    return p;
}

}  // namespace castle::config
