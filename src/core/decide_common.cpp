// What comes before any role: identity, unusable data, running actions, pause; and small helpers of all parts.
#include "base/text.hpp"
#include "core/decide_parts.hpp"

namespace castle::core {

// postgres://host:port/database, the host in [] if it is IPv6.
std::optional<Upstream> upstream_of_member(const Member& member) {
    std::string_view rest = member.conn_url;
    const auto scheme = rest.find("://");
    if (scheme == rest.npos) return std::nullopt;
    rest.remove_prefix(scheme + 3);
    rest = rest.substr(0, rest.find('/'));
    if (const auto at = rest.rfind('@'); at != rest.npos) rest.remove_prefix(at + 1);
    std::string_view host = rest, port = "5432";
    if (rest.starts_with('[')) {
        const auto end = rest.find(']');
        if (end == rest.npos) return std::nullopt;
        host = rest.substr(1, end - 1);
        if (end + 1 < rest.size() && rest[end + 1] == ':') port = rest.substr(end + 2);
    } else if (const auto colon = rest.rfind(':'); colon != rest.npos) {
        host = rest.substr(0, colon);
        port = rest.substr(colon + 1);
    }
    const auto number = parse_int(port);
    if (host.empty() || !number || *number < 1 || *number > 65535) return std::nullopt;
    return Upstream{member.name, std::string(host), static_cast<int>(*number)};
}

std::vector<Member> others_with_api(const Situation& s) {
    std::vector<Member> members;
    for (const auto& [name, member] : s.cluster->members)
        if (name != s.me && !member.api_url.empty()) members.push_back(member);
    return members;
}

std::optional<Upstream> wanted_upstream(const Situation& s) {
    if (!s.cluster || !s.cluster->leader) return std::nullopt;
    if (s.tags.nostream) return std::nullopt;
    if (!s.tags.replicatefrom.empty() && s.tags.replicatefrom != s.me)
        if (const Member* member = s.cluster->member(s.tags.replicatefrom))
            if (auto upstream = upstream_of_member(*member)) return upstream;
    const Member* leader = s.cluster->leader_member();
    return leader && leader->name != s.me ? upstream_of_member(*leader) : std::nullopt;
}

Decision data_unusable(const Situation& s) {
    const std::string text = "data directory is not usable: " + s.instance.data_problem;
    if (is_owner(s)) return act(Reason::data_unreadable, text, {.kind = Action::Kind::release_lock});
    return wait(Reason::data_unreadable, text);
}

std::optional<Decision> check_identity(const Situation& s) {
    if (s.instance.data != DataDir::present || !s.instance.control) return std::nullopt;
    if (s.activity == Activity::bootstrap || s.activity == Activity::clone || s.activity == Activity::reinit)
        return std::nullopt;
    const std::string& local = s.instance.control->system_id;
    if (s.cluster->initialized() && *s.cluster->initialize != local && !s.settings.pause)
        return act(Reason::wrong_cluster,
                   "system ID mismatch, node " + s.me + " belongs to a different cluster: " + *s.cluster->initialize +
                       " != " + local,
                   {.kind = Action::Kind::exit});
    // A standby cannot speak for a cluster that the store knows nothing of: its primary may be alive without an agent.
    if (!s.cluster->initialized() && !s.cluster->locked() && s.instance.running_standby() && !s.settings.pause &&
        s.memory.lineage.last().name.empty() && s.memory.lineage.system_id().empty() && s.activity == Activity::none)
        return act(Reason::standby_of_unknown,
                   "the cluster is not initialized in the store, and this is a standby; start the agent beside the "
                   "primary first",
                   {.kind = Action::Kind::exit});
    // Empty, it belongs to whoever bootstraps; once somebody leads that is over.
    // Nor does anybody who bootstraps in a store that has forgotten us.
    const bool known = s.memory.lineage.system_id() == local;
    const bool ours_to_say = is_owner(s) || (!s.cluster->locked() && (s.cluster->initialize != "" || known));
    if (!s.cluster->initialized() && valid_system_id(local) && ours_to_say)
        return act(Reason::racing, "writing the system identifier " + local, {.kind = Action::Kind::write_initialize});
    return std::nullopt;
}

namespace {

// Whether somebody can go on in place of a server that has not become a primary until `due`: one who has all of its
// WAL. A crash recovery that takes twice its time is as lost as if its machine were, and so is what nobody else has,
// within the limit.
bool replaceable(const Situation& s, bool promotes, BootTime due) {
    HandOver wanted{.others = s.findings->peers, .candidate = {}, .timeline = s.instance.timeline};
    if (promotes || s.now.boot < due + std::max(s.settings.primary_start_timeout, hang_patience)) {
        wanted.at_least = promotes ? s.instance.position() : *s.memory.crash_end;
    } else {
        wanted.leader_position = *s.memory.crash_end;
        wanted.lag_bytes_max = static_cast<std::uint64_t>(s.settings.maximum_lag_on_failover);
        wanted.check_timeline = true;
    }
    return possible(wanted);
}

}  // namespace

Decision decide_in_activity(const Situation& s) {
    const std::string what(name_of(s.activity));
    const auto cancel = [&](Reason reason, std::string text) {
        if (s.activity_cancelled) return wait(reason, what + " in progress");
        return act(reason, std::move(text), {.kind = Action::Kind::cancel_activity});
    };
    const bool as_primary = s.activity == Activity::promote || s.activity == Activity::start_primary;
    if (as_primary && !is_owner(s))
        return cancel(Reason::demoting_without_lock, what + " is cancelled: the leader lock is lost");
    // Crash recovery, or a promotion, may take longer than the users want to wait, if somebody else can go on.
    std::optional<BootTime> at;
    if (as_primary && !others_with_api(s).empty()) {
        const bool promotes = s.activity == Activity::promote;
        const BootTime until = promotes
                                   ? std::max(s.activity_since, s.memory.replay_moved_at) + promote_patience
                                   : s.memory.crashed_at.value_or(s.activity_since) + s.settings.primary_start_timeout;
        if (s.now.boot < until) {
            at = until;
        } else if (!promotes && !s.memory.crash_end) {
            return look_for_last_record();
        } else if (!s.findings) {
            return act(Reason::investigating, "asking the members whether one can take over",
                       {.kind = Action::Kind::investigate, .members = others_with_api(s)});
        } else if (replaceable(s, promotes, until)) {
            return promotes ? cancel(Reason::promote_stuck, "the promotion does not get on: handing over")
                            : cancel(Reason::crash_handover,
                                     "crash recovery takes longer than primary_start_timeout: handing over");
        }
    }
    if (is_owner(s)) return wait(Reason::action_in_progress, "updated leader lock during " + what, at);
    return wait(Reason::action_in_progress, what + " in progress", at);
}

// Nothing is started, stopped, promoted or demoted; the lock is held as long as the server is a primary.
Decision decide_paused(const Situation& s) {
    if (is_owner(s) && !s.instance.running_primary())
        return act(Reason::paused, "removed leader lock because postgres is not running as primary",
                   {.kind = Action::Kind::release_lock});
    if (!s.cluster->locked() && s.instance.running_primary()) return decide_race(s);
    if (is_owner(s)) return wait(Reason::paused, "no action. I am (" + s.me + "), the leader with the lock");
    return wait(Reason::paused, "no action. I am (" + s.me + "), a secondary");
}

}  // namespace castle::core
