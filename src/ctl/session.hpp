// What every command has at hand, and the steps that several of them share. One thread; all calls wait.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "config/local.hpp"
#include "ctl/arguments.hpp"
#include "ctl/member_table.hpp"
#include "ctl/remote.hpp"
#include "ctl/terminal.hpp"

namespace castle::ctl {

struct Session {
    Terminal& terminal;
    Remote& remote;
    const config::Local& local;
    const Parsed& args;
    std::string cluster;       // its name
    std::optional<int> group;  // --group, or for some commands that of the configuration

    bool is_citus() const;
    bool forced() const { return args.has("force"); }
    std::string prefix() const { return prefix(group); }
    std::string prefix(std::optional<int> of_group) const;
};

// The answer of a command that was refused; printed as "Error: <text>", status 1.
Error refused(std::string text);

Result<ClusterView> read_view(Session& session);
// All groups of a Citus cluster, if none was chosen; else the one cluster.
Result<std::vector<ClusterView>> read_views(Session& session);

// The table of members as action commands show it.
Status show_members(Session& session);

// Roles as -r names them.
std::vector<const core::Member*> members_with_role(const core::Cluster& cluster, const std::string& role);
std::vector<const core::Member*> leader_first(const core::Cluster& cluster);

// "2026-01-01 10:00:00.12345", and without the fraction.
std::string timestamp(const Remote& remote);
std::string timestamp_seconds(const Remote& remote);
// An hour from now as people may type it, for prompts.
std::string next_hour(const Remote& remote);

// A request to a member's REST interface.
Result<Answer> call(Session& session, const core::Member& member, const std::string& method,
                    const std::string& endpoint, const std::optional<boost::json::object>& body = {});

// "Failed: <action> for member <name>, status code=<n>, (<body>)", or with the error if there was no answer.
std::string failed_text(const std::string& action, const std::string& member, const Result<Answer>& answer);

// Which members an action is about: the named ones of the role, or all; asks where the contract says so.
struct Selection {
    std::string action;  // "restart", "reload", "reinitialize", ...
    std::string role = "any";
    bool confirm = true;
};
Result<std::vector<core::Member>> select_members(Session& session, const ClusterView& view, const Selection& selection);
Status confirm_action(Session& session, const std::vector<core::Member>& members, const std::string& question,
                      const std::string& refusal);
std::string names_of(const std::vector<core::Member>& members);

}  // namespace castle::ctl
