// The other end of the supervisor's socket: asking it from the command line. Belongs to the loop's thread.
#pragma once

#include <memory>
#include <string>

#include "io/stream.hpp"
#include "node/plan.hpp"
#include "node/report.hpp"

namespace castle::node {

class Control {
public:
    // `request` is status, watch or stop (supervisor.cpp). Errc::not_found: no supervisor runs.
    static Task<Result<Control>> ask(io::Loop& loop, Plan plan, std::string request, BootTime deadline);

    // The next report. Errc::not_found: it went away.
    Task<Result<Report>> next(BootTime deadline, CancelToken cancel = {});

private:
    explicit Control(io::StreamPtr stream) : stream_(std::move(stream)) {}
    io::StreamPtr stream_;
    std::string unread_;
};

// One report now. Errc::not_found: no supervisor runs.
Task<Result<Report>> ask_status(io::Loop& loop, Plan plan, BootTime deadline);

// Starts `pgcastle up --supervise DIR` in the background and waits until it answers. The error of one that ended says
// what it has written last.
Task<Status> start_supervisor(io::Loop& loop, Plan plan);

}  // namespace castle::node
