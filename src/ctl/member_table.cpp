#include "ctl/member_table.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <set>

#include "config/address.hpp"
#include "config/dynamic.hpp"
#include "config/units.hpp"
#include "config/yaml_text.hpp"
#include "core/scalar.hpp"

namespace castle::ctl {
namespace {

namespace json = boost::json;

constexpr std::uint16_t usual_port = 5432;

struct Lag {
    json::value lsn = "";
    json::value megabytes = "";
};

struct Row {
    const ClusterView* view = nullptr;
    const core::Member* member = nullptr;
    std::string name;  // in a topology with its indentation
    std::string role;  // as shown
    std::string state;
    Lag receive, replay;
    HostPort address;
};

std::string text_at(const json::object& record, std::string_view key) {
    const auto* const value = record.if_contains(key);
    return value && value->is_string() ? std::string(value->get_string()) : std::string();
}

std::optional<Lsn> lsn_at(const json::object& record, std::string_view key) {
    const auto* const value = record.if_contains(key);
    const auto number = value ? core::as_int(*value) : std::nullopt;
    if (!number || *number < 0) return {};
    return Lsn{static_cast<std::uint64_t>(*number)};
}

Lag lag_behind(Lsn front, std::optional<Lsn> lsn) {
    if (!lsn) return {"unknown", ""};
    constexpr double megabyte = 1 << 20;
    return {json::value(lsn->text()),
            static_cast<std::int64_t>(std::rint(static_cast<double>(lag_bytes(front, *lsn)) / megabyte))};
}

std::string role_of(const ClusterView& view, const core::Member& member) {
    const core::Cluster& cluster = view.cluster;
    if (cluster.leader && cluster.leader->name == member.name)
        return view.settings.is_standby_cluster() ? "Standby Leader" : "Leader";
    if (view.settings.is_synchronous() && cluster.sync.lists(member.name))
        return view.settings.is_quorum() ? "Quorum Standby" : "Sync Standby";
    return "Replica";
}

Row row_of(const ClusterView& view, const core::Member& member) {
    Row row{&view, &member, member.name, role_of(view, member), {}, {}, {}, host_port_of(member.conn_url)};
    const json::object& record = member.record;
    if (row.role != "Leader") row.state = text_at(record, "replication_state");
    if (row.state.empty()) row.state = member.state;
    const bool leads = view.cluster.leader && view.cluster.leader->name == member.name;
    if (leads) return row;
    const Lsn front = view.cluster.status.optime;
    if (record.contains("receive_lsn") || record.contains("replay_lsn")) {
        row.receive = lag_behind(front, lsn_at(record, "receive_lsn"));
        row.replay = lag_behind(front, lsn_at(record, "replay_lsn"));
    } else {  // a member of before 4.1 shows one position only
        const Lag position = lag_behind(front, lsn_at(record, "xlog_location"));
        const bool streaming = row.state == "streaming";
        row.receive = streaming ? position : lag_behind(front, {});
        row.replay = streaming ? lag_behind(front, {}) : position;
    }
    return row;
}

// The leader first, everybody below whom it receives from.
void add_children(std::vector<Row>& sorted, const std::vector<Row>& rows,
                  const std::multimap<std::string, std::size_t>& children, const std::string& parent, int depth,
                  std::set<std::string>& seen) {
    const auto [begin, end] = children.equal_range(parent);
    for (auto it = begin; it != end; ++it) {
        Row row = rows[it->second];
        if (!seen.insert(row.member->name).second) continue;
        if (depth > 0) row.name = std::string(static_cast<std::size_t>(depth - 1) * 2, ' ') + "+ " + row.name;
        const std::string name = row.member->name;
        sorted.push_back(std::move(row));
        add_children(sorted, rows, children, name, depth + 1, seen);
    }
}

std::vector<Row> in_topology(const std::vector<Row>& rows, const core::Cluster& cluster) {
    const std::string leader = cluster.leader ? cluster.leader->name : "";
    const auto is_replica = [&](const std::string& name) { return name != leader && cluster.member(name); };
    std::multimap<std::string, std::size_t> children;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        const core::Member& member = *rows[i].member;
        const std::string& from = member.tags.replicatefrom;
        const bool cascades = !from.empty() && from != member.name && is_replica(from);
        children.emplace(member.name == leader ? "" : cascades ? from : leader, i);
    }
    std::vector<Row> sorted;
    std::set<std::string> seen;
    add_children(sorted, rows, children, "", 0, seen);
    // Without a leader key its followers, and those that follow each other in a circle, still have to be shown.
    if (!leader.empty()) add_children(sorted, rows, children, leader, 1, seen);
    for (const Row& row : rows)
        if (seen.insert(row.member->name).second) sorted.push_back(row);
    return sorted;
}

// `host:port` everywhere if the host alone does not tell members apart.
bool needs_ports(const std::vector<Row>& rows) {
    std::set<std::string> hosts;
    for (const Row& row : rows) {
        if (row.address.port && *row.address.port != usual_port) return true;
        if (!row.address.host.empty() && !hosts.insert(row.address.host).second) return true;
    }
    return false;
}

bool is_drawn(Format format) {
    return format == Format::pretty || format == Format::topology;
}

json::value pending_reason(const core::Member& member, Format format) {
    const auto* const reasons = member.record.if_contains("pending_restart_reason");
    if (!reasons || !reasons->is_object()) return "";
    constexpr std::size_t shown_max = 50;
    std::string all;
    for (const auto& [name, values] : reasons->get_object()) {
        if (!values.is_object()) continue;
        const auto side = [&](std::string_view key) {
            const auto* const value = values.get_object().if_contains(key);
            return value ? config::python_text_of(*value) : "";
        };
        std::string item = std::string(name) + ": " + side("old_value") + "->" + side("new_value");
        if (is_drawn(format) && display_width(item) > shown_max) item = std::string(name) + ": [hidden - too long]";
        all += (all.empty() ? "" : "\n") + item;
    }
    return json::value(all);
}

json::value scheduled_restart(const core::Member& member) {
    const auto* const scheduled = member.record.if_contains("scheduled_restart");
    if (!scheduled || !scheduled->is_object()) return "";
    std::string text = text_at(scheduled->get_object(), "schedule");
    const std::string version = text_at(scheduled->get_object(), "postgres_version");
    if (!version.empty()) text += " if version < " + version;
    return json::value(text);
}

json::value tags(const core::Member& member, Format format) {
    const auto* const written = member.record.if_contains("tags");
    if (!written || !written->is_object() || written->get_object().empty()) return "";
    if (format == Format::json || format == Format::yaml) return *written;
    if (format != Format::pretty) return json::value(config::yaml_flow_text(*written));
    std::string block = config::yaml_text(*written);
    while (block.ends_with('\n')) block.pop_back();
    return json::value(block);
}

json::value pending_restart(const core::Member& member) {
    const auto* const pending = member.record.if_contains("pending_restart");
    return pending && core::as_bool(*pending).value_or(false) ? "*" : "";
}

struct Column {
    std::string title;
    Align align;
    std::function<json::value(const Row&)> cell;
    bool optional = false;
};

std::vector<Column> columns_for(const MemberTableOptions& options, bool with_ports) {
    const Format format = options.format;
    const auto host = [with_ports](const Row& row) -> json::value {
        if (row.address.host.empty() || !with_ports) return json::value(row.address.host);
        return json::value(config::Address{row.address.host, row.address.port.value_or(usual_port)}.text());
    };
    const auto timeline = [](const Row& row) -> json::value {
        if (number(row.member->timeline) == 0) return "";
        return std::int64_t{number(row.member->timeline)};
    };
    std::vector<Column> columns;
    const auto add = [&](std::string title, Align align, std::function<json::value(const Row&)> cell,
                         bool optional = false) {
        columns.push_back({std::move(title), align, std::move(cell), optional});
    };
    if (!is_drawn(format))
        add("Cluster", Align::left, [&options](const Row&) { return json::value(options.cluster_name); });
    if (options.citus && !(options.one_group && is_drawn(format)))
        add("Group", Align::right, [](const Row& row) { return json::value(row.view->group.value_or(0)); });
    add("Member", Align::left, [](const Row& row) { return json::value(row.name); });
    add("Host", Align::left, host);
    add("Role", Align::left, [](const Row& row) { return json::value(row.role); });
    add("State", Align::left, [](const Row& row) { return json::value(row.state); });
    add("TL", Align::right, timeline);
    add("Receive LSN", Align::right, [](const Row& row) { return row.receive.lsn; });
    add(is_drawn(format) ? "Lag" : "Receive Lag", Align::right, [](const Row& row) { return row.receive.megabytes; });
    add("Replay LSN", Align::right, [](const Row& row) { return row.replay.lsn; });
    add(is_drawn(format) ? "Lag" : "Replay Lag", Align::right, [](const Row& row) { return row.replay.megabytes; });
    add(
        "Pending restart", Align::left, [](const Row& row) { return pending_restart(*row.member); }, true);
    add(
        "Pending restart reason", Align::left, [format](const Row& row) { return pending_reason(*row.member, format); },
        true);
    add(
        "Scheduled restart", Align::left, [](const Row& row) { return scheduled_restart(*row.member); }, true);
    add(
        "Tags", Align::left, [format](const Row& row) { return tags(*row.member, format); }, true);
    return columns;
}

std::string title_of(const std::vector<ClusterView>& views, const MemberTableOptions& options) {
    if (options.citus && !options.one_group) return " Citus cluster: " + options.cluster_name + " ";
    std::string sysid = "uninitialized";
    if (!views.empty() && views[0].cluster.initialize)
        sysid = views[0].cluster.initialize->empty() ? "initializing" : *views[0].cluster.initialize;
    if (options.citus)
        return " Citus cluster: " + options.cluster_name +
               " (group: " + std::to_string(views.empty() ? 0 : views[0].group.value_or(0)) + ", " + sysid + ") ";
    return " Cluster: " + options.cluster_name + " (" + sysid + ") ";
}

std::string footer(const std::vector<ClusterView>& views, const MemberTableOptions& options) {
    constexpr std::size_t indent = 24;
    const auto line = [](const std::string& label, const std::string& text) {
        return std::string(indent - label.size(), ' ') + label + ": " + text + "\n";
    };
    std::string out;
    for (const ClusterView& view : views) {
        std::string part;
        if (view.settings.pause) part += " Maintenance mode: on\n";
        if (const auto& failover = view.cluster.failover; failover && !failover->scheduled_text.empty()) {
            part += " Switchover scheduled at: " + failover->scheduled_text + "\n";
            if (!failover->leader.empty()) part += line("from", failover->leader);
            if (!failover->candidate.empty()) part += line("to", failover->candidate);
        }
        if (!part.empty() && options.citus && !options.one_group)
            out += "Citus group: " + std::to_string(view.group.value_or(0)) + "\n";
        out += part;
    }
    return out;
}

}  // namespace

