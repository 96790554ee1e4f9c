// PostgreSQL's own programs (initdb, pg_basebackup, pg_rewind, ...) and the user's scripts, run as the owner of the
// data directory. Belongs to the loop's thread.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "io/loop.hpp"
#include "postgres/options.hpp"
#include "postgres/owner.hpp"

namespace castle::postgres {

struct Command {
    std::vector<std::string> argv;         // the first is a path
    std::vector<std::string> environment;  // beside the one below; wins over it
    // What it gets of our environment: client_environment() for programs whose words we read; server_environment()
    // for what needs the operator's language and variables (initdb takes the cluster's locale from there), and scripts.
    enum class From { client, server };
    From from = From::client;
    std::string directory;                          // to work in; empty: "/"
    std::function<void(std::string_view)> on_line;  // called for every line of standard output and error
};

struct Outcome {
    int status = 0;      // exit status; 128 + signal
    std::string output;  // standard output
    std::string errors;  // the end of standard error
    bool ok() const { return status == 0; }
    // What the program said, in one line; else its status in words.
    std::string reason() const;
};

class Programs {
public:
    Programs(io::Loop& loop, const InstanceOptions& options, Owner owner);

    // Full path of one of PostgreSQL's programs, by the configured bin_dir and bin_name or found in PATH.
    Result<std::string> path(const std::string& name) const;

    // Runs until it ends. An error: it could not be started, or it was ended because of the deadline or the token
    // (SIGTERM to its group, SIGKILL after five seconds).
    Task<Result<Outcome>> run(Command command, BootTime deadline = BootTime::max(), CancelToken cancel = {}) const;

    // The same, where everything but status 0 is an error that says what the program said.
    Task<Result<std::string>> must(Command command, BootTime deadline = BootTime::max(), CancelToken cancel = {}) const;

    const Owner& owner() const { return owner_; }

private:
    io::Loop& loop_;
    std::string bin_dir_;
    std::map<std::string, std::string> bin_names_;
    Owner owner_;
};

// Splits as a shell would: blanks, quotes, backslashes; nothing is expanded. Errc::invalid for an open quote.
Result<std::vector<std::string>> shell_split(std::string_view text);

std::vector<std::string> our_environment();

}  // namespace castle::postgres
