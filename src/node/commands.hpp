// The subcommands of this folder. Each takes the arguments after its own name and answers with the exit status; errors
// and help are printed. They run a loop of their own on the calling thread.
#pragma once

#include <string>
#include <vector>

namespace castle::node {

int up(std::vector<std::string> arguments);  // also the supervisor itself: up --supervise DIR
int down(std::vector<std::string> arguments);
int status(std::vector<std::string> arguments);
int watch_writes(std::vector<std::string> arguments);

}  // namespace castle::node
