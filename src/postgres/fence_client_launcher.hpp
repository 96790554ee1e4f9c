// Starts the postmaster through the fence, as its child. Belongs to the loop's thread.
#pragma once

#include <string>

#include "postgres/fence_client.hpp"
#include "postgres/launcher.hpp"

namespace castle::postgres {

class FenceLauncher final : public Launcher {
public:
    // `output_file`: where the server's standard output and error go; empty: where ours go. `fence` is of the data
    // directory of every command.
    FenceLauncher(io::Loop& loop, FenceClient& fence, std::string output_file = "")
        : loop_(loop), fence_(fence), output_file_(std::move(output_file)) {}

    Task<Result<pid_t>> start(PostmasterCommand command) override;
    // Without the fence (it is lost, or the server is not its) the processes are found and killed from here.
    Task<Status> kill_tree(std::string data_dir, pid_t postmaster) override;
    bool guards(pid_t postmaster) const override { return fence_.guards(postmaster); }

private:
    io::Loop& loop_;
    FenceClient& fence_;
    std::string output_file_;
};

}  // namespace castle::postgres
