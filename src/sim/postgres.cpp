#include "sim/postgres.hpp"

namespace castle::sim {
namespace {

constexpr std::uint64_t record_bytes = 120;  // of the server's own records
constexpr auto first_position = Lsn{0x1000028};

}  // namespace

using core::ControlState;
using core::ProcessState;

Postgres* Surroundings::find(std::string_view host) const {
    for (Postgres* server : servers)
        if (server->name() == host) return server;
    return nullptr;
}

Postgres::Postgres(Surroundings& around, HostId host, std::string name)
    : around_(around), world_(around.world), host_(host), name_(std::move(name)) {}

Duration Postgres::disk_latency() {
    return slow_disk ? world_.random().between(100ms, 2000ms) : Duration{world_.random().between(0, 3)};
}

void Postgres::later(Duration delay, std::function<void()> work) {
    world_.after(delay, [this, incarnation = incarnation_, work = std::move(work)] {
        if (incarnation == incarnation_) within(work);
    });
}

void Postgres::within(std::function<void()> work) {
    if (frozen_)
        held_.push_back(std::move(work));
    else
        work();
}

void Postgres::freeze() {
    if (frozen_) return;
    frozen_ = true;
    changed();
}

void Postgres::thaw() {
    if (!frozen_) return;
    frozen_ = false;
    changed();
    auto held = std::exchange(held_, {});
    for (auto& work : held) later(0ms, std::move(work));
}

void Postgres::start() {
    if (process_ != ProcessState::stopped || !disk.present) return;
    ++incarnation_;
    pid_ = static_cast<int>(1000 + 10 * incarnation_);
    process_ = ProcessState::starting;
    started_ = world_.now();
    in_recovery_ = true;
    accepting_ = promoting_ = draining_ = flushing_ = checkpointing_ = retrying_ = false;
    ended_by_itself_ = false;
    unflushed_.clear();
    waiting_.clear();
    receiver_ = {.connection = receiver_.connection + 1};
    received_ = replayed_ = Lsn{};
    following_ = disk.upstream;
    world_.note(name_, disk.standby_signal ? "server starts as a standby" : "server starts as a primary");
    const bool clean = disk.state == ControlState::shut_down || disk.state == ControlState::shut_down_in_recovery;
    if (disk.torn || (disk.full && !disk.standby_signal)) {
        later(50ms, [this] { end(true); });
    } else {
        if (!clean && !disk.standby_signal) disk.state = ControlState::in_crash_recovery;
        if (disk.standby_signal) disk.state = ControlState::in_archive_recovery;
        later(world_.random().between(50ms, clean ? 300ms : 2000ms) + disk_latency() + slow_start, [this] { ready(); });
    }
    changed();
}

void Postgres::ready() {
    replayed_ = disk.wal.end;
    if (!disk.standby_signal) return ready_as_primary();
    process_ = ProcessState::running;
    accepting_ = true;
    changed();
    connect();
}

// Crash recovery on the same timeline is over. If anybody else has written on this timeline beyond what we have, the
// log forks here without PostgreSQL being able to tell.
void Postgres::ready_as_primary() {
    if (no_room()) return;
    if (disk.wal.branch->end > disk.wal.end) {
        disk.wal.branch = &around_.wal.begin(disk.wal.branch->timeline, disk.wal.end, disk.wal.branch);
        world_.note(name_, "timeline %1 now has two different continuations", {number(disk.wal.branch->timeline)});
    }
    written_ = disk.wal.end;
    process_ = ProcessState::running;
    in_recovery_ = false;
    accepting_ = true;
    disk.state = ControlState::in_production;
    disk.min_recovery_end = Lsn{};
    append(0, record_bytes);
    disk.checkpoint = written_;
    disk.checkpoint_timeline = disk.wal.branch->timeline;
    flush();
    world_.note(name_, "server accepts writes on timeline %1 from %2",
                {number(disk.wal.branch->timeline), static_cast<std::int64_t>(disk.wal.end.offset())});
    changed();
}

void Postgres::promote(Timeline at_least) {
    if (!running() || !in_recovery_ || promoting_) return;
    promoting_ = true;
    later(world_.random().between(30ms, 400ms) + disk_latency() + slow_start,
          [this, at_least] { finish_promotion(at_least); });
}

void Postgres::finish_promotion(Timeline at_least) {
    if (!running()) return;  // told to stop meanwhile
    if (no_room()) return;
    disconnect("promoted");
    promoting_ = false;
    received_ = replayed_ = disk.wal.end;
    std::uint32_t last = std::max(number(at_least), 1u) - 1;  // PostgreSQL itself knows only its own history
    for (const Branch* branch = disk.wal.branch; branch; branch = branch->parent)
        last = std::max(last, number(branch->timeline));
    disk.wal.branch = &around_.wal.begin(Timeline{last + 1}, disk.wal.end, disk.wal.branch);
    written_ = disk.wal.end;
    in_recovery_ = false;
    disk.standby_signal = false;
    disk.state = ControlState::in_production;
    disk.min_recovery_end = Lsn{};
    append(0, record_bytes);
    flush();
    world_.note(name_, "promoted to timeline %1 at %2", {last + 1, static_cast<std::int64_t>(disk.wal.end.offset())});
    request_checkpoint();
    changed();
}

void Postgres::request_checkpoint() {
    if (checkpointing_ || !running()) return;
    checkpointing_ = true;
    later(world_.random().between(50ms, 800ms) + disk_latency(), [this] { checkpoint_done(); });
}

void Postgres::checkpoint_done() {
    checkpointing_ = false;
    if (!running()) return;
    if (in_recovery_) {
        disk.min_recovery_end = replayed_;
    } else {
        if (no_room()) return;
        append(0, record_bytes);
        disk.checkpoint = written_;
        disk.checkpoint_timeline = timeline();
        flush();
    }
    changed();
}

void Postgres::fill_disk(std::uint64_t bytes, Duration ends_later) {
    disk.full = true;
    world_.note(name_, "the disk is full");
    if (!writable()) return;
    partly_flushed_ = Lsn{disk.wal.end.offset() + bytes};
    later(ends_later, [this] { no_room(); });
}

void Postgres::empty_disk() {
    disk.full = false;
    partly_flushed_ = {};
    world_.note(name_, "the disk has room again");
}

bool Postgres::no_room() {
    if (disk.full) end(true);
    return disk.full;
}

void Postgres::stop_fast() {
    if (process_ == ProcessState::starting) return stop_now();
    if (!running()) return;
    process_ = ProcessState::stopping;
    accepting_ = false;
    waiting_.clear();  // their clients are gone
    if (!in_recovery_) disk.state = ControlState::shutting_down;
    changed();
    later(world_.random().between(5ms, 200ms) + disk_latency(), [this] { shut_down(); });
}

void Postgres::shut_down() {
    if (in_recovery_) {
        disconnect("stopping");
        disk.state = ControlState::shut_down_in_recovery;
        disk.min_recovery_end = replayed_;
        return end(false);
    }
    if (no_room()) return;
    append(0, record_bytes);
    flush();
    disk.checkpoint = Lsn{disk.wal.end.offset() - record_bytes};
    disk.checkpoint_timeline = timeline();
    disk.state = ControlState::shut_down;
    draining_ = true;
    world_.note(name_, "shut down at %1", {static_cast<std::int64_t>(disk.wal.end.offset())});
    changed();
    check_drained();
}

void Postgres::check_drained() {
    if (!draining_) return;
    for (Postgres* standby : around_.servers)
        if (standby->streams_from(*this) && standby->receiver_.confirmed < disk.wal.end) return;
    draining_ = false;
    later(5ms, [this] { end(false); });
}

void Postgres::stop_now(bool by_itself) {
    if (process_ == ProcessState::stopped) return;
    end(by_itself);
}

void Postgres::end(bool by_itself) {
    if (in_recovery_ && running()) disk.min_recovery_end = replayed_;
    if (std::exchange(receiver_.connected, false))
        world_.after(1ms, [upstream = receiver_.from] { upstream->check_drained(); });
    // The standbys hear of it, if the way is open.
    for (Postgres* standby : around_.servers) {
        if (!standby->streams_from(*this)) continue;
        around_.network.send(host_, standby->host_, [standby, connection = standby->receiver_.connection] {
            if (standby->receiver_.connection == connection) standby->disconnect("upstream closed the connection");
        });
    }
    ++incarnation_;
    process_ = ProcessState::stopped;
    pid_ = 0;
    accepting_ = promoting_ = draining_ = false;
    in_recovery_ = true;
    ended_by_itself_ = by_itself;
    partly_flushed_ = {};
    unflushed_.clear();
    waiting_.clear();
    held_.clear();
    world_.note(name_, by_itself ? "server has crashed" : "server has ended");
    changed();
}

void Postgres::insert(std::uint32_t write, std::uint32_t bytes) {
    if (!writable()) return;
    append(write, bytes);
    if (flushing_) return;
    flushing_ = true;
    later(disk_latency(), [this] {
        flushing_ = false;
        if (!in_recovery_) flush();
    });
}

void Postgres::append(std::uint32_t write, std::uint64_t bytes) {
    if (written_ < first_position) written_ = first_position;
    written_ = Lsn{written_.offset() + bytes};
    unflushed_.push_back({written_, write});
}

void Postgres::flush() {
    if (unflushed_.empty() || disk.full) return;
    Branch& branch = *disk.wal.branch;
    for (const Branch::Record& record : unflushed_) {
        branch.records.push_back(record);
        if (record.write != 0 && running()) waiting_.push_back(record);
    }
    unflushed_.clear();
    branch.end = disk.wal.end = replayed_ = written_;
    flushed_more();
    acknowledge();
}

void Postgres::flushed_more() {
    for (Postgres* standby : around_.servers)
        if (standby->streams_from(*this) && !standby->receiver_.in_flight) send_to(*standby);
}

void Postgres::acknowledge() {
    if (waiting_.empty() || !writable()) return;
    Lsn safe = disk.wal.end;
    for (const std::string& name : disk.synchronous) {
        const Postgres* standby = around_.find(name);
        if (!standby || !standby->streams_from(*this)) return;
        safe = std::min(safe, standby->receiver_.confirmed);
    }
    while (!waiting_.empty() && waiting_.front().end <= safe) {
        const Branch::Record record = waiting_.front();
        waiting_.pop_front();
        around_.acknowledged(*this, record.write, *disk.wal.branch, record.end);
    }
}

}  // namespace castle::sim
