// Instance: how the local history fits the primary's, and pg_rewind.
#include <unistd.h>

#include <algorithm>

#include "base/text.hpp"
#include "postgres/aside.hpp"
#include "postgres/divergence.hpp"
#include "postgres/files.hpp"
#include "postgres/instance.hpp"
#include "postgres/single_user.hpp"
#include "postgres/timelines.hpp"
#include "postgres/wal_end.hpp"

namespace castle::postgres {
namespace {

using State = wire::ControlData::State;
using namespace std::chrono_literals;

constexpr Duration source_patience = 10s;
constexpr Duration checkpoint_patience = 600s;

struct PrimarySays {
    std::string system_id;
    Timeline timeline{};
    Lsn position;
    std::vector<std::pair<Timeline, Lsn>> history;
};

// `wanted`: whose switch points are needed; no history is fetched for the primary's own timeline.
Task<Result<PrimarySays>> ask_walsender(io::Loop& loop, ConnParams params, Timeline wanted, BootTime deadline) {
    params["replication"] = "true";
    CASTLE_CO_TRY(ConnectionPtr connection, co_await Connection::connect(loop, std::move(params), deadline));
    CASTLE_CO_TRY(const Rows system, co_await connection->query("IDENTIFY_SYSTEM", deadline));
    PrimarySays says{
        system.text(0, 0), Timeline{static_cast<std::uint32_t>(system.integer(0, 1))}, system.lsn(0, 2), {}};
    if (number(says.timeline) <= 1 || number(says.timeline) <= number(wanted)) co_return says;
    CASTLE_CO_TRY(const Rows history,
                  co_await connection->query("TIMELINE_HISTORY " + std::to_string(number(says.timeline)), deadline));
    says.history = parse_history(history.text(0, 1));
    co_return says;
}

// The control file of a server that has just been promoted may still name the old timeline; pg_rewind would believe it.
Task<Status> ensure_checkpointed(io::Loop& loop, ConnParams params, BootTime deadline) {
    params["options"] = "-c statement_timeout=0 -c search_path=pg_catalog";
    CASTLE_CO_TRY(ConnectionPtr connection, co_await Connection::connect(loop, std::move(params), deadline));
    CASTLE_CO_TRY(const Rows rows,
                  co_await connection->query(
                      "SELECT pg_catalog.pg_is_in_recovery(), CASE WHEN pg_catalog.pg_is_in_recovery() THEN true ELSE "
                      "(SELECT timeline_id FROM pg_catalog.pg_control_checkpoint()) = "
                      "('x' || pg_catalog.substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 1, "
                      "8))::bit(32)::int END",
                      deadline));
    if (rows.truth(0, 0)) co_return Error{Errc::unavailable, "the source of the rewind is no primary"};
    if (rows.truth(0, 1)) co_return Done{};
    auto done = co_await connection->query("CHECKPOINT", std::max(deadline, loop.now() + checkpoint_patience));
    if (!done) co_return std::move(done).error().in("checkpoint on the source of the rewind");
    co_return Done{};
}

// Removes the note when the rewind is over, whatever way.
class RewindMark {
public:
    RewindMark(std::string path, bool& flag) : path_(std::move(path)), flag_(flag) { flag_ = true; }
    RewindMark(const RewindMark&) = delete;
    RewindMark& operator=(const RewindMark&) = delete;
    ~RewindMark() { flag_ = false; }

