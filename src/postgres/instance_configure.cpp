// Instance: the dynamic configuration, slots, callbacks.
#include <signal.h>

#include <algorithm>

#include "base/text.hpp"
#include "core/cluster.hpp"
#include "postgres/instance.hpp"
#include "postgres/settings_diff.hpp"
#include "postgres/slots.hpp"

namespace castle::postgres {
namespace {

using namespace std::chrono_literals;
constexpr Duration query_patience = 5s;
// How long the postmaster may take to read its files again; the reference waits this long always.
constexpr Duration reload_patience = 1s;

}  // namespace

Task<Status> Instance::configure(std::string dynamic_json, bool force) {
    const bool news = !configured_ || dynamic_json != dynamic_json_;
    if (site_.options.policy && (news || force)) policy_ = site_.options.policy(dynamic_json);
    dynamic_json_ = std::move(dynamic_json);
    configured_ = true;
    if (process_.files().kind != core::DataDir::present || bootstrapping_ || rewinding_) co_return Done{};
    co_await remember_dynamic();
    CASTLE_CO_CHECK(co_await adopt_role());
    co_return co_await apply_config(force);
}

// A server that was running when we came: what it is decides which parameters are its, and whom it follows stays.
Task<Status> Instance::adopt_role() {
    if (process_.state() != core::ProcessState::running || !view_.accepting) co_return Done{};
    if (!view_.in_recovery) {
        role_ = Role::primary;
        following_ = {};
        co_return Done{};
    }
    if (following_.standby) co_return Done{};
    CASTLE_CO_TRY(ConnectionPtr connection, co_await connect_local("Patroni heartbeat", site_.in(query_patience)));
    CASTLE_CO_TRY(const Rows slot, co_await connection->query("SELECT pg_catalog.current_setting('primary_slot_name')",
                                                              site_.in(query_patience)));
    following_ = Following::of(view_.upstream);
    following_.own_slot = slot.text(0, 0) == core::slot_name(site_.options.name);
    role_ = role_for(false, std::nullopt);
    co_return Done{};
}

Task<Status> Instance::apply_config(bool force) {
    const bool running = process_.state() == core::ProcessState::running;
    // A stopped server gets its files when it is started, in the role that it will have then.
    if (!running) co_return Done{};
    CASTLE_CO_TRY(WrittenConfig written, co_await writer_.write(wanted()));
    co_return co_await compare_settings(std::move(written), force, site_.in(query_patience));
}

Task<Status> Instance::compare_settings(WrittenConfig written, bool force, BootTime deadline) {
    CASTLE_CO_TRY(ConnectionPtr connection, co_await connect_local("Patroni heartbeat", deadline));
    auto settings = co_await connection->query(settings_query(), deadline);
    if (!settings) co_return std::move(settings).error().in("compare the settings");
    const std::string conf_path = config_dir(site_.options) + "/" + site_.options.config_base_name + ".conf";
    SettingsDiff diff = diff_settings(*settings, written.parameters.values, conf_path);
    for (const auto& [name, change] : written.parameters.raised) diff.restart[name] = change;

    if (written.changed || force || diff.reload) {
        auto before = co_await connection->query("SELECT pg_catalog.pg_conf_load_time()", deadline);
        if (!before) co_return std::move(before).error();
        CASTLE_CO_CHECK(process_.signal(SIGHUP));
        const BootTime enough = std::min(deadline, site_.in(reload_patience));
        while (site_.loop.now() < enough) {
            co_await sleep_for(site_.loop, 10ms);
            auto after = co_await connection->query("SELECT pg_catalog.pg_conf_load_time()", deadline);
            if (!after || after->text(0, 0) != before->text(0, 0)) break;
        }
        if (written.changed || diff.reload) site_.info("PostgreSQL has read its changed configuration");
        callback("on_reload", role_ == Role::primary          ? "primary"
                              : role_ == Role::standby_leader ? "standby_leader"
                                                              : "replica");
    }
    const auto old = view_.pending_restart;
    view_.pending_restart = std::move(diff.restart);
    for (const auto& [name, change] : view_.pending_restart)
        if (!old.contains(name))
            site_.info("changed " + name + " from '" + change.old_value + "' to '" + change.new_value +
                       "' (restart might be required)");
    connection.reset();
    co_await look(deadline);
    co_return Done{};
}

Task<Status> Instance::set_synchronous_standby_names(std::optional<std::string> names) {
    if (names == sync_names_) co_return Done{};
    sync_names_ = std::move(names);
    if (process_.state() != core::ProcessState::running) co_return Done{};
    co_return co_await apply_config(false);
}

Task<Status> Instance::change_slots(std::vector<core::SlotStep> steps) {
    if (steps.empty()) co_return Done{};
    if (process_.state() != core::ProcessState::running) co_return Error{Errc::unavailable, "PostgreSQL does not run"};
    const BootTime deadline = site_.in(query_patience);
    const pid_t pid = process_.pid();
    // Slots are moved in every cycle: that is not worth a connection each time. A look meanwhile makes its own.
    ConnectionPtr connection = looking_ ? nullptr : std::move(monitor_);
    if (!connection || connection->broken()) {
        CASTLE_CO_TRY(connection, co_await connect_local("Patroni heartbeat", deadline));
    }
    auto changed = co_await postgres::change_slots(*connection, std::move(steps), deadline);
    if (!connection->broken() && !monitor_ && process_.pid() == pid) monitor_ = std::move(connection);
    if (!changed) co_return std::move(changed).error();
    for (const std::string& line : changed->done) site_.info(line);
    if (changed->problems != slot_problems_)
        for (const std::string& line : changed->problems) site_.warn(line);
    slot_problems_ = std::move(changed->problems);
    co_return Done{};
}

void Instance::callback(std::string action, std::string role) {
    const auto command = policy_.callbacks.find(action);
    if (command == policy_.callbacks.end() || command->second.empty() || bootstrapping_) return;
    auto argv = shell_split(command->second);
    if (!argv) {
        site_.error("callback " + action + ": " + argv.error().message);
        return;
    }
    for (const std::string& argument :
         {action, role == "promoted" ? std::string("primary") : role, site_.options.scope})
        argv->push_back(argument);
    // A new one ends the one before; a reload is no change of state and must not end one that tells of it.
    CancelSource& running = callbacks_running_[action == "on_reload" ? action : ""];
    running.cancel();
    running = CancelSource();
    scope_.spawn(run_callback(std::move(action), *std::move(argv), running.token()));
}

Task<> Instance::run_callback(std::string action, std::vector<std::string> argv, CancelToken cancel) {
    Command command{.argv = std::move(argv), .from = Command::From::server, .directory = site_.options.start_dir};
    auto outcome = co_await site_.programs.run(std::move(command), BootTime::max(), cancel);
    if (!outcome && outcome.error().code != Errc::cancelled)
        site_.error("callback " + action + ": " + outcome.error().message);
    if (outcome && !outcome->ok()) site_.error("callback " + action + ": " + outcome->reason());
}

}  // namespace castle::postgres
