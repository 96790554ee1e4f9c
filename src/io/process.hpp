// Child processes, and the end of processes that are not children. Waits by pidfd: no SIGCHLD, no races over reused
// pids. Belongs to the loop's thread.
#pragma once

#include <sys/types.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "io/loop.hpp"
#include "io/users.hpp"

namespace castle::io {

struct ExitStatus {
    int code = 0;
    int signal = 0;  // 0: it ended by itself
    bool success() const { return code == 0 && signal == 0; }
    std::string text() const;  // "exit status 1", "killed by signal 9"
};

struct SpawnOptions {
    std::vector<std::string> argv;  // the program with its path, or a name that is looked up in PATH
    std::map<std::string, std::optional<std::string>> env;  // changes to our own environment; nothing takes one away
    std::string cwd;                                        // empty: ours
    std::optional<User> run_as;   // with its supplementary groups; needs root unless it is who we are already
    std::string input;            // given on stdin; otherwise stdin is /dev/null
    bool capture = true;          // stdout and stderr come through pipes; otherwise they are ours
    std::string output_file;      // stdout and stderr are appended to it instead (made with mode 0600, as ours)
    bool new_session = false;     // away from our terminal as well; it leads the group of its session
    bool die_with_parent = true;  // killed when we die, however that happens
    std::vector<int> inherit;     // descriptors that stay open under the same number
};

// A child in a process group of its own. Destroying it kills the group and reaps it in the background.
class Process {
public:
    // Errors tell what went wrong until the program ran, such as a program that is not there.
    static Task<Result<std::unique_ptr<Process>>> start(Loop& loop, SpawnOptions options);
    Process(const Process&) = delete;
    Process& operator=(const Process&) = delete;
    ~Process();

    pid_t pid() const;
    // Its end. Errc::timed_out and Errc::cancelled leave it running. May be called again after the end.
    Task<Result<ExitStatus>> wait(BootTime deadline, CancelToken cancel = {});
    void signal_group(int number);  // no effect once it has been reaped
    // SIGTERM, after `grace` SIGKILL, to the whole group. An error only if even that does not end it in 10 s.
    Task<Result<ExitStatus>> terminate(Duration grace);
    // Leaves it running when this object goes; its end is still reaped as long as the loop lives.
    void detach();

    struct State;
    State& state() { return *state_; }

private:
    explicit Process(std::shared_ptr<State> state);
    std::shared_ptr<State> state_;
};

enum class Output { out, err };

struct RunLimits {
    BootTime deadline = BootTime::max();
    CancelToken cancel;
    Duration grace{5'000};  // between SIGTERM and SIGKILL once the deadline has passed or the run is cancelled
    // Called with every complete line (ended by \n or \r, as progress lines are), and with the last one.
    std::function<void(Output, std::string_view)> on_line;
    std::size_t output_max = 16 << 20;  // what is kept of each stream; the rest is read and dropped
};

struct Finished {
    ExitStatus status;
    std::string out;
    std::string err;
};

// Runs a program to its end and collects what it says. A status other than 0 is not an error here. Errc::timed_out and
// Errc::cancelled come after the whole group was killed, their message ends with what was last said on stderr.
Task<Result<Finished>> run_program(Loop& loop, SpawnOptions options, RunLimits limits);

// Waits for the end of any process; at once if there is none.
Task<Status> watch_pid(Loop& loop, pid_t pid, BootTime deadline = BootTime::max(), CancelToken cancel = {});

}  // namespace castle::io
