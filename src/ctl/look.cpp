// Commands that change nothing: list, topology, history, show-config, version, dsn.
#include <algorithm>
#include <boost/json/parse.hpp>

#include "base/text.hpp"
#include "config/dynamic.hpp"
#include "config/units.hpp"
#include "config/yaml_text.hpp"
#include "core/scalar.hpp"
#include "ctl/commands.hpp"
#include "ctl/options.hpp"
#include "ctl/version.hpp"

namespace castle::ctl {
namespace {

Status list_once(Session& session, const std::vector<std::string>& clusters, Format format) {
    if (session.args.has("timestamp")) session.terminal.line(timestamp_seconds(session.remote));
    for (const std::string& cluster : clusters) {
        session.cluster = cluster;
        CASTLE_TRY(const std::vector<ClusterView> views, read_views(session));
        session.terminal.out(member_table(views, {.cluster_name = cluster,
                                                  .format = format,
                                                  .extended = session.args.has("extended"),
                                                  .citus = session.is_citus(),
                                                  .one_group = session.group.has_value()}));
    }
    return Done{};
}

Status list_as(Session& session, Format format) {
    std::vector<std::string> clusters = session.args.positional("CLUSTER_NAMES");
    if (clusters.empty() && !session.local.scope.empty()) clusters.push_back(session.local.scope);
    if (clusters.empty()) {
        session.terminal.err(timestamp_seconds(session.remote) +
                             " - WARNING - Listing members: No cluster names were provided\n");
        return Done{};
    }
    const auto interval = watch_interval(session.args);
    for (;;) {
        if (interval && session.terminal.shows_to_person()) session.terminal.out("\033[2J\033[1;1H");
        CASTLE_CHECK(list_once(session, clusters, format));
        if (!interval) return Done{};
        session.remote.sleep(*interval);
    }
}

// 150020 -> "15.20"
std::string postgres_version(std::int64_t number) {
    if (number < 100'000)
        return std::to_string(number / 10'000) + "." + std::to_string(number / 100 % 100) + "." +
               std::to_string(number % 100);
    return std::to_string(number / 10'000) + "." + std::to_string(number % 10'000);
}

std::string version_of(Session& session, const core::Member& member) {
    const Result<Answer> answer = call(session, member, "GET", "patroni");
    if (!answer) return "failed to get version: " + answer.error().message;
    boost::json::error_code failed;
    const boost::json::value status = boost::json::parse(answer->body, failed);
    if (failed || !status.is_object()) return "failed to get version: the answer is not JSON";
    const auto* const patroni = status.get_object().if_contains("patroni");
    const auto* const version =
        patroni && patroni->is_object() ? patroni->get_object().if_contains("version") : nullptr;
    std::string text = "Patroni " + (version ? config::text_of(*version) : std::string("None"));
    const auto* const server = status.get_object().if_contains("server_version");
    if (const auto number = server ? core::as_int(*server) : std::nullopt; number && *number > 0)
        text += " PostgreSQL " + postgres_version(*number);
    return text;
}

}  // namespace

Status list(Session& session) {
    CASTLE_TRY(const Format format, format_of(session.args));
    return list_as(session, format);
}

Status topology(Session& session) {
    return list_as(session, Format::topology);
}

Status history(Session& session) {
    CASTLE_TRY(const Format format, format_of(session.args));
    CASTLE_TRY(const ClusterView view, read_view(session));
    Grid grid{.columns = {"TL", "LSN", "Reason", "Timestamp", "New Leader"}, .aligns = {Align::right, Align::right}};
    if (view.cluster.history)
        for (const core::HistoryLine& line : *view.cluster.history)
            grid.rows.push_back({std::int64_t{number(line.timeline)}, boost::json::value(line.switchpoint.offset()),
                                 boost::json::value(line.reason), boost::json::value(line.timestamp),
                                 boost::json::value(line.new_leader)});
    session.terminal.out(print(grid, {.format = format}));
    return Done{};
}

Status show_config(Session& session) {
    CASTLE_TRY(const ClusterView view, read_view(session));
    if (!view.cluster.config) return Done{};
    CASTLE_TRY(const boost::json::object dynamic, config::parse_dynamic(*view.cluster.config));
    session.terminal.out(config::yaml_text(dynamic) + "\n");
    return Done{};
}

Status version(Session& session) {
    session.terminal.line(std::string("patronictl version ") + std::string(protocol_version));
    if (session.cluster.empty()) return Done{};
    session.terminal.line("");
    CASTLE_TRY(const ClusterView view, read_view(session));
    const std::vector<std::string> names = session.args.positional("MEMBER_NAMES");
    for (const core::Member* const member : leader_first(view.cluster)) {
        if (member->api_url.empty()) continue;
        if (!names.empty() && std::ranges::find(names, member->name) == names.end()) continue;
        session.terminal.line(member->name + ": " + version_of(session, *member));
    }
    return Done{};
}

Status dsn(Session& session) {
    const auto role = session.args.maybe("role");
    const auto name = session.args.maybe("member");
    if (role && name) return refused("--role and --member are mutually exclusive options");
    CASTLE_TRY(const ClusterView view, read_view(session));
    for (const core::Member* const member : members_with_role(view.cluster, name ? "any" : role.value_or("leader"))) {
        if (name && member->name != *name) continue;
        const HostPort address = host_port_of(member->conn_url);
        session.terminal.line("host=" + address.host + " port=" + std::to_string(address.port.value_or(5432)));
        return Done{};
    }
    return refused("Can not find a suitable member");
}

}  // namespace castle::ctl
