// switchover and failover: ask, check, hand it to a member, or write it to the store if no member answers.
#include <algorithm>
#include <boost/json/serialize.hpp>

#include "base/text.hpp"
#include "ctl/commands.hpp"

namespace castle::ctl {
namespace {

struct Wish {
    std::string action;  // "switchover" or "failover"
    std::string leader;  // of a switchover
    std::string candidate;
    std::optional<Moment> at;
};

// ['n2', 'n3']
std::string python_list(const std::vector<std::string>& names) {
    return names.empty() ? "[]" : "['" + join(names, "', '") + "']";
}

std::string titled(const std::string& action) {
    return action == "switchover" ? "Switchover" : "Failover";
}

class Planner {
public:
    Planner(Session& session, const ClusterView& view, std::string action)
        : session_(session), view_(view), leader_(view.cluster.leader ? view.cluster.leader->name : "") {
        wish_.action = std::move(action);
    }

    Result<Wish> run() {
        if (planned()) CASTLE_CHECK(choose_leader());
        CASTLE_CHECK(choose_candidate());
        if (planned()) CASTLE_CHECK(choose_time());
        CASTLE_CHECK(make_sure());
        return wish_;
    }

private:
    bool planned() const { return wish_.action == "switchover"; }
    bool forced() const { return session_.forced(); }

    Status choose_leader() {
        if (leader_.empty()) return refused("This cluster has no leader");
        auto given = session_.args.maybe("leader");
        if (!given) given = session_.args.maybe("master");
        if (!given && forced()) given = leader_;
        if (!given) {
            CASTLE_TRY(given, prompt(session_.terminal,
                                     view_.settings.is_standby_cluster() ? "Standby Leader" : "Primary", leader_));
        }
        if (*given != leader_) return refused("Member " + *given + " is not the leader of cluster " + session_.cluster);
        wish_.leader = *given;
        return Done{};
    }

    Status choose_candidate() {
        std::vector<std::string> names;  // in order, as the members are
        for (const auto& [name, member] : view_.cluster.members)
            if (name != leader_ && !member.tags.nofailover) names.push_back(name);
        if (names.empty()) return refused("No candidates found to " + wish_.action + " to");
        auto given = session_.args.maybe("candidate");
        if (!given && !forced()) {
            CASTLE_TRY(given, prompt(session_.terminal, "Candidate " + python_list(names), ""));
        }
        wish_.candidate = given.value_or("");
        if (!planned() && wish_.candidate.empty())
            return refused("Failover could be performed only to a specific candidate");
        if (wish_.candidate.empty() || std::ranges::find(names, wish_.candidate) != names.end())
            return ask_about_asynchronous();
        if (wish_.candidate == leader_)
            return refused("Member " + wish_.candidate + " is already the leader of cluster " + session_.cluster);
        return refused("Member " + wish_.candidate + " does not exist in cluster " + session_.cluster +
                       " or is tagged as nofailover");
    }

    Status ask_about_asynchronous() {
        const bool synchronous = view_.settings.is_synchronous() && !view_.cluster.sync.leader.empty();
        const bool listed =
            view_.cluster.sync.lists(wish_.candidate) || equal_nocase(view_.cluster.sync.leader, wish_.candidate);
        if (forced() || planned() || !synchronous || listed) return Done{};
        CASTLE_TRY(const bool yes,
                   confirm(session_.terminal,
                           "Are you sure you want to failover to the asynchronous node " + wish_.candidate + "?"));
        if (!yes) return refused("Aborting failover");
        return Done{};
    }

    Status choose_time() {
        auto given = session_.args.maybe("scheduled");
        if (!given && !forced()) {
            const std::string question =
                "When should the switchover take place (e.g. " + next_hour(session_.remote) + " ) ";
            CASTLE_TRY(given, prompt(session_.terminal, question, "now"));
        }
        CASTLE_TRY(wish_.at, parse_scheduled(given.value_or("now"), session_.remote.zone()));
        if (wish_.at && view_.settings.pause) return refused("Can't schedule switchover in the paused state");
        return Done{};
    }