ClusterView view_of(core::Cluster cluster, std::optional<int> group) {
    ClusterView view{group, std::move(cluster), {}};
    if (view.cluster.config)
        if (const auto dynamic = config::parse_dynamic(*view.cluster.config))
            view.settings = config::read_settings(*dynamic).settings;
    return view;
}

HostPort host_port_of(const std::string& conn_url) {
    const auto url = config::parse_url(conn_url);
    if (!url) return {};
    return {url->host, url->port};
}

std::string member_table(const std::vector<ClusterView>& views, const MemberTableOptions& options) {
    std::vector<Row> rows;
    for (const ClusterView& view : views) {
        std::vector<Row> part;
        for (const auto& [name, member] : view.cluster.members) part.push_back(row_of(view, member));
        if (options.format == Format::topology) part = in_topology(part, view.cluster);
        rows.insert(rows.end(), part.begin(), part.end());
    }

    Grid grid{.title = title_of(views, options)};
    grid.rows.resize(rows.size());
    for (const Column& column : columns_for(options, needs_ports(rows))) {
        std::vector<json::value> cells;
        bool any = options.extended || !column.optional;
        for (const Row& row : rows) {
            cells.push_back(column.cell(row));
            any |= !(cells.back().is_string() && cells.back().get_string().empty());
        }
        if (!any) continue;
        grid.columns.push_back(column.title);
        grid.aligns.push_back(column.align);
        for (std::size_t i = 0; i < rows.size(); ++i) grid.rows[i].push_back(std::move(cells[i]));
    }
    std::string out = print(grid, {.format = options.format, .omit_empty = true});
    if (is_drawn(options.format)) out += footer(views, options);
    return out;
}

}  // namespace castle::ctl
