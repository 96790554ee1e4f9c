// The command line: `patronictl ARGUMENTS`, and the same as `pgcastle ARGUMENTS`.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "config/environment.hpp"
#include "ctl/remote.hpp"
#include "ctl/terminal.hpp"

namespace castle::ctl {

// Does what the arguments say and returns the exit status: 0, 1 (an error, or aborted), 2 (wrong usage). Takes the
// PATRONI_* variables out of the environment.
int run(int argc, char** argv);

// The same with everything handed in, for tests.
struct Surroundings {
    std::string program;          // for usage texts
    config::Variables variables;  // PATRONI_*
    std::string config_file;      // PATRONICTL_CONFIG_FILE, or empty
    std::string dcs_url;          // DCS_URL, or empty
    std::string default_file;     // ~/.config/patroni/patronictl.yaml
    std::function<std::unique_ptr<Remote>(const config::Local&)> connect;
};
int run(const std::vector<std::string>& arguments, const Surroundings& surroundings, Terminal& terminal);

}  // namespace castle::ctl
