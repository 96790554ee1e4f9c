// Keeps one program running: takes over one that runs already, starts it otherwise, and starts it again when it ends,
// at once the first time and more and more slowly if it keeps ending. Belongs to the loop's thread.
#pragma once

#include <functional>
#include <optional>

#include "io/process.hpp"
#include "node/report.hpp"

namespace castle::node {

class Keeper {
public:
    struct Part {
        std::string name;
        io::SpawnOptions command;                    // must not die with us: we may be replaced
        std::function<std::optional<pid_t>()> find;  // the process if it runs already
    };
    // `changed` is notified when the report has changed, `log` called with each event.
    Keeper(io::Loop& loop, Part part, Signal& changed, std::function<void(const std::string&)> log);

    // Until cancelled; the program is left running then.
    Task<> keep(CancelToken cancel);
    const PartReport& report() const { return report_; }

private:
    Task<> run_once(CancelToken cancel);
    Task<> watch_foreign(pid_t pid, CancelToken cancel);
    void started(pid_t pid, std::string_view how);
    void ended(const std::string& how);

    io::Loop& loop_;
    Part part_;
    Signal& changed_;
    std::function<void(const std::string&)> log_;
    PartReport report_;
};

// How long to wait before the next start, after a run that lasted `lasted` and followed a wait of `before`.
Duration next_wait(Duration lasted, Duration before);

}  // namespace castle::node
