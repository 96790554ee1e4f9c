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
          watch()},
         "Shows every member with its role, its state, its timeline and how far it is behind. Receive LSN is what it "
         "has got from its leader, Replay LSN what its queries see; Lag is in megabytes behind the leader's last known "
         "position.",
         {"demo", "demo -e -t", "demo -f json", "demo -w 1"}},
        {"topology",
         "Show who follows whom",
         {clusters()},
         {group(), watch_2(), watch()},
         "As list, the leader first and every member indented below the one that it receives from.",
         {"demo"}},
        {"history",
         "Show the history of failovers/switchovers",
         {cluster()},
         {group(), format()},
         "Each line is a timeline that ended: where, why, when, and who led after it.",
         {"demo", "demo -f yaml"}},
        {"show-config",
         "Show cluster configuration",
         {cluster()},
         {group()},
         "Prints the dynamic configuration, which holds for all members, as YAML.",
         {"demo"}},
        {"version",
         "Output version of the command line or of running members",
         {cluster(), members()},
         {group()},
         "Without a cluster the version of this command line, with one those of its members and their PostgreSQL.",
         {"demo"}},
        {"query",
         "Query a member's PostgreSQL",
         {cluster()},
         {group(),
          {{"--format"}, text, "Output format (pretty, tsv, json, yaml)"},
          {{"-f", "--file"}, text, "Execute the SQL commands from this file"},
          {{"--password"}, flag, "Force password prompt"},
          {{"-U", "--username"}, text, "Database user name"},
          watch_2(),
          watch(),
          role("The role of the query"),
          {{"-m", "--member"}, text, "Query a specific member"},
          {{"--delimiter"}, text, "The column delimiter"},
          {{"-c", "--command"}, text, "The SQL commands to execute"},
          {{"-d", "--dbname"}, text, "Database name to connect to"}},
         "Without a role or a member the leader is asked. Output is tab separated.",
         {"demo -c 'SELECT pg_is_in_recovery()'", "demo -r replica -c 'SELECT now()' -w 1"}},
        {"dsn",
         "Generate a dsn for the provided member, defaults to a dsn of the leader",
         {cluster()},
         {role("Give a dsn of any member with this role"),
          {{"-m", "--member"}, text, "Generate a dsn for this member"},
          group()},
         "Prints host and port, to be used in a shell.",
         {"demo", "demo -r replica"}},
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
          force()},
         "Changes the dynamic configuration: in an editor, or by the options below (first --replace, then --apply, -s "
         "and -p). Shows the difference and asks before it writes; nothing is written if somebody else changed the "
         "configuration meanwhile.",
         {"demo", "demo -s ttl=20 -s loop_wait=5", "demo -s maximum_lag_on_failover=null",
          "demo -p work_mem=16MB --force", "demo --apply changes.yml"}},
        {"switchover",
         "Switchover to a replica",
         {cluster()},
         {group(),
          leader(),
          old_leader(),
          candidate(),
          {{"--scheduled"}, text, "Timestamp of a scheduled switchover in unambiguous format (e.g. ISO 8601)"},
          force()},
         "Moves the leadership while everything works: the leader stops cleanly, the candidate receives all of it and "
         "takes over. Asks for what is not given; with --force it asks nothing and goes ahead at once.",
         {"demo", "demo --candidate n2 --force", "demo --scheduled 2026-01-31T03:00+01:00"}},
        {"failover",
         "Failover to a replica",
         {cluster()},
         {group(), leader(), old_leader(), candidate(), force()},
         "For a cluster without a healthy leader: lets the candidate take over without waiting for the old leader. "
         "What the candidate has not received is lost; while the leader is healthy use switchover.",
         {"demo --candidate n2"}},
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
          force()},
         "Restarts PostgreSQL of the named members, or of all of the role, and waits until it is up again.",
         {"demo", "demo n2 --force", "demo --pending", "demo -r replica --scheduled 2026-01-31T03:00"}},
        {"reload",
         "Reload cluster member configuration",
         {cluster_needed(), members()},
         {group(), role("Reload only members with this role"), force()},
         "Lets members read their local configuration files again.",
         {"demo", "demo n2 --force"}},
        {"reinit",
         "Reinitialize cluster member",
         {cluster_needed(), members()},
         {group(),
          force(),
          {{"--from-leader"}, flag, "Get basebackup from leader"},
          {{"--wait"}, flag, "Wait until reinitialization completes"}},
         "Throws the data of a replica away and copies it anew from another member.",
         {"demo n3", "demo n3 --from-leader --wait --force"}},
        {"flush",
         "Discard scheduled events",
         {cluster_needed(), members(), {"TARGET", true, false, {"restart", "switchover"}}},
         {group(), role("Flush only members with this role"), force()},
         "Takes back a scheduled restart or switchover.",
         {"demo switchover", "demo n2 restart"}},
        {"pause",
         "Disable auto failover",
         {cluster()},
         {group(), {{"--wait"}, flag, "Wait until pause is applied on all nodes"}},
         "In maintenance mode nothing fails over and PostgreSQL is left alone: stopping an agent leaves its server "
         "running.",
         {"demo --wait"}},
        {"resume",
         "Resume auto failover",
         {cluster()},
         {group(), {{"--wait"}, flag, "Wait until pause is cleared on all nodes"}},
         "Ends maintenance mode.",
         {"demo --wait"}},
        {"remove",
         "Remove cluster from DCS",
         {cluster_needed()},
         {group(), format()},
         "Deletes everything that the store knows of a cluster. Stop its members first; their data stays where it is.",
         {"demo"}},
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
