#include "config/validate.hpp"

#include <algorithm>
#include <map>

#include "base/text.hpp"
#include "config/dynamic.hpp"
#include "config/section.hpp"
#include "config/units.hpp"
#include "config/yaml_text.hpp"

namespace castle::config {
namespace {

std::string refused(const std::string& why) {
    return "didn't pass validation: '" + why + "'";
}

class Validator {
public:
    Validator(Local local, Probe& probe, const ValidateOptions& options)
        : local_(std::move(local)), probe_(probe), options_(options), document_(local_.document) {}

    std::vector<Mistake> run() {
        check_required();
        check_dynamic();
        const EffectivePostgresql effective = effective_postgresql(document_, {});
        document_.mistakes.insert(document_.mistakes.end(), effective.mistakes.begin(), effective.mistakes.end());
        check_addresses(effective.postgresql);
        check_store();
        check_programs(effective.postgresql);
        check_data_dir(effective.postgresql);
        check_tags();
        return in_order(std::move(document_.mistakes));
    }

private:
    void require(std::string_view section, std::initializer_list<std::string_view> keys) {
        Section map(document_, std::string(section));
        // When a whole section is missing, one line says it.
        if (!map.present() && !section.empty()) {
            const auto dot = section.rfind('.');
            Section parent(document_, std::string(dot == section.npos ? "" : section.substr(0, dot)));
            if (parent.present() && !parent.map().contains(dot == section.npos ? section : section.substr(dot + 1)))
                parent.mistake(dot == section.npos ? section : section.substr(dot + 1), "is not defined.");
            return;
        }
        for (const std::string_view key : keys)
            if (!map.find(key)) map.mistake(key, "is not defined.");
    }

    void check_required() {
        require("", {"name", "scope"});
        require("restapi", {"listen", "connect_address"});
        require("postgresql", {"listen", "connect_address", "data_dir"});
        require("postgresql.authentication", {});
        require("postgresql.authentication.replication", {"username"});
        require("postgresql.authentication.superuser", {"username"});
    }

    void check_dynamic() {
        Section dcs(document_, "bootstrap.dcs");
        if (!dcs.present()) return;
        const core::Settings settings = read_settings(document_, "bootstrap.dcs");
        // A file that asks for the fence by name may have the shorter timeouts that it makes safe.
        Section castle(document_, "castle");
        const bool fenced = castle.find("fence") && local_.castle.fence;
        const auto at_least = [&](std::string_view key, Duration value, std::int64_t seconds,
                                  std::int64_t behind_fence) {
            if (value >= std::chrono::seconds(fenced ? behind_fence : seconds)) return;
            std::string text = "must be at least " + std::to_string(fenced ? behind_fence : seconds);
            // Whoever asks for less probably wants just this.
            if (!fenced && value >= std::chrono::seconds(behind_fence))
                text += " (from " + std::to_string(behind_fence) +
                        " on it is honoured while every member is pgcastle with a working fence; say \"castle: {fence: "
                        "on}\" in this file to confirm that)";
            dcs.mistake(key, text);
        };
        at_least("ttl", settings.ttl, 20, 3);
        at_least("loop_wait", settings.loop_wait, 1, 1);
        at_least("retry_timeout", settings.retry_timeout, 3, 1);
        Section parameters(document_, "bootstrap.dcs.postgresql.parameters");
        for (const auto& [name, value] : parameters.map()) check_parameter(parameters, name, value);
    }

    static void check_parameter(Section& parameters, std::string_view name, const boost::json::value& value) {
        const auto* const rule = find_controlled(name);
        if (!rule || value.is_null()) return;
        if (!acceptable(*rule, value)) return parameters.mistake(name, rule_text(*rule));
        const bool counts = rule->rule == ControlledParameter::Rule::at_least && rule->unit.empty();
        constexpr std::int64_t backends_max = 262'143;  // PostgreSQL's MAX_BACKENDS
        const bool of_backends =
            counts && rule->name != "max_locks_per_transaction" && rule->name != "wal_keep_segments";
        if (of_backends && int_of(value).value_or(0) > backends_max)
            parameters.mistake(name,
                               "must be from " + std::to_string(rule->minimum) + " to " + std::to_string(backends_max));
    }

    void check_addresses(const Postgresql& postgresql) {
        Section restapi(document_, "restapi");
        Section server(document_, "postgresql");
        constexpr const char* reachable = "must not contain \"127.0.0.1\", \"0.0.0.0\", \"*\", \"::1\", \"localhost\"";
        if (restapi.find("connect_address") && local_.restapi.connect_address.port != 0 &&
            is_unreachable_for_others(local_.restapi.connect_address.host))
            restapi.mistake("connect_address", refused(reachable));
        if (server.find("connect_address") && is_unreachable_for_others(postgresql.connect_address.host))
            server.mistake("connect_address", refused(reachable));
        if (postgresql.proxy_address && is_unreachable_for_others(parse_address(*postgresql.proxy_address, 5432)->host))
            server.mistake("proxy_address", refused(reachable));
        if (restapi.find("listen") && local_.restapi.listen.port != 0) check_listen(restapi, local_.restapi.listen);
        if (server.find("listen")) check_listen(server, postgresql.listen);
    }

