// `pgcastle agent FILE`: one agent with real parts around it, until a signal ends it.
//
// SIGTERM and SIGINT stop server and agent; SIGHUP reads the configuration again; SIGUSR2 executes the program anew
// (after an upgrade) and leaves the server alone.
#pragma once

#include <optional>
#include <string>

namespace castle {

// `path`: a file or directory; nothing: PATRONI_CONFIGURATION or the variables alone. `argv` is kept for SIGUSR2.
// Returns the exit status: 0 after a clean stop, 1 for what cannot work.
int run_agent(std::optional<std::string> path, char** argv);

}  // namespace castle
