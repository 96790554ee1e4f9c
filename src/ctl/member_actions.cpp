// restart, reload, reinit: one request for each chosen member; a failure is printed and the next one goes on.
#include <algorithm>
#include <boost/json/parse.hpp>
#include <random>

#include "base/text.hpp"
#include "core/scalar.hpp"
#include "ctl/commands.hpp"

namespace castle::ctl {
namespace {

using namespace std::chrono_literals;

bool has(const core::Member& member, std::string_view key) {
    const auto* const value = member.record.if_contains(key);
    return value && !value->is_null();
}

// 9.5.2, 15.3: what the members understand.
Status check_version(const std::string& version) {
    const std::vector<std::string> parts = split(version, '.');
    if (parts.size() < 2 || parts.size() > 3)
        return refused("Invalid PostgreSQL version format: X.Y or X.Y.Z is accepted: " + version);
    for (const std::string& part : parts)
        if (!is_digits(part) || part.size() > 4) return refused("Invalid PostgreSQL version: " + version);
    return Done{};
}

Result<std::optional<Moment>> restart_time(Session& session) {
    auto given = session.args.maybe("scheduled");
    if (!given && !session.forced()) {
        CASTLE_TRY(given,
                   prompt(session.terminal,
                          "When should the restart take place (e.g. " + next_hour(session.remote) + ") ", "now"));
    }
    return parse_scheduled(given.value_or("now"), session.remote.zone());
}

Status confirm_restart(Session& session, const std::vector<core::Member>& members, const std::optional<Moment>& at) {
    const std::string names = names_of(members);
    if (!at)
        return confirm_action(session, members, "Are you sure you want to restart members " + names + "?",
                              "Aborted restart");
    const std::string question =
        session.args.has("pending")
            ? "Are you sure you want to schedule restart of members " + names + " at " + at->text() +
                  "? Those without a pending restart at that time will not be restarted"
            : "Are you sure you want to schedule restart of members " + names + " at " + at->text() + "?";
    return confirm_action(session, members, question, "Aborted scheduled restart");
}

Result<boost::json::object> restart_request(Session& session, const std::optional<Moment>& at) {
    boost::json::object request;
    auto version = session.args.maybe("pg-version");
    if (!version && !session.forced()) {
        CASTLE_TRY(version, prompt(session.terminal,
                                   "Restart if the PostgreSQL version is less than provided (e.g. 9.5.2) ", ""));
    }
    if (session.args.has("pending")) request["restart_pending"] = true;
    if (version && !version->empty()) {
        CASTLE_CHECK(check_version(*version));
        request["postgres_version"] = *version;
    }
    if (at) request["schedule"] = at->iso();
    if (const auto timeout = session.args.maybe("timeout")) request["timeout"] = *timeout;
    return request;
}

void restart_member(Session& session, const core::Member& member, const boost::json::object& request) {
    if (request.contains("schedule") && session.forced() && has(member, "scheduled_restart")) {
        const Result<Answer> flushed = call(session, member, "DELETE", "restart");
        if (!flushed || flushed->status >= 400)
            session.terminal.line(failed_text("flush scheduled restart", member.name, flushed));
    }
    const Result<Answer> answer = call(session, member, "POST", "restart", request);
    const int status = answer ? answer->status : 0;
    if (status == 200)
        session.terminal.line("Success: restart on member " + member.name);
    else if (status == 202)
        session.terminal.line("Success: restart scheduled on member " + member.name);
    else if (status == 409)
        session.terminal.line("Failed: another restart is already scheduled on member " + member.name);
    else
        session.terminal.line(failed_text("restart", member.name, answer));
}

// Whether it has begun.
Result<bool> reinit_member(Session& session, const core::Member& member) {
    bool force = session.forced();
    for (;;) {
        const boost::json::object request{{"force", force}, {"from_leader", session.args.has("from-leader")}};
        const Result<Answer> answer = call(session, member, "POST", "reinitialize", request);
        if (answer && answer->status < 400) {
            session.terminal.line("Success: reinitialize for member " + member.name);
            return true;
        }
        session.terminal.line(failed_text("reinitialize", member.name, answer));
        if (!answer || !answer->body.ends_with(" already in progress") || force) return false;
        CASTLE_TRY(force, confirm(session.terminal, "Do you want to cancel it and reinitialize anyway?"));
        if (!force) return false;
    }
}

// A member that does not answer is asked again: its agent may be restarting.
bool still_copying(Session& session, const core::Member& member) {
    const Result<Answer> answer = call(session, member, "GET", "patroni");
    if (!answer) return true;
    boost::json::error_code failed;
    const boost::json::value status = boost::json::parse(answer->body, failed);
    if (failed || !status.is_object()) return true;
    const auto* const state = status.get_object().if_contains("state");
    return state && state->is_string() && state->get_string() == "creating replica";
}

void wait_for_reinit(Session& session, std::vector<core::Member> waiting) {
    std::string shown;
    while (!waiting.empty()) {
        const std::string names = names_of(waiting);
        if (names != shown) session.terminal.line("Waiting for reinitialize to complete on: " + names);
        shown = names;
        session.remote.sleep(2s);
        std::erase_if(waiting, [&](const core::Member& member) {
            if (still_copying(session, member)) return false;
            session.terminal.line("Reinitialize is completed on: " + member.name);
            return true;
        });
    }
}

}  // namespace

Status restart(Session& session) {
    CASTLE_TRY(const ClusterView view, read_view(session));
    const Selection selection{.action = "restart", .role = session.args.text("role", "any"), .confirm = false};
    CASTLE_TRY(std::vector<core::Member> members, select_members(session, view, selection));
    CASTLE_TRY(const std::optional<Moment> at, restart_time(session));
    if (session.args.has("pending") && !at)
        std::erase_if(members, [](const core::Member& member) { return !has(member, "pending_restart"); });
    if (session.args.has("any") && members.size() > 1) {
        std::ranges::shuffle(members, std::mt19937(std::random_device{}()));
        members.resize(1);
    }
    CASTLE_CHECK(confirm_restart(session, members, at));
    if (at && view.settings.pause) return refused("Can't schedule restart in the paused state");
    CASTLE_TRY(const boost::json::object request, restart_request(session, at));
    for (const core::Member& member : members) restart_member(session, member, request);
    return Done{};
}

Status reload(Session& session) {
    CASTLE_TRY(const ClusterView view, read_view(session));
    CASTLE_TRY(const std::vector<core::Member> members,
               select_members(session, view, {.action = "reload", .role = session.args.text("role", "any")}));
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(view.settings.loop_wait).count();
    for (const core::Member& member : members) {
        const Result<Answer> answer = call(session, member, "POST", "reload", boost::json::object{});
        const int status = answer ? answer->status : 0;
        if (status == 200)
            session.terminal.line("No changes to apply on member " + member.name);
        else if (status == 202)
            session.terminal.line("Reload request received for member " + member.name +
                                  " and will be processed within " + std::to_string(seconds) + " seconds");
        else
            session.terminal.line(failed_text("reload", member.name, answer));
    }
    return Done{};
}

Status reinit(Session& session) {
    CASTLE_TRY(const ClusterView view, read_view(session));
    CASTLE_TRY(const std::vector<core::Member> members,
               select_members(session, view, {.action = "reinitialize", .role = "replica"}));
    std::vector<core::Member> begun;
    for (const core::Member& member : members) {
        CASTLE_TRY(const bool started, reinit_member(session, member));
        if (started) begun.push_back(member);
    }
    if (session.args.has("wait")) wait_for_reinit(session, std::move(begun));
    return Done{};
}

}  // namespace castle::ctl
