// One simulated PostgreSQL: a data directory that outlives everything, and a server process that comes and goes.
//
// What it knows of the real one: WAL that is written and then flushed, crash recovery that keeps what was flushed,
// a full disk, timelines and their switch points, a control file that lags behind a promotion until the checkpoint,
// streaming to standbys with receive, flush and replay positions, commits that wait for named standbys, a fast stop
// that writes its shutdown checkpoint and then drains the WAL senders. It knows nothing of agents: whoever calls it may
// be gone before it is done.
#pragma once

#include <deque>
#include <string>

#include "core/instance.hpp"
#include "sim/network.hpp"
#include "sim/wal.hpp"

namespace castle::sim {

struct DataDirectory {
    bool present = false;
    bool torn = false;  // pg_rewind was interrupted: no server starts from it
    bool full = false;  // no primary can write here
    std::string system_id;
    WalPosition wal;
    core::ControlState state = core::ControlState::shut_down;
    Lsn checkpoint;
    Timeline checkpoint_timeline{};
    Lsn min_recovery_end;
    bool standby_signal = false;
    std::optional<core::Upstream> upstream;
    std::vector<std::string> synchronous;  // every one of these must have flushed a commit before it is acknowledged
    std::vector<std::string> slots;
    int set_aside = 0;  // data directories moved out of the way, in total
};

class Postgres;
// The other servers, and who wants to know.
struct Surroundings {
    World& world;
    Network& network;
    Wal& wal;
    std::vector<Postgres*> servers;
    std::function<void(Postgres&)> changed;  // process state, role or control file
    std::function<void(Postgres&)> client;   // a client may write now
    // A client was told that its write is committed.
    std::function<void(Postgres&, std::uint32_t write, const Branch&, Lsn)> acknowledged;
    Postgres* find(std::string_view host) const;  // hosts bear the names of their members
};

class Postgres {
public:
    Postgres(Surroundings& around, HostId host, std::string name);

    const std::string& name() const { return name_; }
    HostId host() const { return host_; }
    DataDirectory disk;

    // The process.
    core::ProcessState process() const { return process_; }
    int pid() const { return pid_; }
    bool accepting() const { return accepting_; }
    bool in_recovery() const { return in_recovery_; }
    bool frozen() const { return frozen_; }
    bool running() const { return process_ == core::ProcessState::running; }
    bool writable() const { return running() && accepting_ && !in_recovery_ && !frozen_; }
    bool ended_by_itself() const { return ended_by_itself_; }
    BootTime started() const { return started_; }

    Timeline timeline() const { return disk.wal.branch ? disk.wal.branch->timeline : Timeline{}; }
    Lsn flushed() const { return disk.wal.end; }
    // As a server tells it: with what it has flushed of a record that is not finished yet.
    Lsn reported_flushed() const { return std::max(disk.wal.end, partly_flushed_); }
    Lsn received() const { return std::max(received_, disk.wal.end); }
    Lsn replayed() const { return replayed_; }
    bool streaming() const { return receiver_.connected; }
    Lsn latest_end() const { return receiver_.latest_end; }
    const std::optional<core::Upstream>& following() const {
        return following_;
    }                                                      // as it was told, or found at its start
    Lsn confirmed() const { return receiver_.confirmed; }  // what the upstream knows to be flushed here
    Lsn sent() const { return receiver_.sent; }
    // The standby may believe in a connection whose other end is gone; the sender never does.
    bool streams_from(const Postgres& upstream) const {
        return receiver_.connected && receiver_.from == &upstream && receiver_.sender == upstream.incarnation_;
    }

    void start();  // as standby.signal says
    void promote(Timeline at_least);
    void stop_fast();
    void stop_now(bool by_itself = false);  // immediate, or killed: nothing more is written or said
    void crash() { stop_now(true); }
    void follow();  // reads the upstream that is on disk now
    // The disk becomes full when so many bytes of a record have been written; the server sees it a while later, and
    // ends.
    void fill_disk(std::uint64_t bytes, Duration ends_later);
    void empty_disk();
    void request_checkpoint();
    bool checkpointing() const { return checkpointing_; }

    void freeze();
    void thaw();

    // A client's write; acknowledged later, or never.
    void insert(std::uint32_t write, std::uint32_t bytes);

    // May a standby at `timeline`, `position` stream from here? Judged by numbers, as the real one does.
    enum class Offer { yes, behind, forked, garbled };
    Offer offer(const WalPosition& standby) const;

    Duration disk_latency();
    bool slow_disk = false;
    Duration slow_start{};  // added to the next starts and promotions

private:
    struct Receiver {
        Postgres* from = nullptr;
        bool connected = false;
        bool in_flight = false;
        std::uint64_t connection = 0;
        std::uint64_t sender = 0;  // incarnation of the upstream
        Lsn sent, confirmed, latest_end;
        BootTime last_heard{};
    };

    void later(Duration delay, std::function<void()> work);  // unless the process has ended by then
    void within(std::function<void()> work);                 // now, or when thawed
    void ready();
    void ready_as_primary();
    void finish_promotion(Timeline at_least);
    void shut_down();
    void check_drained();
    void end(bool by_itself);
    bool no_room();  // true: it cannot write, and has ended
    void append(std::uint32_t write, std::uint64_t bytes);
    void flush();
    void flushed_more();
    void acknowledge();
    void checkpoint_done();
    void changed() { around_.changed(*this); }

    void connect();
    void retry_connect();
    void disconnect(std::string_view why);
    void watch_connection(std::uint64_t connection);
    void send_to(Postgres& standby);
    void receive(std::uint64_t connection, Branch* tip, Lsn end);
    void received_until(std::uint64_t connection, WalPosition position);
    void heard_from(Postgres& standby, std::uint64_t connection, Lsn flushed);

    Surroundings& around_;
    World& world_;
    HostId host_;
    std::string name_;

    core::ProcessState process_ = core::ProcessState::stopped;
    std::uint64_t incarnation_ = 0;
    int pid_ = 0;
    bool accepting_ = false, in_recovery_ = true, promoting_ = false, draining_ = false, frozen_ = false;
    bool ended_by_itself_ = false, flushing_ = false, checkpointing_ = false, retrying_ = false;
    BootTime started_{};
    Lsn written_, partly_flushed_, received_, replayed_;
    std::vector<Branch::Record> unflushed_;
    std::deque<Branch::Record> waiting_;  // flushed here, not yet on all synchronous standbys
    std::vector<std::function<void()>> held_;
    std::optional<core::Upstream> following_;
    Receiver receiver_;
};

}  // namespace castle::sim
