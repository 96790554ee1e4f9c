// Who starts the postmaster and can kill its whole tree: the fence in life. Belongs to the loop's thread.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "base/result.hpp"
#include "postgres/owner.hpp"
#include "task/task.hpp"
#include "task/wait.hpp"

namespace castle::postgres {

struct PostmasterCommand {
    std::string data_dir;
    std::vector<std::string> argv;         // the first is a path
    std::vector<std::string> environment;  // whole
    Owner owner;
};

class Launcher {
public:
    virtual ~Launcher() = default;

    // Starts it in a session of its own, working in the data directory. Answers once exec has succeeded, with its
    // process id.
    virtual Task<Result<pid_t>> start(PostmasterCommand command) = 0;

    // Ends the postmaster and everything below it at once; answers when nothing of it is left.
    virtual Task<Status> kill_tree(std::string data_dir, pid_t postmaster) = 0;

    // Whether this process is held to a deadline: started, or adopted.
    virtual bool guards(pid_t postmaster) const = 0;
};

}  // namespace castle::postgres