    Status make_sure() {
        if (forced()) return Done{};
        const std::string demoting = leader_.empty() ? "" : ", demoting current leader " + leader_;
        const std::string question =
            wish_.at ? "Are you sure you want to schedule switchover of cluster " + session_.cluster + " at " +
                           wish_.at->iso() + demoting + "?"
                     : "Are you sure you want to " + wish_.action + " cluster " + session_.cluster + demoting + "?";
        CASTLE_TRY(const bool yes, confirm(session_.terminal, question));
        if (!yes) return refused((wish_.at ? "Aborting scheduled " : "Aborting ") + wish_.action);
        return Done{};
    }

    Session& session_;
    const ClusterView& view_;
    std::string leader_;
    Wish wish_;
};

boost::json::object request_of(const Wish& wish) {
    boost::json::object request;
    request["candidate"] = wish.candidate.empty() ? boost::json::value(nullptr) : boost::json::value(wish.candidate);
    if (!wish.leader.empty()) request["leader"] = wish.leader;
    if (wish.at) request["scheduled_at"] = wish.at->iso();
    return request;
}

// The failover key of the store, for when no member can be asked.
Status write_request(Session& session, const Wish& wish) {
    boost::json::object value;
    if (!wish.leader.empty()) value["leader"] = wish.leader;
    if (!wish.candidate.empty()) value["member"] = wish.candidate;
    if (wish.at) value["scheduled_at"] = wish.at->iso();
    CASTLE_CHECK(session.remote.write(session.prefix(), {{"failover", boost::json::serialize(value), false, {}}}));
    return Done{};
}

Result<Answer> ask_member(Session& session, const ClusterView& view, const Wish& wish) {
    const core::Member* const member =
        view.cluster.leader ? view.cluster.leader_member() : view.cluster.member(wish.candidate);
    if (!member) return Error{Errc::not_found, "no member to ask"};
    Result<Answer> answer = call(session, *member, "POST", wish.action, request_of(wish));
    const bool unknown = answer && answer->status == 501 && wish.action == "switchover" &&
                         answer->body.find("Server does not support this operation") != std::string::npos;
    return unknown ? call(session, *member, "POST", "failover", request_of(wish)) : std::move(answer);
}

Status send(Session& session, const ClusterView& view, const Wish& wish) {
    const Result<Answer> answer = ask_member(session, view, wish);
    if (!answer) {
        session.terminal.err(timestamp_seconds(session.remote) + " - WARNING - " + answer.error().message + "\n");
        session.terminal.line(timestamp(session.remote) + " Could not " + wish.action +
                              " using Patroni api, falling back to DCS");
        CASTLE_CHECK(write_request(session, wish));
    } else if (answer->status == 200 || answer->status == 202) {
        session.terminal.line(timestamp(session.remote) + " " + answer->body);
    } else {
        const bool unknown = answer->body.find("status unknown") != std::string::npos;
        session.terminal.line(titled(wish.action) + (unknown ? " result unknown" : " failed") +
                              ", details: " + std::to_string(answer->status) + ", " + answer->body);
        return Done{};
    }
    return show_members(session);
}

Status plan_and_send(Session& session, const std::string& action) {
    session.terminal.line("Current cluster topology");
    CASTLE_CHECK(show_members(session));
    if (session.is_citus() && !session.group) {
        if (session.forced()) return refused("For Citus clusters the --group must me specified");
        CASTLE_TRY(const std::string group, prompt(session.terminal, "Citus group"));
        const auto number = parse_int(group);
        if (!number || *number < 0 || *number > 1'000'000) return refused(group + " is not a valid integer");
        session.group = static_cast<int>(*number);
    }
    CASTLE_TRY(const ClusterView view, read_view(session));
    CASTLE_TRY(const Wish wish, Planner(session, view, action).run());
    return send(session, view, wish);
}

}  // namespace

Status switchover(Session& session) {
    return plan_and_send(session, "switchover");
}

Status failover(Session& session) {
    // As in version 3: a failover with a leader is a switchover without a time.
    if (session.args.has("leader") || session.args.has("master")) return plan_and_send(session, "switchover");
    return plan_and_send(session, "failover");
}

}  // namespace castle::ctl
