#include "sim/sim_server.hpp"

namespace castle::sim {

using core::ControlState;
using core::ProcessState;

SimServer::SimServer(Surroundings& around, Postgres& server, FenceProcess& fence, std::shared_ptr<Process> process,
                     std::vector<std::string> synchronous)
    : around_(around),
      world_(around.world),
      server_(server),
      fence_(fence),
      process_(std::move(process)),
      synchronous_(std::move(synchronous)) {
    view_.server_version = 150018;
    if (server_.disk.torn) move_aside("pg_rewind was interrupted");
    take_disk();
    take_process_part();
}

// The agent hears of changes in the order in which they happened, but only when it runs.
void SimServer::server_changed() {
    process_->deliver(world_.now(), [this] {
        take_process_part();
        take_disk();
        changed_.notify();
    });
}

void SimServer::take_disk() {
    const DataDirectory& disk = server_.disk;
    view_.data = disk.present ? core::DataDir::present : core::DataDir::empty;
    view_.standby_signal = disk.standby_signal;
    view_.disk_full = disk.full;
    if (!disk.present) {
        view_.control.reset();
        view_.history.clear();
        return;
    }
    core::ControlData& control = view_.control ? *view_.control : view_.control.emplace();
    control.system_id = disk.system_id;
    control.state = disk.state;
    control.timeline = disk.checkpoint_timeline;
    control.checkpoint = control.redo = disk.checkpoint;
    control.min_recovery_end = disk.min_recovery_end;
    control.min_recovery_timeline = disk.min_recovery_end.known() ? server_.timeline() : Timeline{};
    control.checksums = true;
    view_.history = history(disk.wal.branch);
    view_.upstream = server_.running() ? server_.following() : disk.upstream;
}

void SimServer::take_process_part() {
    view_.process = server_.process();
    view_.ended_by_itself = server_.ended_by_itself();
    view_.accepting = server_.accepting();
    view_.in_recovery = server_.in_recovery();
    view_.under_fence = server_.process() != ProcessState::stopped && fence_.alive();
    if (view_.postmaster_pid != server_.pid()) {
        view_.postmaster_pid = server_.pid();
        view_.postmaster_start_epoch = static_cast<double>(server_.started().time_since_epoch().count()) / 1000;
        view_.postmaster_start_time = server_.pid() ? "start of " + std::to_string(server_.pid()) : std::string();
    }
    if (!server_.running()) view_.streaming = false;
}

void SimServer::take_positions() {
    view_.read_failed = false;
    view_.looked_at = executor().now();
    view_.timeline = server_.timeline();
    view_.flushed = server_.in_recovery() ? Lsn{} : server_.reported_flushed();
    view_.received = server_.in_recovery() ? server_.received() : Lsn{};
    view_.replayed = server_.in_recovery() ? server_.replayed() : Lsn{};
    view_.streaming = server_.streaming();
    view_.latest_end = server_.latest_end();
    std::size_t senders = 0;
    for (const Postgres* standby : around_.servers) {
        if (!standby->streams_from(server_)) continue;
        if (senders == view_.walsenders.size()) view_.walsenders.emplace_back();
        core::Walsender& sender = view_.walsenders[senders++];
        sender.application_name = standby->name();
        sender.user = "replicator";
        sender.state = "streaming";
        sender.sync_state = "async";
        sender.sent = standby->sent();
        sender.write = sender.flush = sender.replay = standby->confirmed();
    }
    view_.walsenders.resize(senders);
    if (view_.slots.size() != server_.disk.slots.size() ||
        !std::ranges::all_of(server_.disk.slots, [&](const std::string& name) { return view_.slots.contains(name); })) {
        view_.slots.clear();
        for (const std::string& name : server_.disk.slots) {
            core::Slot& slot = view_.slots[name];
            slot.name = name;
            slot.restart_lsn = server_.flushed();
        }
    }
}

Task<> SimServer::look(BootTime deadline) {
    co_await sleep_for(executor(), Duration{world_.random().between(0, 2)});
    while (server_.frozen() && executor().now() < deadline)
        co_await sleep_until(executor(), std::min(deadline, executor().now() + 250ms));
    take_process_part();
    take_disk();
    if (!server_.running()) co_return;
    if (server_.frozen() || !server_.accepting())
        view_.read_failed = true;
    else
        take_positions();
}

Task<Status> SimServer::work(Duration time, CancelToken cancel) {
    if (server_.slow_disk) time *= 3;
    if (co_await sleep_for(executor(), time, cancel)) co_return Done{};
    co_return Error{Errc::cancelled, "cancelled"};
}

Result<Postgres*> SimServer::reachable(const core::Upstream& source, bool primary) const {
    Postgres* found = around_.find(source.host);
    if (!found || found == &server_ || !found->running() || found->frozen() || !found->accepting() ||
        !around_.network.open_both(server_.host(), found->host()) || (primary && found->in_recovery()))
        return Error{Errc::unavailable, "cannot connect to " + source.host};
    return found;
}

Task<Status> SimServer::bootstrap(CancelToken cancel) {
    if (server_.disk.present) co_return Error{Errc::invalid, "the data directory is not empty"};
    CASTLE_CO_CHECK(co_await work(world_.random().between(500ms, 2500ms), cancel));
    DataDirectory& disk = server_.disk;
    const int aside = disk.set_aside;
    disk = {.present = true, .set_aside = aside};
    disk.system_id = std::to_string(7'000'000'000'000'000'000 + world_.random().between(1, 1'000'000'000));
    disk.wal = {&around_.wal.begin(Timeline{1}, Lsn{0x1000028}, nullptr), Lsn{0x1000028}};
    disk.checkpoint = disk.wal.end;
    disk.checkpoint_timeline = Timeline{1};
    disk.synchronous = synchronous_;
    take_disk();
    co_return co_await start(cancel);
}

Task<Status> SimServer::clone(core::Upstream source, CancelToken cancel) {
    if (server_.process() != ProcessState::stopped) co_return Error{Errc::invalid, "the server is running"};
    CASTLE_CO_CHECK(reachable(source, false));
    DataDirectory& disk = server_.disk;
    const int aside = disk.set_aside + (disk.present ? 1 : 0);
    disk = {.set_aside = aside};
    take_disk();
    for (int part = 0; part < 4; ++part) {
        CASTLE_CO_CHECK(co_await work(world_.random().between(100ms, 1500ms), cancel));
        CASTLE_CO_CHECK(reachable(source, false));
    }
    CASTLE_CO_TRY(Postgres* const from, reachable(source, false));
    disk = {.present = true, .set_aside = aside};
    disk.system_id = from->disk.system_id;
    disk.wal = {from->disk.wal.branch, from->flushed()};
    disk.state = ControlState::in_archive_recovery;
    disk.checkpoint = from->disk.checkpoint;
    disk.checkpoint_timeline = from->disk.checkpoint_timeline;
    disk.min_recovery_end = from->flushed();
    disk.standby_signal = true;
    disk.upstream = source;
    disk.synchronous = synchronous_;
    take_disk();
    world_.note(server_.name(), "cloned from %1", {index(from->host())});
    changed_.notify();
    co_return Done{};
}

Task<Status> SimServer::rewind(core::Upstream source, CancelToken cancel) {
    if (server_.process() != ProcessState::stopped) co_return Error{Errc::invalid, "the server is running"};
    DataDirectory& disk = server_.disk;
    if (!disk.present) co_return Error{Errc::invalid, "the data directory is empty"};
    if (!disk.torn && disk.state != ControlState::shut_down && disk.state != ControlState::shut_down_in_recovery) {
        CASTLE_CO_CHECK(co_await work(world_.random().between(200ms, 2000ms), cancel));  // single-user crash recovery
        if (server_.process() != ProcessState::stopped) co_return Error{Errc::failed, "the server has been started"};
        disk.state = disk.standby_signal ? ControlState::shut_down_in_recovery : ControlState::shut_down;
        disk.checkpoint = disk.wal.end;
        disk.checkpoint_timeline = server_.timeline();
    }
    CASTLE_CO_TRY(Postgres* const from, reachable(source, true));
    // The adapter sees to it that the source has finished a checkpoint since its promotion.
    for (int tries = 0; from->disk.checkpoint_timeline != from->timeline() && tries < 50; ++tries) {
        from->request_checkpoint();
        CASTLE_CO_CHECK(co_await work(200ms, cancel));
        CASTLE_CO_CHECK(reachable(source, true));
    }
    // pg_rewind believes the control files: before the source's checkpoint both may show the same timeline.
    if (!disk.torn && from->disk.checkpoint_timeline == disk.checkpoint_timeline) {
        world_.note(server_.name(), "pg_rewind: no rewind required");
        co_return Done{};
    }
    disk.torn = true;
    for (int part = 0; part < 3; ++part) {
        auto worked = co_await work(world_.random().between(100ms, 700ms), cancel);
        auto there = reachable(source, true);
        if (worked && there) continue;
        move_aside("pg_rewind did not get to its end");  // half of it may be rewritten
        co_return worked ? there.error() : worked.error();
    }
    disk.torn = false;
    disk.wal = {from->disk.wal.branch, from->flushed()};
    disk.state = ControlState::in_archive_recovery;
    disk.checkpoint = from->disk.checkpoint;
    disk.checkpoint_timeline = from->disk.checkpoint_timeline;
    disk.min_recovery_end = from->flushed();
    disk.standby_signal = true;
    take_disk();
    world_.note(server_.name(), "rewound to %1", {index(from->host())});
    changed_.notify();
    co_return Done{};
}

Task<Status> SimServer::start(CancelToken cancel) {
    if (server_.process() != ProcessState::stopped) co_return Error{Errc::invalid, "the server is running"};
    if (!server_.disk.present) co_return Error{Errc::invalid, "there is no data directory"};
    if (!fence_.alive() || fence_.frozen()) co_return Error{Errc::unavailable, "the fence does not answer"};
    if (const auto answer = fence_.start_server(); answer != fence::Answer::ok)
        co_return Error{Errc::failed, std::string(fence::name_of(answer))};
    while (server_.process() == ProcessState::starting) {
        co_await wait_past(executor(), changed_, changed_.count(), executor().now() + 1s, cancel);
        if (!cancel.cancelled()) continue;
        server_.stop_now();
        co_return Error{Errc::cancelled, "cancelled"};
    }
    take_process_part();
    take_disk();
    if (!server_.running()) co_return Error{Errc::failed, "the server did not start"};
    if (server_.accepting() && !server_.frozen()) take_positions();
    co_return Done{};
}

Task<Status> SimServer::start_primary(CancelToken cancel) {
    server_.disk.standby_signal = false;
    return start(std::move(cancel));
}

Task<Status> SimServer::start_standby(std::optional<core::Upstream> upstream, CancelToken cancel) {
    server_.disk.standby_signal = true;
    server_.disk.upstream = std::move(upstream);
    return start(std::move(cancel));
}

Task<Status> SimServer::follow(std::optional<core::Upstream> upstream) {
    server_.disk.upstream = std::move(upstream);
    take_disk();
    co_await sleep_for(executor(), Duration{world_.random().between(1, 20)});
    server_.follow();
    co_return Done{};
}

Task<Status> SimServer::promote(Timeline at_least, CancelToken cancel) {
    if (!server_.running() || !server_.in_recovery()) co_return Error{Errc::invalid, "it is not a running standby"};
    const int pid = server_.pid();
    server_.promote(at_least);
    while (server_.pid() == pid && server_.running() && server_.in_recovery()) {
        co_await wait_past(executor(), changed_, changed_.count(), executor().now() + 1s, cancel);
        if (cancel.cancelled()) co_return Error{Errc::cancelled, "cancelled", Effect::unknown};
    }
    take_process_part();
    take_disk();
    if (server_.pid() != pid || !server_.running())
        co_return Error{Errc::failed, "the server ended while it was promoted"};
    if (!server_.frozen()) take_positions();
    co_return Done{};
}

Task<Status> SimServer::stop(ports::StopMode mode, BootTime deadline) {
    const int pid = server_.pid();
    if (mode == ports::StopMode::fast)
        server_.stop_fast();
    else
        server_.stop_now();
    while (pid != 0 && server_.pid() == pid) {
        if (executor().now() >= deadline) {
            server_.stop_now();
            break;
        }
        co_await wait_past(executor(), changed_, changed_.count(), std::min(deadline, executor().now() + 1s));
    }
    take_process_part();
    take_disk();
    co_return Done{};
}

Task<Status> SimServer::checkpoint(BootTime deadline) {
    if (!server_.running()) co_return Error{Errc::invalid, "the server is not running"};
    const int pid = server_.pid();
    server_.request_checkpoint();
    while (server_.pid() == pid && server_.checkpointing()) {
        if (executor().now() >= deadline) co_return Error{Errc::timed_out, "the checkpoint takes too long"};
        co_await wait_past(executor(), changed_, changed_.count(), std::min(deadline, executor().now() + 1s));
    }
    take_disk();
    co_return Done{};
}

Task<Result<Lsn>> SimServer::last_record(BootTime) {
    co_await sleep_for(executor(), world_.random().between(20ms, 400ms));
    if (server_.process() == ProcessState::running || !server_.disk.present)
        co_return Error{Errc::failed, "the server runs"};
    co_return server_.disk.wal.end;
}

// Files are compared and written, and the server is asked what it makes of them.
Task<Status> SimServer::configure(std::string, bool) {
    co_await sleep_for(executor(), server_.disk_latency());
    co_return Done{};
}

// WAL is never removed here, so how far a slot is makes no difference.
Task<Status> SimServer::change_slots(std::vector<core::SlotStep> steps) {
    if (!server_.running()) co_return Error{Errc::invalid, "the server is not running"};
    std::vector<std::string>& slots = server_.disk.slots;
    for (const core::SlotStep& step : steps) {
        if (step.kind == core::SlotStep::Kind::drop) std::erase(slots, step.name);
        if (step.kind == core::SlotStep::Kind::create && std::ranges::find(slots, step.name) == slots.end())
            slots.push_back(step.name);
    }
    co_return Done{};
}

void SimServer::move_aside(std::string_view why) {
    world_.say(server_.name(), "data directory moved aside: " + std::string(why));
    const int aside = server_.disk.set_aside + (server_.disk.present ? 1 : 0);
    server_.disk = {.set_aside = aside};
    take_disk();
}

Task<Status> SimServer::set_aside(std::string why) {
    if (server_.process() != ProcessState::stopped) co_return Error{Errc::invalid, "the server is running"};
    move_aside(why);
    co_return Done{};
}

// By timeline numbers and history, as the contract's rules compare: the simulator's better knowledge is not used. As
// the real one does, it reads what is here and then asks the other, who may be slow.
Task<Result<ports::Server::Divergence>> SimServer::compare(core::Upstream source, BootTime deadline) {
    const DataDirectory& disk = server_.disk;
    if (!disk.present) co_return Divergence::unknown;
    const Timeline mine = server_.timeline();
    Lsn position = disk.wal.end;
    if (!server_.running() && disk.state == ControlState::shut_down_in_recovery && disk.min_recovery_end.known())
        position = disk.min_recovery_end;
    const Postgres* other = around_.find(source.host);
    co_await sleep_for(executor(), world_.random().between(1ms, other && other->slow_disk ? 2500ms : 4ms));
    const auto from = reachable(source, true);
    if (!from) {
        co_await sleep_until(executor(), std::min(deadline, executor().now() + 500ms));
        co_return from.error();
    }
    const auto [branch, end] = stretch((*from)->disk.wal.branch, (*from)->disk.wal.end, mine);
    if (mine > (*from)->timeline() || !branch) co_return Divergence::diverged;
    if (mine == (*from)->timeline()) co_return position > (*from)->flushed() ? Divergence::diverged : Divergence::none;
    co_return position > end ? Divergence::diverged : Divergence::none;
}

void SimServer::callback(std::string action, std::string role) {
    world_.say(server_.name(), "callback " + action + " " + role);
}

}  // namespace castle::sim
