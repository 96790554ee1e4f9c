#include "ctl/program.hpp"

namespace castle::ctl {
namespace {

using enum Option::Kind;

Option group() {
    return {{"--group"}, integer, "Citus group"};
}
Option force() {
    return {{"--force"}, flag, "Do not ask for confirmation at any point"};
}
Option watch_2() {
    return {{"-W"}, flag, "Auto update the screen every 2 seconds"};
}
Option watch() {
    return {{"-w", "--watch"}, real, "Auto update the screen every X seconds"};
}
Option format() {
    return {{"-f", "--format"}, text, "Output format (pretty, tsv, json, yaml)"};
}
Option leader() {
    return {{"--leader", "--primary"}, text, "The name of the current leader"};
}
Option old_leader() {
    return {{"--master"}, text, "", {}, false, true};
}
Option candidate() {
    return {{"--candidate"}, text, "The name of the candidate"};
}

Option role(std::string help) {
    return {{"-r", "--role"},
            text,
            std::move(help),
            {"leader", "primary", "standby-leader", "replica", "standby", "any", "master"}};
}

Positional cluster() {
    return {"CLUSTER_NAME"};
}
Positional cluster_needed() {
    return {"CLUSTER_NAME", true};
}
Positional clusters() {
    return {"CLUSTER_NAMES", false, true};
}
Positional members() {
    return {"MEMBER_NAMES", false, true};
}

std::vector<Command> looking() {
    return {
        {"list",
         "List the members of a cluster",
         {clusters()},
         {group(),
          {{"-e", "--extended"}, flag, "Show some extra information"},
          {{"-t", "--timestamp"}, flag, "Print timestamp"},
          format(),
          watch_2(),
          watch()}},
        {"topology", "Show who follows whom", {clusters()}, {group(), watch_2(), watch()}},
        {"history", "Show the history of failovers/switchovers", {cluster()}, {group(), format()}},
        {"show-config", "Show cluster configuration", {cluster()}, {group()}},
        {"version", "Output version of the command line or of running members", {cluster(), members()}, {group()}},
        {"dsn",
         "Generate a dsn for the provided member, defaults to a dsn of the leader",
         {cluster()},
         {role("Give a dsn of any member with this role"),
          {{"-m", "--member"}, text, "Generate a dsn for this member"},
          group()}},
    };
}

std::vector<Command> changing() {
    return {
        {"edit-config",
         "Edit cluster configuration",
         {cluster()},
         {group(),
          {{"-q", "--quiet"}, flag, "Do not show changes"},
          {{"-s", "--set"}, text, "Set specific configuration value. Can be specified multiple times", {}, true},
          {{"-p", "--pg"},
           text,
           "Set specific PostgreSQL parameter value. Shorthand for -s postgresql.parameters. Can be "
           "specified multiple times",
           {},
           true},
          {{"--apply"}, text, "Apply configuration from file. Use - for stdin."},
          {{"--replace"}, text, "Apply configuration from file, replacing existing configuration. Use - for stdin."},
          force()}},
        {"switchover",
         "Switchover to a replica",
         {cluster()},
         {group(),
          leader(),
          old_leader(),
          candidate(),
          {{"--scheduled"}, text, "Timestamp of a scheduled switchover in unambiguous format (e.g. ISO 8601)"},
          force()}},
        {"failover", "Failover to a replica", {cluster()}, {group(), leader(), old_leader(), candidate(), force()}},
        {"restart",
         "Restart cluster member",
         {cluster_needed(), members()},
         {group(),
          role("Restart only members with this role"),
          {{"--any"}, flag, "Restart a single member only"},
          {{"--scheduled"}, text, "Timestamp of a scheduled restart in unambiguous format (e.g. ISO 8601)"},
          {{"--pg-version"}, text, "Restart if the PostgreSQL version is less than provided (e.g. 9.5.2)"},
          {{"--pending"}, flag, "Restart if pending"},
          {{"--timeout"}, text, "Return error and fail over if necessary when restarting takes longer than this."},
          force()}},
        {"reload",
         "Reload cluster member configuration",
         {cluster_needed(), members()},
         {group(), role("Reload only members with this role"), force()}},
        {"reinit",
         "Reinitialize cluster member",
         {cluster_needed(), members()},
         {group(),
          force(),
          {{"--from-leader"}, flag, "Get basebackup from leader"},
          {{"--wait"}, flag, "Wait until reinitialization completes"}}},
        {"flush",
         "Discard scheduled events",
         {cluster_needed(), members(), {"TARGET", true, false, {"restart", "switchover"}}},
         {group(), role("Flush only members with this role"), force()}},
        {"pause",
         "Disable auto failover",
         {cluster()},
         {group(), {{"--wait"}, flag, "Wait until pause is applied on all nodes"}}},
        {"resume",
         "Resume auto failover",
         {cluster()},
         {group(), {{"--wait"}, flag, "Wait until pause is cleared on all nodes"}}},
        {"remove", "Remove cluster from DCS", {cluster_needed()}, {group(), format()}},
    };
}

}  // namespace

Program patronictl(std::string name) {
    Program program{std::move(name),
                    {{{"-c", "--config-file"}, text, "Configuration file"},
                     {{"-d", "--dcs-url", "--dcs"}, text, "The DCS connect url"},
                     {{"-k", "--insecure"}, flag, "Allow connections to SSL sites without certs"}},
                    looking()};
    for (Command& command : changing()) program.commands.push_back(std::move(command));
    return program;
}

}  // namespace castle::ctl
