#include "main/dispatch.hpp"

#include <algorithm>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/version.hpp"
#include "config/probe.hpp"
#include "config/validate.hpp"
#include "ctl/run.hpp"
#include "io/files.hpp"
#include "main/agent_program.hpp"
#include "node/commands.hpp"
#include "sim/run.hpp"

namespace castle {
namespace {

constexpr const char* help = R"(usage: pgcastle COMMAND [ARGUMENTS]

A fault-tolerant PostgreSQL cluster.

on this machine
  up          a whole cluster in one directory: etcd, agents, servers; `up` again resumes it
  status      how it is
  down        stop it; the data stays
  watch-writes  a client that writes and tells which gaps it sees

on every node
  agent FILE              the agent: keeps this node's PostgreSQL (as `patroni FILE`)
  --validate-config FILE  say what is wrong with a configuration, with file and line

the cluster (as patronictl; `pgcastle ctl COMMAND` is the same)
  list, topology                members and their state
  switchover, failover          let another member lead
  restart, reload, reinit       PostgreSQL of members
  show-config, edit-config      the dynamic configuration
  history, version              earlier leaders; versions of members

more
  simulate    whole clusters in one thread, with faults, from a seed
  --version   the version of this program

`pgcastle COMMAND --help` tells the rest.
)";

std::vector<std::string> rest(int argc, char** argv, int from) {
    return {argv + std::min(from, argc), argv + argc};
}

int validate(const std::vector<std::string>& arguments) {
    config::ValidateCommand command;
    for (const std::string& argument : arguments) {
        if (argument == "--print" || argument == "-p")
            command.print = true;
        else if (argument == "--ignore-listen-port" || argument == "-i")
            command.options.ignore_listen_port = true;
        else if (argument != "--validate-config")
            command.path = argument;
    }
    const auto variables = config::take_environment();
    config::MachineProbe probe;
    const auto result = config::run_validate(command, variables, probe);
    std::fputs(result.errors.c_str(), stderr);
    std::fputs(result.output.c_str(), stdout);
    return result.status;
}

// `patroni [--version | --validate-config ...] [FILE]`
int as_agent(const std::vector<std::string>& arguments, char** argv) {
    if (std::ranges::find(arguments, "--validate-config") != arguments.end()) return validate(arguments);
    if (arguments.empty()) return run_agent(std::nullopt, argv);
    if (arguments.size() > 1 || arguments[0].starts_with("-")) {
        std::fputs(
            "usage: pgcastle agent [FILE]\n\nRuns the agent with the configuration FILE (a file, or a directory of "
            ".yml files).\n"
            "Without FILE the configuration comes from PATRONI_CONFIGURATION, or from PATRONI_* variables alone.\n",
            arguments[0] == "--help" ? stdout : stderr);
        return arguments[0] == "--help" ? 0 : 2;
    }
    return run_agent(arguments[0], argv);
}

}  // namespace

int dispatch(int argc, char** argv) {
    const std::string_view path = argc > 0 ? argv[0] : "pgcastle";
    const std::string_view invoked_as = path.substr(path.rfind('/') + 1);
    if (invoked_as == "patronictl") return ctl::run(argc, argv);
    const std::string command = argc > 1 ? argv[1] : "";
    if (command == "--version") {
        std::printf("pgcastle %s\n", castle_version);
        return 0;
    }
    if (invoked_as == "patroni") return as_agent(rest(argc, argv, 1), argv);
    if (command.empty() || command == "--help" || command == "help") {
        std::fputs(help, command.empty() ? stderr : stdout);
        return command.empty() ? 2 : 0;
    }
    if (command == "agent") return as_agent(rest(argc, argv, 2), argv);
    if (command == "--validate-config") return validate(rest(argc, argv, 1));
    if (command == "up") return node::up(rest(argc, argv, 2));
    if (command == "down") return node::down(rest(argc, argv, 2));
    if (command == "status") return node::status(rest(argc, argv, 2));
    if (command == "watch-writes") return node::watch_writes(rest(argc, argv, 2));
    if (command == "simulate") return sim::run(rest(argc, argv, 2));
    if (command == "ctl") {
        argv[1] = argv[0];
        return ctl::run(argc - 1, argv + 1);
    }
    // `pgcastle patroni.yml`, as `patroni patroni.yml`.
    if (command.ends_with(".yml") || command.ends_with(".yaml")) return as_agent(rest(argc, argv, 1), argv);
    return ctl::run(argc, argv);
}

}  // namespace castle
