#include "ctl/session.hpp"

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <cstdio>
#include <set>

#include "base/text.hpp"

namespace castle::ctl {
namespace {

Moment local_moment(const Remote& remote, WallTime wall) {
    using namespace std::chrono;
    const auto parts_of = [](WallTime time) {
        const auto day = floor<days>(time);
        const year_month_day date{day};
        const hh_mm_ss clock{time - day};
        return LocalTime{static_cast<int>(date.year()),
                         static_cast<int>(static_cast<unsigned>(date.month())),
                         static_cast<int>(static_cast<unsigned>(date.day())),
                         static_cast<int>(clock.hours().count()),
                         static_cast<int>(clock.minutes().count()),
                         static_cast<int>(clock.seconds().count()),
                         static_cast<int>(clock.subseconds().count())};
    };
    const Zone zone = remote.zone();
    const minutes offset = zone.offset(parts_of(wall));  // exact but within the hour of a change
    return {parts_of(wall + offset), offset};
}

std::string seconds_text(const LocalTime& t) {
    char buffer[96];
    const int size = std::snprintf(buffer, sizeof buffer, "%04d-%02d-%02d %02d:%02d:%02d", t.year, t.month, t.day,
                                   t.hour, t.minute, t.second);
    return {buffer, static_cast<std::size_t>(size)};
}

// The keys of a Citus cluster begin with the number of their group.
std::vector<ClusterView> split_groups(const core::Snapshot& snapshot) {
    std::map<int, core::Snapshot> groups;
    for (const auto& [key, value] : snapshot.keys) {
        const auto slash = key.find('/');
        if (slash == key.npos || !is_digits(key.substr(0, slash))) continue;
        const auto group = parse_int(key.substr(0, slash));
        if (!group || *group > 1'000'000) continue;
        core::Snapshot& part = groups[static_cast<int>(*group)];
        part.revision = snapshot.revision;
        part.keys[key.substr(slash + 1)] = value;
    }
    std::vector<ClusterView> views;
    for (const auto& [group, part] : groups) views.push_back(view_of(core::read_cluster(part), group));
    return views;
}

}  // namespace

bool Session::is_citus() const {
    const auto* const section = local.document.data.if_contains("citus");
    return group.has_value() || (section && section->is_object());
}

std::string Session::prefix(std::optional<int> of_group) const {
    config::Local named;
    named.name_space = local.name_space;
    named.scope = cluster;
    return named.store_prefix() + (of_group ? std::to_string(*of_group) + "/" : "");
}

Error refused(std::string text) {
    return {Errc::invalid, std::move(text)};
}

Result<ClusterView> read_view(Session& session) {
    CASTLE_TRY(const core::Snapshot snapshot, session.remote.read(session.prefix()));
    return view_of(core::read_cluster(snapshot), session.group);
}

Result<std::vector<ClusterView>> read_views(Session& session) {
    if (session.is_citus() && !session.group) {
        CASTLE_TRY(const core::Snapshot snapshot, session.remote.read(session.prefix()));
        return split_groups(snapshot);
    }
    CASTLE_TRY(ClusterView view, read_view(session));
    std::vector<ClusterView> views;
    views.push_back(std::move(view));
    return views;
}

Status show_members(Session& session) {
    CASTLE_TRY(const std::vector<ClusterView> views, read_views(session));
    session.terminal.out(member_table(
        views, {.cluster_name = session.cluster, .citus = session.is_citus(), .one_group = session.group.has_value()}));
    return Done{};
}

std::vector<const core::Member*> members_with_role(const core::Cluster& cluster, const std::string& role) {
    std::vector<const core::Member*> members;
    const core::Member* const leader = cluster.leader_member();
    const bool standby_leader = leader && leader->role == "standby_leader";
    const bool primary = leader && leader->role == "primary";
    for (const auto& [name, member] : cluster.members) {
        const bool leads = &member == leader;
        const bool wanted = role == "any" || (role == "leader" && leads) ||
                            ((role == "primary" || role == "master") && leads && !standby_leader) ||
                            (role == "standby-leader" && leads && !primary) ||
                            ((role == "replica" || role == "standby") && !leads);
        if (wanted) members.push_back(&member);
    }
    return members;
}

std::vector<const core::Member*> leader_first(const core::Cluster& cluster) {
    std::vector<const core::Member*> members;
    const core::Member* const leader = cluster.leader_member();
    if (leader) members.push_back(leader);
    for (const auto& [name, member] : cluster.members)
        if (&member != leader) members.push_back(&member);
    return members;
}

std::string timestamp(const Remote& remote) {
    const LocalTime time = local_moment(remote, remote.now()).time;
    char buffer[32];
    const int size = std::snprintf(buffer, sizeof buffer, ".%06d", time.microsecond);
    return seconds_text(time) + std::string(buffer, static_cast<std::size_t>(size) - 1);  // five digits
}

std::string timestamp_seconds(const Remote& remote) {
    return seconds_text(local_moment(remote, remote.now()).time);
}

std::string next_hour(const Remote& remote) {
    std::string text = seconds_text(local_moment(remote, remote.now() + std::chrono::hours(1)).time);
    text[text.find(' ')] = 'T';
    return text.substr(0, text.rfind(':'));
}

Result<Answer> call(Session& session, const core::Member& member, const std::string& method,
                    const std::string& endpoint, const std::optional<boost::json::object>& body) {
    if (member.api_url.empty()) return Error{Errc::not_found, "member " + member.name + " shows no REST address"};
    std::optional<std::string> text;
    if (body) text = boost::json::serialize(*body);
    return session.remote.request(method, member.api_url, endpoint, text);
}

std::string failed_text(const std::string& action, const std::string& member, const Result<Answer>& answer) {
    const std::string start = "Failed: " + action + " for member " + member + ", ";
    if (!answer) return start + answer.error().message;
    return start + "status code=" + std::to_string(answer->status) + ", (" + answer->body + ")";
}

std::string names_of(const std::vector<core::Member>& members) {
    std::vector<std::string> names;
    for (const core::Member& member : members) names.push_back(member.name);
    return join(names, ", ");
}

Status confirm_action(Session& session, const std::vector<core::Member>& members, const std::string& question,
                      const std::string& refusal) {
    if (session.forced() || members.empty()) return Done{};
    CASTLE_TRY(const bool yes, confirm(session.terminal, question));
    if (!yes) return refused(refusal);
    return Done{};
}

Result<std::vector<core::Member>> select_members(Session& session, const ClusterView& view,
                                                 const Selection& selection) {
    std::map<std::string, const core::Member*> candidates;
    for (const core::Member* const member : members_with_role(view.cluster, selection.role))
        candidates.emplace(member->name, member);
    std::vector<std::string> names = session.args.positional("MEMBER_NAMES");
    if (names.empty() && candidates.empty()) return refused(session.cluster + " cluster doesn't have any members");
    CASTLE_CHECK(show_members(session));

    std::vector<std::string> all;
    for (const auto& [name, member] : candidates) all.push_back(name);
    if (!names.empty()) {
        std::vector<std::string> known;
        for (const std::string& name : std::set<std::string>(names.begin(), names.end()))
            if (candidates.contains(name)) known.push_back(name);
        if (known.empty()) return refused("No '" + selection.role + "' among provided members");
        names = known;
    } else if (selection.action != "reinitialize") {
        names = all;
    } else {
        if (session.forced()) return std::vector<core::Member>{};
        CASTLE_TRY(const std::string name,
                   prompt(session.terminal, "Which member do you want to reinitialize [" + join(all, ", ") + "]?", ""));
        if (!candidates.contains(name)) return refused(name + " is not a member of cluster");
        names = {name};
    }
    std::vector<core::Member> members;
    for (const std::string& name : names) members.push_back(*candidates.at(name));
    if (selection.confirm) {
        CASTLE_CHECK(confirm_action(
            session, members, "Are you sure you want to " + selection.action + " members " + names_of(members) + "?",
            "Aborted " + selection.action));
    }
    return members;
}

}  // namespace castle::ctl
