#include "ctl/run.hpp"

#include <unistd.h>

#include <array>
#include <cstdlib>

#include "base/text.hpp"
#include "ctl/commands.hpp"
#include "ctl/program.hpp"

namespace castle::ctl {
namespace {

struct Entry {
    std::string_view name;
    Status (*run)(Session&);
    bool needs_cluster;    // its name may come from `scope`
    bool group_of_config;  // --group defaults to citus.group
};
constexpr std::array<Entry, 17> entries{{
    {"list", list, false, false},
    {"topology", topology, false, false},
    {"history", history, true, true},
    {"show-config", show_config, true, true},
    {"version", version, false, false},
    {"dsn", dsn, true, false},
    {"query", query, true, false},
    {"edit-config", edit_config, true, true},
    {"switchover", switchover, true, false},
    {"failover", failover, true, false},
    {"restart", restart, true, false},
    {"reload", reload, true, false},
    {"reinit", reinit, true, false},
    {"flush", flush, true, false},
    {"pause", pause, true, true},
    {"resume", resume, true, true},
    {"remove", remove, true, false},
}};

// The same loader as the agent's, but nothing is mandatory; only a file that was named has to be there.
Result<config::Document> load(const Parsed& parsed, const Surroundings& surroundings) {
    std::string file = parsed.text("config-file", surroundings.config_file);
    const bool named = !file.empty() && file != surroundings.default_file;
    if (file.empty()) file = surroundings.default_file;
    if (file.empty() || ::access(file.c_str(), R_OK) != 0) {
        if (named)
            return refused("Provided config file " + file +
                           " not existing or no read rights. Check the -c/--config-file parameter");
        return config::load_document({}, surroundings.variables);
    }
    return config::load_document(file, surroundings.variables);
}

Result<config::Local> configure(const Parsed& parsed, const Surroundings& surroundings) {
    CASTLE_TRY(config::Document document, load(parsed, surroundings));
    std::string name_space;
    if (const std::string url = parsed.text("dcs-url", surroundings.dcs_url); !url.empty()) {
        CASTLE_TRY(const config::StoreUrl store, config::apply_store_url(document, url));
        name_space = store.name_space;
    }
    if (!name_space.empty()) document.data["namespace"] = name_space;
    config::Local local = config::read_local(std::move(document));
    if (parsed.has("insecure")) local.ctl.insecure = true;
    return local;
}

std::optional<int> group_of(const Parsed& parsed, const config::Local& local, bool of_config) {
    const auto number = [](std::string_view text) -> std::optional<int> {
        const auto value = parse_int(text);
        if (!value || *value < 0 || *value > 1'000'000) return {};
        return static_cast<int>(*value);
    };
    if (const auto text = parsed.maybe("group")) return number(*text);
    const auto* const citus = local.document.data.if_contains("citus");
    const auto* const group =
        of_config && citus && citus->is_object() ? citus->get_object().if_contains("group") : nullptr;
    if (!group || !group->is_int64()) return {};
    return number(std::to_string(group->get_int64()));
}

Status execute(const Parsed& parsed, const Entry& entry, const Surroundings& surroundings, Terminal& terminal) {
    CASTLE_TRY(const config::Local local, configure(parsed, surroundings));
    const std::vector<std::string> named = parsed.positional("CLUSTER_NAME");
    std::string cluster = named.empty() ? "" : named[0];
    if (cluster.empty() && entry.needs_cluster) {
        cluster = local.scope;
        if (cluster.empty())
            return refused(
                "No cluster name: give it as an argument, or set `scope` in a configuration (-c FILE, or "
                "PATRONI_SCOPE)");
    }
    const std::unique_ptr<Remote> remote = surroundings.connect(local);
    Session session{terminal, *remote, local, parsed, cluster, group_of(parsed, local, entry.group_of_config)};
    return entry.run(session);
}

}  // namespace

int run(const std::vector<std::string>& arguments, const Surroundings& surroundings, Terminal& terminal) {
    const Program program = patronictl(surroundings.program);
    const auto read = parse_arguments(program, arguments);
    if (const auto* const help = std::get_if<Help>(&read)) {
        terminal.out(help->text);
        return 0;
    }
    if (const auto* const wrong = std::get_if<UsageError>(&read)) {
        terminal.err(wrong->text);
        return 2;
    }
    const Parsed& parsed = std::get<Parsed>(read);
    for (const Entry& entry : entries) {
        if (entry.name != parsed.command) continue;
        const Status status = execute(parsed, entry, surroundings, terminal);
        if (status) return 0;
        const bool aborted = status.error().code == Errc::cancelled;
        terminal.err(aborted ? "Aborted!\n" : "Error: " + status.error().message + "\n");
        return 1;
    }
    CASTLE_ASSERT(!"a command of the table has no function");
    return 2;
}

int run(int argc, char** argv) {
    const std::string path = argc > 0 ? argv[0] : "pgcastle";
    const auto variable = [](const char* name) {
        const char* const value = std::getenv(name);
        return std::string(value ? value : "");
    };
    const std::string home = variable("HOME");
    const std::string config_home =
        variable("XDG_CONFIG_HOME").empty() ? home + "/.config" : variable("XDG_CONFIG_HOME");
    Surroundings surroundings{path.substr(path.rfind('/') + 1),         config::take_environment(),
                              variable("PATRONICTL_CONFIG_FILE"),       variable("DCS_URL"),
                              config_home + "/patroni/patronictl.yaml", connect_remote};
    RealTerminal terminal;
    return run({argv + std::min(argc, 1), argv + argc}, surroundings, terminal);
}

}  // namespace castle::ctl