    void check_listen(Section& section, const Address& address) {
        auto hosts = address.hosts();
        if (hosts.empty()) hosts.push_back("");
        for (const std::string& host : hosts) {
            const Status status = probe_.can_listen(host, address.port, options_.ignore_listen_port);
            if (!status) section.mistake("listen", refused(status.error().message));
        }
    }

    void check_store() {
        Section section(document_, "etcd3");
        if (!local_.store) {
            const Error& error = local_.store.error();  // names its own place, if it is about one
            if (error.code == Errc::not_found)
                document_.mistakes.push_back({document_.place_of(""), "etcd3", "", "is not defined."});
            else
                document_.mistakes.push_back({{}, "", "", error.message});
            return;
        }
        const std::string_view key = section.find("hosts")   ? "hosts"
                                     : section.find("url")   ? "url"
                                     : section.find("proxy") ? "proxy"
                                                             : "host";
        for (const Address& host : local_.store->hosts) {
            const Status status = probe_.can_connect(host.host, host.port);
            if (!status) section.mistake(key, refused(host.text() + " is not reachable"));
        }
    }

    void check_programs(const Postgresql& postgresql) {
        Section section(document_, "postgresql");
        for (const std::string_view name :
             {"pg_ctl", "initdb", "pg_controldata", "pg_basebackup", "postgres", "pg_isready"}) {
            if (probe_.find_program(postgresql.program(name))) continue;
            const std::string called = postgresql.program(name);
            section.mistake("bin_dir", section.find("bin_dir")
                                           ? refused("does not contain " + called.substr(called.rfind('/') + 1))
                                           : refused("is not given, and PATH has no " + called));
        }
    }

    void check_data_dir(const Postgresql& postgresql) {
        Section section(document_, "postgresql");
        const std::string& dir = postgresql.data_dir;
        const auto refuse = [&](const std::string& why) { section.mistake("data_dir", refused(why)); };
        if (dir.empty() || !probe_.exists(dir) || probe_.is_empty_directory(dir)) return;
        if (!probe_.is_directory(dir)) return refuse("is not a directory");
        const auto version = probe_.read_file(dir + "/PG_VERSION");
        if (!version) return refuse("is neither empty nor a PostgreSQL data directory: it has no PG_VERSION");
        if (!probe_.is_directory(dir + "/pg_wal"))
            return refuse("is not a whole PostgreSQL data directory: it has no pg_wal");
        const auto program = probe_.find_program(postgresql.program("postgres"));
        if (!program) return;  // said already
        const auto printed = probe_.version_of(*program);
        if (!printed) return refuse(printed.error().message);
        const std::string have = major_of(*printed);
        const std::string want(trim(*version));
        if (have != want) refuse("was made by PostgreSQL " + want + ", but " + *program + " is of version " + have);
    }

    // "postgres (PostgreSQL) 15.20 (Debian ...)" -> "15"
    static std::string major_of(const std::string& printed) {
        const auto digit = printed.find_first_of("0123456789");
        if (digit == printed.npos) return "unknown";
        const auto end = printed.find_first_not_of("0123456789", digit);
        return printed.substr(digit, end == printed.npos ? end : end - digit);
    }

    void check_tags() {
        Section tags(document_, "tags");
        for (const auto& [no, priority] :
             {std::pair{"nofailover", "failover_priority"}, std::pair{"nosync", "sync_priority"}})
            if (tags.find(no) && tags.find(priority))
                tags.mistake(no, std::string("must not be given together with ") + priority);
    }

    // As they stand in the file; the same thing is said once.
    static std::vector<Mistake> in_order(std::vector<Mistake> mistakes) {
        std::multimap<std::pair<std::string, int>, Mistake> sorted;  // keeps the order of equals
        for (Mistake& mistake : mistakes)
            sorted.emplace(std::pair(mistake.place.source, mistake.place.line), std::move(mistake));
        std::vector<Mistake> once;
        for (auto& [place, mistake] : sorted) {
            const auto same = [&, text = mistake.text()](const Mistake& other) { return other.text() == text; };
            if (std::ranges::none_of(once, same)) once.push_back(std::move(mistake));
        }
        return once;
    }

    Local local_;
    Probe& probe_;
    ValidateOptions options_;
    Document& document_;
};

}  // namespace

std::vector<Mistake> validate(Local local, Probe& probe, const ValidateOptions& options) {
    return Validator(std::move(local), probe, options).run();
}

ValidateResult run_validate(const ValidateCommand& command, const Variables& variables, Probe& probe) {
    auto document = load_document(command.path, variables);
    if (!document) return {1, "", document.error().message + "\n"};
    if (document->data.empty())
        return {1, "", (command.path ? *command.path + ": " : "") + "the configuration is empty\n"};
    const boost::json::value merged = document->data;
    std::string lines;
    for (const Mistake& mistake : validate(read_local(std::move(*document)), probe, command.options))
        lines += mistake.text() + "\n";
    if (!lines.empty()) return {1, "", lines};
    return {0, command.print ? yaml_text(merged) : "", ""};
}

}  // namespace castle::config
