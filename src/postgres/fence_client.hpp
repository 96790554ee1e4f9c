// The agent's side of the fence: finds or starts the program for a member, keeps the connection, and speaks the
// protocol.
//
// Whoever uses it calls open() once; from then on it connects anew whenever the connection breaks, starts a new fence
// when the old one has died (after killing what is left of the server: a server never goes on without its fence), and
// adopts a server that somebody else has started in the data directory, within 100 ms. Destroying it leaves fence and
// server as they are: the next agent finds both. Belongs to the loop's thread.
//
// Deadlines are handed over as what is left of them: the loop's time is comparable within this process only.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "fence/remains.hpp"
#include "io/loop.hpp"
#include "ports/fence.hpp"
#include "ports/journal.hpp"
#include "postgres/fence_client_link.hpp"

namespace castle::postgres {

struct FenceOptions {
    std::string program;      // empty: pgcastle-fence beside our own program
    std::string member;       // whose fence it is: scope and name
    std::string runtime_dir;  // empty: the default of this user
    std::string data_dir;
    bool use_cgroup = true;
};

// What the fence is to start. It runs as the owner of the data directory.
struct FencedServer {
    std::vector<std::string> argv;         // the first is a path
    std::vector<std::string> environment;  // whole
    std::vector<gid_t> groups;             // of the owner; used if we are root
    gid_t gid = 0;                         // the owner's first group; likewise
    int output = -1;                       // for its standard output and error; -1: ours
};

class FenceClient final : public ports::Fence {
public:
    FenceClient(io::Loop& loop, ports::Journal& journal, FenceOptions options);
    ~FenceClient() override;

    // Begins; answers when a fence is there, or with what prevents it (it goes on trying then).
    Task<Status> open(BootTime deadline);

    // ports::Fence
    ports::FenceState state() const override;
    Signal& changed() override { return changed_; }
    Task<Status> arm(Revision epoch, BootTime until, Duration stop_before) override;
    Task<Status> extend(Revision epoch, BootTime until, Duration stop_before) override;
    Task<Status> fire() override;
    Task<Status> disarm() override;
    Task<Status> check_watchdog(std::string device) override;
    Task<Result<Duration>> open_watchdog(std::string device, std::string driver, Duration timeout) override;
    Task<Status> close_watchdog() override;

    // Answers once exec has succeeded, with the postmaster's process id. Waits for what an earlier server left to be
    // gone.
    Task<Result<pid_t>> start_server(FencedServer server, BootTime deadline);
    // SIGTERM smart, SIGINT fast, SIGQUIT immediate stop; SIGHUP, SIGUSR1. Errc::not_found: no server runs.
    Task<Status> signal_server(int number);
    Task<Status> adopt_server(pid_t postmaster);

    // Removed from this machine when the fence fires.
    Task<Status> guard_address(fence::Address address);
    Task<Status> release_address(fence::Address address);

    // The fence ends as soon as it has no server: at once, or (a stop in pause) with it.
    Task<Status> end();

    // The last report: what guards are in force, how late the last firing was, how the last server ended.
    const FenceReport& report() const { return report_; }
    bool guards(pid_t postmaster) const {
        return attached() && postmaster > 0 && report_.numbers.state.server == postmaster;
    }
    // Another agent has taken this fence over: we are not the one any more, and must not come back.
    bool replaced() const { return replaced_; }

private:
    bool attached() const { return link_ && !link_->closed() && greeted_; }
    Task<> keep_connected();
    Task<Status> connect(BootTime deadline);
    Task<Status> start_program(BootTime deadline);
    Task<> after_loss();
    Task<> end_remains();
    Task<> keep_adopted();
    Task<Status> adopt_present();
    Task<> await_reaped(BootTime deadline);
    void take(fence::Kind kind, const FenceReport& report);
    template <class Fill>
    Task<Status> ask(fence::Kind kind, Fill fill, BootTime deadline, std::array<int, 2> descriptors = {-1, -1});
    Task<Status> move_deadline(fence::Kind kind, Revision epoch, BootTime until, Duration stop_before);

    io::Loop& loop_;
    ports::Journal& journal_;
    FenceOptions options_;
    std::shared_ptr<FenceLink> link_;  // shared with the calls that wait in it
    FenceReport report_;
    fence::Remains remains_;  // of the server of the last report
    bool greeted_ = false;
    bool replaced_ = false;
    int starting_ = 0;
    std::string trouble_;  // why there is no fence; as it was last logged
    Signal changed_;
    Scope scope_;
};

}  // namespace castle::postgres
