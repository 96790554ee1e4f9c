#include "postgres/instance.hpp"

#include <unistd.h>

#include <algorithm>

#include "base/text.hpp"
#include "postgres/aside.hpp"
#include "postgres/files.hpp"
#include "postgres/look.hpp"
#include "postgres/settings_diff.hpp"

namespace castle::postgres {
namespace {

using core::ProcessState;
using namespace std::chrono_literals;

// A look must not hold a cycle up for longer, whatever the server does.
constexpr Duration look_patience = 3s;

constexpr const char* dynamic_file = "/patroni.dynamic.json";

struct Raise {
    bool& flag;
    Signal& lowered;
    Raise(bool& raised, Signal& signal) : flag(raised), lowered(signal) { flag = true; }
    Raise(const Raise&) = delete;
    Raise& operator=(const Raise&) = delete;
    ~Raise() {
        flag = false;
        lowered.notify();
    }
};

Task<Result<Version>> ask_version(const Programs& programs, io::Loop& loop) {
    CASTLE_CO_TRY(const std::string path, programs.path("postgres"));
    Command command{.argv = {path, "--version"}};
    CASTLE_CO_TRY(const std::string said, co_await programs.must(std::move(command), loop.now() + 30s));
    co_return parse_version(said);
}

std::string first_socket_dir(const std::string& directories) {
    for (const std::string& raw : split(directories, ',')) {
        const std::string directory(trim(raw));
        if (directory.starts_with('/')) return directory;
    }
    return {};
}

// The address under which a server that listens there is reached from here.
std::string local_host(const std::string& listen_addresses) {
    const std::vector<std::string> all = split(listen_addresses, ',');
    for (const std::string& raw : all) {
        const std::string address = lower(trim(raw));
        if (address == "*" || address == "0.0.0.0" || address == "::" || address == "127.0.0.1" ||
            address == "localhost")
            return "localhost";
    }
    return all.empty() ? "localhost" : std::string(trim(all[0]));
}

// One text for whoever finds it, and both versions in it.
std::string wrong_major(const Site& site, int major) {
    const auto program = site.programs.path("postgres");
    const std::string where = program ? program->substr(0, program->rfind('/')) : site.options.bin_dir;
    return "the data directory " + site.options.data_dir + " belongs to PostgreSQL " + std::to_string(major) +
           ", but the programs in " + where + " are version " + std::to_string(site.version.major()) +
           "; correct postgresql.bin_dir and restart the agent, run pg_upgrade, or move the directory away to have "
           "this "
           "member cloned anew";
}

}  // namespace

Task<Result<std::unique_ptr<Instance>>> Instance::open(io::Loop& loop, InstanceOptions options, Launcher& launcher,
                                                       ports::Journal& journal) {
    while (options.data_dir.size() > 1 && options.data_dir.ends_with('/')) options.data_dir.pop_back();
    if (!options.data_dir.starts_with('/'))
        co_return Error{Errc::invalid, "postgresql.data_dir must be a full path, is \"" + options.data_dir + "\""};
    auto look_for_owner = [path = options.data_dir] { return find_owner(path); };
    CASTLE_CO_TRY(Owner owner, co_await loop.on_worker(std::move(look_for_owner), loop.now() + 30s));
    Programs programs(loop, options, std::move(owner));
    CASTLE_CO_TRY(const Version version, co_await ask_version(programs, loop));
    auto look_at_files = [path = options.data_dir]() -> Result<DataDirState> { return read_data_dir(path); };
    CASTLE_CO_TRY(const DataDirState files, co_await loop.on_worker(std::move(look_at_files), loop.now() + 30s));
    Site site{loop, journal, std::move(options), std::move(programs), version};
    if (files.major != 0 && files.major != version.major())
        co_return Error{Errc::invalid, wrong_major(site, files.major)};
    std::unique_ptr<Instance> instance(new Instance(std::move(site), launcher));
    co_await instance->process_.refresh(loop.now() + 30s);
    instance->sync_view();
    CASTLE_CO_CHECK(co_await instance->clear_interrupted_rewind());
    auto recall = [path = instance->site_.options.data_dir + dynamic_file] { return read_file(path); };
    auto remembered = co_await loop.on_worker(std::move(recall), loop.now() + 30s);
    if (remembered) instance->remembered_dynamic_ = *std::move(remembered);
    co_return instance;
}

// Whoever had it rewound did not live to see the end, and took pg_rewind along: the directory is neither old nor new.
Task<Status> Instance::clear_interrupted_rewind() {
    const std::string mark = rewind_mark(site_.options.data_dir);
    auto find = [mark]() -> Result<bool> { return file_exists(mark); };
    CASTLE_CO_TRY(const bool marked, co_await site_.loop.on_worker(std::move(find), site_.in(30s)));
    if (!marked) co_return Done{};
    if (process_.pid() == 0) {
        CASTLE_CO_CHECK(co_await set_aside("it was being rewound when the agent ended"));
    }
    auto remove = [mark] { return remove_file(mark); };
    co_return co_await site_.loop.on_worker(std::move(remove), site_.in(30s));
}

Instance::Instance(Site site, Launcher& launcher)
    : site_(std::move(site)), process_(site_, launcher), writer_(site_), scope_(site_.loop) {
    if (site_.options.policy) policy_ = site_.options.policy("");
    on_process_ = process_.changed().subscribe([this] { sync_view(); });
}

Instance::~Instance() = default;

// The part of the view that needs no SQL.
void Instance::sync_view() {
    const DataDirState& files = process_.files();
    const core::Instance before = view_;
    view_.data = files.kind;
    view_.data_problem = files.problem;
    // It was replaced, or upgraded, while we were here. That its control file cannot be read follows from it.
    if (files.major != 0 && files.major != site_.version.major() && process_.pid() == 0) {
        view_.data = core::DataDir::unreadable;
        view_.data_problem = wrong_major(site_, files.major);
    }
    view_.standby_signal = files.standby_signal;
    view_.control = files.control ? std::optional(to_core(*files.control)) : std::nullopt;
    view_.process = process_.state();
    view_.postmaster_pid = process_.pid();
    view_.under_fence = process_.under_guard();
    view_.ended_by_itself = process_.ended_by_itself();
    view_.history = files.history;
    view_.disk_full = files.disk_full;
    if (view_.process == ProcessState::stopped) {
        monitor_.reset();
        view_.accepting = false;
        view_.streaming = false;
        view_.client_backends = 0;
        view_.walsenders.clear();
        view_.slots.clear();
        if (view_.control) view_.timeline = view_.control->timeline;
    } else if (view_.postmaster_pid != before.postmaster_pid) {
        view_.accepting = false;
        view_.in_recovery = true;  // until it says otherwise: never take somebody for a primary by mistake
        view_.pending_restart.clear();
        asked_in_recovery_ = true;
    }
    if (view_.process == ProcessState::running && view_.control) {
        if (view_.control->state == core::ControlState::in_production) view_.in_recovery = false;
        if (view_.control->state == core::ControlState::in_archive_recovery) view_.in_recovery = true;
    }
    const auto control_state = [](const core::Instance& one) {
        return one.control ? std::optional(one.control->state) : std::nullopt;
    };
    const bool news = before.process != view_.process || before.postmaster_pid != view_.postmaster_pid ||
                      before.in_recovery != view_.in_recovery || before.data != view_.data ||
                      control_state(before) != control_state(view_) || before.standby_signal != view_.standby_signal;
    if (news) changed_.notify();
}

void Instance::take_options(InstanceOptions options) {
    options.scope = site_.options.scope;
    options.name = site_.options.name;
    options.data_dir = site_.options.data_dir;
    options.config_dir = site_.options.config_dir;
    options.config_base_name = site_.options.config_base_name;
    options.bin_dir = site_.options.bin_dir;
    options.bin_names = site_.options.bin_names;
    options.start_dir = site_.options.start_dir;
    site_.options = std::move(options);
    configured_ = false;
    monitor_.reset();  // the superuser may be another
}

ConnParams Instance::local_params(const Credentials& credentials, const std::string& application) const {
    Address to{local_host(site_.options.listen_addresses), site_.options.port};
    std::string socket_dir;
    if (const auto& file = process_.files().postmaster) {
        if (file->port != 0) to.port = file->port;
        socket_dir = file->socket_dir;
        if (file->listen_address.empty() && !socket_dir.empty()) to.host = socket_dir;  // it listens nowhere else
    } else {
        const auto configured = policy_.parameters.base.find("unix_socket_directories");
        if (configured != policy_.parameters.base.end()) socket_dir = first_socket_dir(configured->second);
    }
    if (site_.options.use_unix_socket && !socket_dir.empty()) to.host = socket_dir;
    ConnParams params = connect_params(to, credentials, site_.version);
    params["dbname"] = site_.options.database;
    params["application_name"] = application;
    params["connect_timeout"] = "3";
    params["options"] = "-c statement_timeout=2000 -c search_path=pg_catalog";
    params["fallback_application_name"] = "pgcastle";
    return params;
}

Task<Result<ConnectionPtr>> Instance::connect_local(std::string application, BootTime deadline, CancelToken cancel) {
    ConnParams params = local_params(site_.options.superuser, application);
    co_return co_await Connection::connect(site_.loop, std::move(params), deadline, cancel);
}

Task<Status> Instance::read_running(BootTime deadline) {
    const pid_t pid = process_.pid();
    ConnectionPtr connection = std::move(monitor_);
    // Planned once for each connection: that takes twice as long as to carry it out.
    std::string query = "EXECUTE look";
    if (!connection || connection->broken()) {
        auto fresh = co_await connect_local("Patroni heartbeat", deadline);
        if (!fresh) co_return std::move(fresh).error();
        connection = *std::move(fresh);
        query = "PREPARE look AS " + look_query() + "; " + query;
    }
    const BootTime asked = site_.loop.now();
    auto rows = co_await connection->query(std::move(query), deadline);
    if (!rows) co_return std::move(rows).error();
    if (process_.pid() != pid) co_return Error{Errc::unavailable, "the server ended meanwhile"};
    monitor_ = std::move(connection);
    const bool recovered = view_.in_recovery;
    CASTLE_CO_TRY(std::vector<std::string> waiting, apply_look(*rows, view_));
    asked_in_recovery_ = view_.in_recovery;
    view_.looked_at = asked;
    view_.accepting = true;
    process_.set_known_timeline(view_.timeline);
    if (recovered != view_.in_recovery) changed_.notify();
    co_await read_pending_restart(std::move(waiting), deadline);
    co_return Done{};
}

// A change made by others (ALTER SYSTEM, an edited file and a reload) shows in pg_settings, the value it will have in
// pg_file_settings.
Task<> Instance::read_pending_restart(std::vector<std::string> waiting, BootTime deadline) {
    const auto ignored = [](const std::string& name) {
        return config::is_recovery_parameter(name) || name == "hot_standby";
    };
    std::erase_if(waiting,
                  [&](const std::string& name) { return ignored(name) || view_.pending_restart.contains(name); });
    if (waiting.empty() || !monitor_) co_return;
    auto rows = co_await monitor_->query(pending_restart_query(waiting), deadline);
    if (!rows) co_return;
    for (std::size_t row = 0; row < rows->size(); ++row)
        view_.pending_restart[rows->text(row, 0)] = {rows->text(row, 1),
                                                     rows->is_null(row, 2) ? "?" : rows->text(row, 2)};
}

Task<> Instance::look(BootTime deadline) {
    while (looking_ && site_.loop.now() < deadline) {
        const auto seen = looked_.count();
        if (!looking_) break;
        co_await wait_past(site_.loop, looked_, seen, deadline);
    }
    if (looking_) co_return;
    const Raise raise(looking_, looked_);
    const BootTime started = site_.loop.now();
    co_await process_.refresh(deadline);
    sync_view();
    if (process_.state() == ProcessState::stopped) {
        view_.read_failed = false;
        view_.looked_at = started;
        co_return;
    }
    const bool worth_asking = process_.state() == ProcessState::running ||
                              (process_.state() == ProcessState::stopping && monitor_ && !monitor_->broken());
    if (!worth_asking) {
        view_.accepting = false;
        co_return;
    }
    auto read = co_await read_running(std::min(deadline, site_.in(look_patience)));
    view_.read_failed = !read && process_.state() == ProcessState::running;
    if (!read) {
        view_.accepting = false;
        if (view_.read_failed && std::exchange(read_problem_, read.error().message) != read.error().message)
            site_.warn("ask PostgreSQL for its state: " + read.error().message);
    } else {
        read_problem_.clear();
    }
}

Role Instance::role_for(bool primary, const std::optional<core::Upstream>& upstream) const {
    if (primary) return Role::primary;
    const bool remote = upstream && upstream->member.empty() && !upstream->host.empty();
    return policy_.standby_cluster && remote ? Role::standby_leader : Role::replica;
}

WantedConfig Instance::wanted() const {
    WantedConfig wanted;
    wanted.policy = policy_;
    if (sync_names_) wanted.policy.synchronous_standby_names = sync_names_;
    wanted.role = role_;
    wanted.following = following_;
    wanted.control = process_.files().control;
    return wanted;
}

// So that the next agent knows how to run this server before it has reached the store.
Task<> Instance::remember_dynamic() {
    if (dynamic_json_.empty() || dynamic_json_ == remembered_dynamic_) co_return;
    if (process_.files().kind != core::DataDir::present) co_return;
    auto job = [content = dynamic_json_, options = site_.options, owner = site_.owner()]() -> Status {
        const std::string path = options.data_dir + dynamic_file;
        return write_file(path, content, file_mode(path, options.data_dir), owner);
    };
    auto written = co_await site_.loop.on_worker(std::move(job), site_.in(10s));
    if (written)
        remembered_dynamic_ = dynamic_json_;
    else
        site_.warn("remember the dynamic configuration: " + written.error().message);
}

Task<Status> Instance::checkpoint(BootTime deadline) {
    ConnParams params = local_params(site_.options.superuser, "Patroni heartbeat");
    params["options"] = "-c statement_timeout=0";
    CASTLE_CO_TRY(ConnectionPtr connection, co_await Connection::connect(site_.loop, std::move(params), deadline));
    auto done = co_await connection->query("CHECKPOINT", deadline);
    if (!done) co_return std::move(done).error().in("checkpoint");
    co_return Done{};
}

Task<Status> Instance::set_aside(std::string why) {
    co_await process_.refresh(site_.in(10s));
    if (process_.pid() != 0) co_return Error{Errc::conflict, "the server runs; its data directory cannot be moved"};
    auto moved = co_await move_aside(site_, "aside-" + time_stamp());
    co_await process_.refresh(site_.in(10s));
    sync_view();
    if (!moved) co_return std::move(moved).error().in("set the data directory aside");
    if (!moved->empty()) site_.warn("the data directory was set aside as " + *moved + ": " + why);
    co_return Done{};
}

}  // namespace castle::postgres