    Status set(const Owner& owner) {
        return write_file(path_, "a pg_rewind of the directory beside this file is under way\n", 0600, owner);
    }
    void lift() { ::unlink(path_.c_str()); }

private:
    std::string path_;
    bool& flag_;
};

}  // namespace

Task<Result<ports::Server::Divergence>> Instance::compare(core::Upstream source, BootTime deadline) {
    if (source.host.empty()) co_return Divergence::unknown;
    const DataDirState& files = process_.files();
    if (!files.control) co_return Error{Errc::failed, "there is no local history to compare"};
    const wire::ControlData control = *files.control;

    LocalEnd local;
    if (process_.state() == core::ProcessState::running && view_.accepting) {
        auto own = co_await ask_walsender(site_.loop, local_params(site_.options.replication, site_.options.name),
                                          Timeline{0xFFFFFFFF}, deadline);
        local = {own ? own->timeline : view_.timeline, view_.position(), !view_.in_recovery, {}};
        // It got the history of a promotion that came to nothing, and waits for WAL of that timeline until it is
        // started again.
        if (view_.in_recovery && !view_.streaming) {
            auto find = [data_dir = site_.options.data_dir, known = local.timeline] {
                return later_timelines(data_dir, known);
            };
            CASTLE_CO_TRY(const std::vector<LaterTimeline> later,
                          co_await site_.loop.on_worker(std::move(find), deadline));
            for (const LaterTimeline& each : later)
                if (each.begins.known()) local.announced.push_back(each.timeline);
        }
    } else if (process_.pid() != 0) {
        co_return Divergence::unknown;
    } else if (control.state == State::shut_down) {
        local = {control.timeline, control.checkpoint, true, {}};
        auto end =
            co_await record_end(site_, control.timeline, control.checkpoint, control.wal_segment_bytes, deadline);
        if (end)
            local.shutdown_checkpoint_end = *end;
        else
            site_.warn("find the end of the shutdown checkpoint: " + end.error().message);
    } else if (control.min_recovery_end.known()) {
        local = {control.min_recovery_timeline, control.min_recovery_end, false, {}};
    } else {
        local = {control.timeline, control.checkpoint, true, {}};  // crashed as a primary
    }

    ConnParams params = connect_params({source.host, source.port}, site_.options.replication, site_.version);
    params["application_name"] = site_.options.name;
    params["connect_timeout"] = "3";
    params["target_session_attrs"] = "read-write";
    auto says = co_await ask_walsender(site_.loop, std::move(params), local.timeline, deadline);
    if (!says) co_return std::move(says).error().in("compare with the primary");
    if (says->system_id != std::to_string(control.system_id))
        co_return Error{Errc::invalid, "the primary's system identifier is " + says->system_id + ", ours " +
                                           std::to_string(control.system_id) + ": it belongs to another cluster"};
    const PrimaryEnd primary{says->timeline, says->position, std::move(says->history)};
    const Divergence verdict = judge_divergence(local, primary);
    if (verdict != Divergence::diverged || local.was_primary || local.lsn <= view_.replayed) co_return verdict;
    // What a standby received may end amid a record that nobody will complete. A server stops reading before it.
    const auto end =
        co_await wal_end(site_, local.timeline, view_.replayed, local.lsn, control.wal_segment_bytes, deadline);
    if (!end) co_return verdict;
    local.lsn = *end;
    co_return judge_divergence(local, primary);
}

Task<Result<Lsn>> Instance::last_record(BootTime deadline) {
    co_await process_.refresh(deadline);
    // While it recovers from a crash it writes no WAL; and if it is through a moment from now, the answer is only too
    // far.
    if (process_.state() == core::ProcessState::running) co_return Error{Errc::conflict, "PostgreSQL runs"};
    const auto& control = process_.files().control;
    if (!control) co_return Error{Errc::failed, "there is no control file"};
    // Promoted, and without a checkpoint since: the new timeline begins before what is told here, not at the redo
    // point.
    const bool promoted = number(control->min_recovery_timeline) > number(control->timeline);
    const Timeline timeline = promoted ? control->min_recovery_timeline : control->timeline;
    const Lsn from = promoted                             ? control->min_recovery_end
                     : control->state == State::shut_down ? control->checkpoint
                                                          : control->redo;
    co_return co_await wal_end(site_, timeline, from, view_.flushed, control->wal_segment_bytes, deadline);
}

Task<Result<std::string>> Instance::program_passfile(core::Upstream source, Credentials credentials) {
    co_return co_await writer_.write_pgpass({source.host, source.port}, std::move(credentials));
}

Task<Status> Instance::rewind(core::Upstream source, CancelToken cancel) {
    co_await process_.refresh(site_.in(10s));
    if (process_.pid() != 0) co_return Error{Errc::conflict, "PostgreSQL runs; it cannot be rewound"};
    const DataDirState files = process_.files();
    if (files.kind != core::DataDir::present || !files.control)
        co_return Error{Errc::invalid, "there is no data directory to rewind"};
    if (files.control->checksum_version == 0 && !files.control->wal_log_hints)
        co_return Error{Errc::invalid,
                        "pg_rewind needs data checksums or wal_log_hints, and the data directory has neither"};
    CASTLE_CO_TRY(const std::string program, site_.programs.path("pg_rewind"));

    const Credentials credentials = site_.options.rewind ? *site_.options.rewind : site_.options.superuser;
    ConnParams params = connect_params({source.host, source.port}, site_.options.superuser, site_.version);
    params["dbname"] = site_.options.database;
    params["connect_timeout"] = "3";
    CASTLE_CO_CHECK(co_await ensure_checkpointed(site_.loop, std::move(params), site_.in(source_patience)));

    RewindMark mark(rewind_mark(site_.options.data_dir), rewinding_);
    // Before PostgreSQL 16 pg_rewind takes the timeline of the last checkpoint for the one that the server is on.
    // Recovery ends with a checkpoint.
    const bool clean =
        files.control->state == State::shut_down || (files.control->state == State::shut_down_in_recovery &&
                                                     files.control->min_recovery_timeline <= files.control->timeline);
    if (!clean) {
        auto recovered = co_await recover_in_single_user_mode(site_, wanted(), writer_, cancel);
        co_await process_.refresh(site_.in(10s));
        if (!recovered) co_return std::move(recovered).error().in("crash recovery before the rewind");
    }
    CASTLE_CO_TRY(const std::string passfile, co_await program_passfile(source, credentials));
    params = connect_params({source.host, source.port}, credentials, site_.version);
    params["dbname"] = site_.options.database;
    params["application_name"] = site_.options.name;
    if (!site_.options.krbsrvname.empty()) params["krbsrvname"] = site_.options.krbsrvname;

    Command command{.argv = {program, "-D", site_.options.data_dir, "--source-server=" + conninfo_text(params)}};
    const bool in_data_dir = config_dir(site_.options) == site_.options.data_dir;
    const auto restore = policy_.recovery_conf.find("restore_command");
    const bool restores = restore != policy_.recovery_conf.end() || policy_.parameters.base.contains("restore_command");
    if (restores && (in_data_dir || site_.version.rewind_takes_config_file()))
        command.argv.push_back("--restore-target-wal");
    if (!in_data_dir && site_.version.rewind_takes_config_file())
        command.argv.push_back("--config-file=" + config_dir(site_.options) + "/" + site_.options.config_base_name +
                               ".conf");
    command.argv.insert(command.argv.end(), policy_.rewind_options.begin(), policy_.rewind_options.end());
    if (!passfile.empty()) command.environment.push_back("PGPASSFILE=" + passfile);
    command.directory = site_.options.data_dir;
    command.on_line = [this](std::string_view line) { site_.info("pg_rewind: " + std::string(line)); };

    // The rehearsal changes nothing, and most of what can fail fails in it.
    Command rehearsal = command;
    rehearsal.argv.push_back("--dry-run");
    rehearsal.on_line = nullptr;
    auto rehearsed = co_await site_.programs.run(std::move(rehearsal), BootTime::max(), cancel);
    if (!rehearsed) co_return std::move(rehearsed).error().in("pg_rewind");
    if (!rehearsed->ok()) co_return Error{Errc::failed, "pg_rewind: " + rehearsed->reason()};
    if ((rehearsed->output + rehearsed->errors).find("on the same timeline") != std::string::npos)
        co_return Error{Errc::invalid,
                        "pg_rewind compares timelines only, and finds the same one on both sides; WAL that "
                        "the primary has lost goes away by a new copy"};

    CASTLE_CO_CHECK(co_await writer_.back_up());
    auto marked = mark.set(site_.owner());
    if (!marked) site_.warn("an interrupted rewind would go unnoticed: " + marked.error().message);
    auto rewound = co_await site_.programs.must(std::move(command), BootTime::max(), cancel);
    if (!rewound) {
        // Half of it may be rewritten: nobody may start that, and the next clone needs the place.
        auto moved = co_await set_aside("pg_rewind did not get to its end");
        if (moved) mark.lift();
        co_return std::move(rewound).error();
    }
    mark.lift();
    CASTLE_CO_CHECK(co_await writer_.restore_backups());
    co_await process_.refresh(site_.in(10s));
    sync_view();
    site_.info("the data directory was rewound to the history of " + source.host + ":" + std::to_string(source.port));
    co_return Done{};
}

}  // namespace castle::postgres
