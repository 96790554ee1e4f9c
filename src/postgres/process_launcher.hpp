// Starts the postmaster as a process of its own, without a fence: where the configuration asks for none, and in tests.
// The server outlives us. Belongs to the loop's thread.
#pragma once

#include <memory>

#include "io/loop.hpp"
#include "postgres/launcher.hpp"

namespace castle::postgres {

class ProcessLauncher final : public Launcher {
public:
    // `output_file`: where the server's standard output and error go; empty: where ours go.
    explicit ProcessLauncher(io::Loop& loop, std::string output_file = "")
        : loop_(loop), output_file_(std::move(output_file)) {}

    Task<Result<pid_t>> start(PostmasterCommand command) override;
    Task<Status> kill_tree(std::string data_dir, pid_t postmaster) override;
    bool guards(pid_t) const override { return false; }

private:
    io::Loop& loop_;
    std::string output_file_;
};

// Kills a server's postmaster and everything below it, and what is left of it if it has ended; blocks until nothing
// is left. For a worker. The fence does the same for the servers it started.
Status kill_server_tree(const std::string& data_dir, pid_t postmaster);

}  // namespace castle::postgres
