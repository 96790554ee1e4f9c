// `pgcastle --validate-config FILE`: everything that is wrong with a configuration, at once.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "config/local.hpp"
#include "config/probe.hpp"

namespace castle::config {

struct ValidateOptions {
    bool ignore_listen_port = false;  // do not fail on ports in use: the node is running
};

// All mistakes in the order of the file: those found while reading, and those that only a look at the machine shows.
std::vector<Mistake> validate(Local local, Probe& probe, const ValidateOptions& options);

// The whole command: one line for each problem in `errors`, the merged configuration as YAML in `output` if `print`.
// Returns the exit status.
struct ValidateCommand {
    std::optional<std::string> path;
    bool print = false;
    ValidateOptions options;
};
struct ValidateResult {
    int status = 0;
    std::string output;
    std::string errors;
};
ValidateResult run_validate(const ValidateCommand& command, const Variables& variables, Probe& probe);

}  // namespace castle::config
