// The server as a process: whether its postmaster lives, what it writes into postmaster.pid and pg_control, how it is
// started and ended. Knows nothing of SQL. Belongs to the loop's thread.
//
// All of it is event-driven: a pidfd tells the postmaster's end whoever started it, inotify tells of changes to its
// files.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/instance.hpp"
#include "io/fd.hpp"
#include "ports/server.hpp"
#include "postgres/data_dir.hpp"
#include "postgres/launcher.hpp"
#include "postgres/site.hpp"
#include "task/scope.hpp"

namespace castle::postgres {

class ServerProcess {
public:
    ServerProcess(const Site& site, Launcher& launcher);

    const DataDirState& files() const { return files_; }
    core::ProcessState state() const;
    pid_t pid() const { return pid_; }
    bool ended_by_itself() const { return ended_by_itself_; }
    bool under_guard() const { return pid_ != 0 && launcher_.guards(pid_); }
    bool ready() const;  // it says so itself: takes connections, or is a standby that never will

    // Notified when state(), pid() or files() has changed.
    Signal& changed() { return changed_; }

    // Reads the files again. What cannot be read until the deadline stays as it was.
    Task<> refresh(BootTime deadline);
    void set_known_timeline(Timeline timeline) { known_timeline_ = timeline; }

    // Starts the postmaster once nothing of a former one is left. Answers when the program runs; see await_ready().
    Task<Status> launch(std::vector<std::string> argv);
    // Until it is ready. Errc::failed: it ended; Errc::cancelled, Errc::timed_out: it is still starting.
    Task<Status> await_ready(BootTime deadline, CancelToken cancel);
    Task<Status> stop(ports::StopMode mode, BootTime deadline);

    Status signal(int number);  // Errc::not_found: it does not run

private:
    Task<> watch_files();
    Task<> watch_end(pid_t pid, std::shared_ptr<io::Fd> pidfd);
    Task<Status> clear_orphans();
    Task<bool> await_end(BootTime deadline);
    Task<Status> kill();
    void apply(DataDirState next);
    void took_over(pid_t pid);
    void ended();

    const Site& site_;
    Launcher& launcher_;
    DataDirState files_;
    pid_t pid_ = 0;
    std::shared_ptr<io::Fd> pidfd_;
    bool stop_requested_ = false;
    bool ended_by_itself_ = false;
    Timeline known_timeline_{};
    Signal changed_;
    std::shared_ptr<io::Fd> inotify_;
    Scope scope_;
};

}  // namespace castle::postgres
