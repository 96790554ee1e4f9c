#include "config/environment.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <span>
#include <vector>

#include "base/text.hpp"
#include "config/units.hpp"
#include "config/yaml.hpp"

// POSIX declares it nowhere.
extern char** environ;  // NOLINT

namespace castle::config {
namespace {

constexpr std::string_view prefix = "PATRONI_";

enum class As { text, flag, number, list, map };

// A variable is PATRONI_<group>_<KEY>, the key goes to <section>.<key>.
struct Group {
    std::string_view variable;
    std::string_view section;
    std::vector<std::string_view> keys;
};

const std::vector<Group>& groups() {
    static const std::vector<std::string_view> credentials{
        "username",    "password", "sslmode",   "sslcert",    "sslkey",          "sslpassword",
        "sslrootcert", "sslcrl",   "sslcrldir", "gssencmode", "channel_binding", "sslnegotiation"};
    static const std::vector<Group> all{
        {"", "", {"name", "namespace", "scope", "thread_pool_size", "thread_stack_size"}},
        {"LOG_",
         "log",
         {"type", "level", "traceback_level", "format", "dateformat", "static_fields", "max_queue_size", "dir", "mode",
          "file_size", "file_num", "loggers", "deduplicate_heartbeat_logs"}},
        {"RESTAPI_",
         "restapi",
         {"listen", "connect_address", "certfile", "keyfile", "keyfile_password", "cafile", "ciphers", "verify_client",
          "http_extra_headers", "https_extra_headers", "allowlist", "allowlist_include_members", "request_queue_size",
          "server_tokens"}},
        {"RESTAPI_", "restapi.authentication", {"username", "password"}},
        {"CTL_", "ctl", {"insecure", "cacert", "certfile", "keyfile", "keyfile_password"}},
        {"CTL_", "ctl.authentication", {"username", "password"}},
        {"POSTGRESQL_",
         "postgresql",
         {"listen", "connect_address", "proxy_address", "config_dir", "data_dir", "pgpass", "bin_dir"}},
        {"POSTGRESQL_BIN_",
         "postgresql.bin_name",
         {"pg_ctl", "initdb", "pg_controldata", "pg_basebackup", "postgres", "pg_isready", "pg_rewind"}},
        {"SUPERUSER_", "postgresql.authentication.superuser", credentials},
        {"REPLICATION_", "postgresql.authentication.replication", credentials},
        {"REWIND_", "postgresql.authentication.rewind", credentials},
        {"ETCD_",
         "etcd",
         {"host", "hosts", "port", "protocol", "url", "proxy", "srv", "srv_suffix", "use_proxies", "cacert", "cert",
          "key", "username", "password"}},
        {"ETCD3_",
         "etcd3",
         {"host", "hosts", "port", "protocol", "url", "proxy", "srv", "srv_suffix", "use_proxies", "cacert", "cert",
          "key", "username", "password"}},
        {"CONSUL_",
         "consul",
         {"host", "url", "port", "scheme", "token", "verify", "cacert", "cert", "key", "dc", "consistency", "checks",
          "register_service", "service_tags", "service_check_interval", "service_check_tls_server_name"}},
        {"ZOOKEEPER_",
         "zookeeper",
         {"hosts", "use_ssl", "cacert", "cert", "key", "key_password", "verify", "set_acls", "auth_data"}},
        {"EXHIBITOR_", "exhibitor", {"hosts", "port"}},
        {"CITUS_", "citus", {"group", "database"}},
    };
    return all;
}

As kind_of(std::string_view section, std::string_view key) {
    const auto is = [&](std::initializer_list<std::string_view> keys) {
        return std::ranges::find(keys, key) != keys.end();
    };
    if (is({"http_extra_headers", "https_extra_headers", "static_fields", "loggers", "set_acls", "auth_data"}))
        return As::map;
    if (is({"hosts", "checks", "service_tags", "allowlist"})) return As::list;
    if (is({"use_proxies", "register_service", "use_ssl", "insecure", "allowlist_include_members",
            "deduplicate_heartbeat_logs"}))
        return As::flag;
    if (section == "consul" && key == "verify") return As::flag;
    if (section == "zookeeper" && key == "verify") return As::flag;
    if (is({"port", "request_queue_size", "max_queue_size", "file_size", "file_num", "mode", "thread_pool_size",
            "group"}))
        return As::number;
    return As::text;
}

// Lists may be written as YAML or as text with commas, maps with or without their braces.
Result<boost::json::value> read(As kind, const std::string& text) {
    const std::string_view body = trim(text);
    switch (kind) {
        case As::text: return boost::json::value(text);
        case As::flag: {
            const auto flag = parse_bool(text);
            if (!flag) return Error{Errc::invalid, "is not a boolean"};
            return boost::json::value(*flag);
        }
        case As::number: {
            const auto number = parse_int(text);
            if (!number) return Error{Errc::invalid, "is not an integer"};
            return boost::json::value(*number);
        }
        case As::list: {
            const bool yaml = body.starts_with("-") || body.find('[') != body.npos;
            auto value = parse_yaml_value(yaml ? text : "[" + text + "]");
            if (!value || !value->is_array()) return Error{Errc::invalid, "is not a list"};
            return value;
        }
        case As::map: {
            auto value = parse_yaml_value(body.starts_with("{") ? text : "{" + text + "}");
            if (!value || !value->is_object()) return Error{Errc::invalid, "is not a dictionary"};
            return value;
        }
    }
    return Error{Errc::invalid, "is unknown"};
}

void put(boost::json::object& data, std::string_view path, boost::json::value value) {
    const auto dot = path.find('.');
    if (dot == path.npos) {
        data.insert_or_assign(path, std::move(value));
        return;
    }
    auto& inner = data[path.substr(0, dot)];
    if (!inner.is_object()) inner.emplace_object();
    put(inner.get_object(), path.substr(dot + 1), std::move(value));
}

void take(Document& document, const std::string& variable, const std::string& text, const std::string& path, As kind) {
    const Place place{variable, 0};
    auto value = read(kind, text);
    // log.format may be Python's %-format or a list of fields.
    if (path == "log.format" && !trim(text).starts_with('%'))
        if (auto list = read(As::list, text)) value = std::move(list);
    if (!value) {
        document.mistakes.push_back({place, path, is_secret(path) ? "(not shown)" : text, value.error().message});
        return;
    }
    put(document.data, path, std::move(*value));
    document.places.insert_or_assign(path, place);
}

std::string upper(std::string_view text) {
    std::string result(text);
    std::ranges::transform(result, result.begin(),
                           [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; });
    return result;
}

}  // namespace

Variables take_environment() {
    Variables variables;
    for (char** entry = environ; *entry; ++entry) {
        const std::string_view line = *entry;
        const auto equals = line.find('=');
        if (equals == line.npos || !line.starts_with(prefix)) continue;
        variables.emplace(line.substr(0, equals), line.substr(equals + 1));
    }
    for (const auto& [name, value] : variables) ::unsetenv(name.c_str());
    return variables;
}

std::optional<std::string> whole_configuration(const Variables& variables) {
    const auto found = variables.find(std::string(prefix) + "CONFIGURATION");
    if (found == variables.end() || trim(found->second).empty()) return {};
    return found->second;
}

Document read_environment(const Variables& variables) {
    Document document;
    // The old names first, so that the new ones win.
    constexpr std::array<std::array<std::string_view, 2>, 3> old_names{
        {{"LOGLEVEL", "level"}, {"LOGFORMAT", "format"}, {"LOG_DATEFMT", "dateformat"}}};
    for (const auto& [name, key] : old_names) {
        const std::string variable = std::string(prefix) + std::string(name);
        const auto found = variables.find(variable);
        if (found != variables.end() && !found->second.empty())
            take(document, variable, found->second, "log." + std::string(key), As::text);
    }
    for (const Group& group : groups()) {
        for (const std::string_view key : group.keys) {
            const std::string variable = std::string(prefix) + std::string(group.variable) + upper(key);
            const auto found = variables.find(variable);
            if (found == variables.end() || found->second.empty()) continue;
            take(document, variable, found->second, path_join(group.section, key), kind_of(group.section, key));
        }
    }
    return document;
}

}  // namespace castle::config
