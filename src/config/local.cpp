#include "config/local.hpp"

#include "base/text.hpp"
#include "config/program_options.hpp"
#include "config/section.hpp"
#include "config/units.hpp"
#include "config/yaml.hpp"

namespace castle::config {
namespace {

std::optional<BasicAuth> read_authentication(Section section) {
    BasicAuth auth;
    section.text("username", auth.username);
    section.text("password", auth.password);
    if (auth.username.empty() && auth.password.empty()) return {};
    return auth;
}

Headers read_headers(Section section) {
    Headers headers;
    for (const auto& [name, value] : section.map())
        if (std::string text; section.text(name, text)) headers.emplace_back(name, text);
    return headers;
}

RestApi read_restapi(Section section) {
    RestApi api;
    if (std::string text; section.text("listen", text)) {
        if (auto address = parse_address(text))
            api.listen = std::move(*address);
        else
            section.mistake("listen", "is not an address of the form host:port", Severity::fatal);
    }
    api.connect_address = api.listen;
    if (std::string text; section.text("connect_address", text)) {
        if (auto address = parse_address(text, api.listen.port))
            api.connect_address = std::move(*address);
        else
            section.mistake("connect_address", "is not an address of the form host:port", Severity::fatal);
    }
    api.authentication = read_authentication(section.section("authentication"));
    section.text("certfile", api.certfile);
    section.text("keyfile", api.keyfile);
    section.text("keyfile_password", api.keyfile_password);
    section.text("cafile", api.cafile);
    section.text("ciphers", api.ciphers);
    if (std::string word; section.choice("verify_client", word, {"none", "optional", "required"})) {
        using enum RestApi::VerifyClient;
        api.verify_client = word == "required" ? required : word == "optional" ? optional : none;
    }
    section.texts("allowlist", api.allowlist);
    section.flag("allowlist_include_members", api.allowlist_include_members);
    api.http_extra_headers = read_headers(section.section("http_extra_headers"));
    api.https_extra_headers = read_headers(section.section("https_extra_headers"));
    section.number("thread_pool_size", api.thread_pool_size, {.min = 5});
    section.number("request_queue_size", api.request_queue_size, {.min = 0, .max = 4096});
    section.choice("server_tokens", api.server_tokens, {"original", "productonly", "minimal"});
    return api;
}

Ctl read_ctl(Section section, const RestApi& restapi) {
    Ctl ctl;
    ctl.authentication = read_authentication(section.section("authentication"));
    if (!ctl.authentication) ctl.authentication = restapi.authentication;
    section.flag("insecure", ctl.insecure);
    ctl.cacert = restapi.cafile;
    section.text("cacert", ctl.cacert);
    section.text("certfile", ctl.certfile);
    section.text("keyfile", ctl.keyfile);
    section.text("keyfile_password", ctl.keyfile_password);
    return ctl;
}

Log read_log(Section section) {
    Log log;
    if (std::string word; section.choice("type", word, {"plain", "json"}))
        log.type = word == "json" ? Log::Type::json : Log::Type::plain;
    const auto level = [&](std::string_view key, std::string& value) {
        if (section.choice(key, value, {"critical", "fatal", "error", "warning", "warn", "info", "debug", "notset"})) {
            for (char& c : value) c = static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
            if (value == "WARN") value = "WARNING";
            if (value == "FATAL") value = "CRITICAL";
        }
    };
    level("level", log.level);
    level("traceback_level", log.traceback_level);
    const auto* const format = section.find("format");
    if (format && format->is_array())
        log.format_fields = format->get_array();
    else
        section.text("format", log.format);
    section.text("dateformat", log.dateformat);
    log.static_fields = section.section("static_fields").map();
    section.number("max_queue_size", log.max_queue_size, {.min = 0});
    section.text("dir", log.dir);
    section.number("file_size", log.file_size, {.min = 1});
    section.number("file_num", log.file_num, {.min = 0});
    if (std::int64_t mode = 0; section.number("mode", mode, {.min = 0, .max = 0777})) log.mode = mode;
    Section loggers = section.section("loggers");
    for (const auto& [name, value] : loggers.map())
        if (std::string text; loggers.text(name, text)) log.loggers.emplace_back(name, text);
    section.flag("deduplicate_heartbeat_logs", log.deduplicate_heartbeat_logs);
    return log;
}

Tags read_checked_tags(Section section) {
    for (const std::string_view name : {"nofailover", "nosync", "noloadbalance", "clonefrom", "nostream"})
        if (bool unused = false; section.find(name)) section.flag(name, unused);
    for (const std::string_view name : {"failover_priority", "sync_priority"})
        if (std::int64_t unused = 0; section.find(name)) section.number(name, unused);
    for (const auto& [name, value] : section.map())
        if (value.is_structured()) section.mistake(name, "is not a value that a tag can have");
    return read_tags(section.map());
}

Watchdog read_watchdog(Section section) {
    Watchdog watchdog;
    if (std::string word; section.choice("mode", word, {"off", "false", "automatic", "required"})) {
        using enum Watchdog::Mode;
        watchdog.mode = word == "required" ? required : word == "automatic" ? automatic : off;
    }
    section.text("device", watchdog.device);
    section.duration("safety_margin", watchdog.safety_margin, {.min = -1, .unit = "s"});
    section.text("driver", watchdog.driver);
    return watchdog;
}

Bootstrap read_bootstrap(Section section) {
    Bootstrap bootstrap;
    bootstrap.dcs = section.section("dcs").map();
    section.text("method", bootstrap.method);
    bootstrap.initdb = read_program_options(section, "initdb", {"pgdata", "nosync", "pwfile", "sync-only", "version"});
    section.texts("pg_hba", bootstrap.pg_hba);
    if (!section.text("post_bootstrap", bootstrap.post_bootstrap)) section.text("post_init", bootstrap.post_bootstrap);
    if (section.find("users"))
        section.mistake("users", "was removed in version 4.0 and is ignored; create users with post_bootstrap");
    if (bootstrap.method == "initdb") return bootstrap;

    Section method = section.section(bootstrap.method);
    CustomBootstrap custom;
    if (!method.text("command", custom.command) || trim(custom.command).empty()) {
        section.mistake("method", "has no bootstrap." + bootstrap.method + ".command; using initdb");
        bootstrap.method = "initdb";
        return bootstrap;
    }
    method.flag("no_params", custom.no_params);
    method.flag("keep_existing_recovery_conf", custom.keep_existing_recovery_conf);
    custom.recovery_conf = method.section("recovery_conf").map();
    custom.options =
        other_pairs_as_options(method.map(), {"command", "no_params", "keep_existing_recovery_conf", "recovery_conf"});
    bootstrap.custom = std::move(custom);
    return bootstrap;
}

// A section of our own: what is unknown there is an error, because it would be believed to work.
Castle read_castle(Section section) {
    Castle castle;
    section.flag("fence", castle.fence);
    section.text("fence_dir", castle.fence_dir);
    section.reject_unknown_keys(Severity::fatal);
    return castle;
}

// Sections of ours that a later version brings: whoever writes one now must not believe that it works.
void refuse_sections_to_come(Section& section) {
    for (const std::string_view name : {"proxy", "vip", "backup", "console"})
        if (section.find(name))
            section.mistake(name, "is a section that this version does not have yet", Severity::fatal);
}

// Mandatory for an agent, not for the command line.
void missing(const Local& local, std::string_view path, std::vector<std::string>& problems) {
    const Place place = local.document.place_of("");
    problems.push_back((place.source.empty() ? "" : place.text() + ": ") + std::string(path) + " is not defined");
}

}  // namespace

std::string RestApi::url() const {
    return (tls() ? "https://" : "http://") + connect_address.text() + "/patroni";
}

std::string Local::store_prefix() const {
    std::string prefix;
    for (const std::string& part : split(name_space + "/" + scope, '/'))
        if (!part.empty()) prefix += "/" + part;
    return prefix + "/";
}

Result<Document> load_document(const std::optional<std::string>& path, const Variables& variables) {
    if (!path) {
        if (const auto text = whole_configuration(variables)) return parse_yaml(*text, "PATRONI_CONFIGURATION");
        return read_environment(variables);
    }
    CASTLE_TRY(Document document, load_yaml(*path));
    merge(document, read_environment(variables));
    return document;
}

Local read_local(Document document) {
    Local local;
    local.document = std::move(document);
    Section section(local.document, "");
    if (!section.text("name", local.name)) {
        Section postgresql(local.document, "postgresql");
        postgresql.text("name", local.name);
    }
    section.text("scope", local.scope);
    section.text("namespace", local.name_space);
    section.number("thread_pool_size", local.thread_pool_size, {.min = 5});
    if (local.name == reserved_member_name)
        section.mistake("name", "is a reserved word; choose another name", Severity::fatal);
    local.restapi = read_restapi(section.section("restapi"));
    local.ctl = read_ctl(section.section("ctl"), local.restapi);
    local.log = read_log(section.section("log"));
    local.tags = read_checked_tags(section.section("tags"));
    local.watchdog = read_watchdog(section.section("watchdog"));
    local.bootstrap = read_bootstrap(section.section("bootstrap"));
    local.castle = read_castle(section.section("castle"));
    refuse_sections_to_come(section);
    local.store = read_store(local.document);
    return local;
}

Status check_startable(const Local& local) {
    std::vector<std::string> problems;
    for (const Mistake& mistake : local.document.mistakes)
        if (mistake.severity == Severity::fatal) problems.push_back(mistake.text());
    if (local.document.data.empty()) {
        const Place place = local.document.place_of("");
        return Error{Errc::invalid, (place.source.empty() ? "" : place.text() + ": ") + "the configuration is empty"};
    }
    if (local.name.empty()) missing(local, "name", problems);
    if (local.scope.empty()) missing(local, "scope", problems);
    const auto has = [&](std::string_view section, std::string_view key) {
        const auto* const value = local.document.data.if_contains(section);
        const auto* const map = value ? value->if_object() : nullptr;
        const auto* const found = map ? map->if_contains(key) : nullptr;
        return found && !found->is_null();
    };
    if (!has("restapi", "listen")) missing(local, "restapi.listen", problems);
    if (!has("postgresql", "listen")) missing(local, "postgresql.listen", problems);
    if (!has("postgresql", "data_dir")) missing(local, "postgresql.data_dir", problems);
    if (!local.store) problems.push_back(local.store.error().message);
    if (problems.empty()) return Done{};
    return Error{Errc::invalid, join(problems, "\n")};
}

}  // namespace castle::config
