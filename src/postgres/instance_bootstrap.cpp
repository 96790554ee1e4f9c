// Instance: a new cluster from nothing, or from a backup by the user's method.
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

#include "base/text.hpp"
#include "io/fd.hpp"
#include "postgres/aside.hpp"
#include "postgres/files.hpp"
#include "postgres/instance.hpp"
#include "postgres/users.hpp"

namespace castle::postgres {
namespace {

using namespace std::chrono_literals;
constexpr Duration stop_patience = 10s;
constexpr Duration query_patience = 60s;

struct Lower {
    bool& flag;
    explicit Lower(bool& raised) : flag(raised) { flag = true; }
    Lower(const Lower&) = delete;
    Lower& operator=(const Lower&) = delete;
    ~Lower() { flag = false; }
};

// The superuser's password for initdb, in a file that nobody else can read and that is gone afterwards.
class PasswordFile {
public:
    PasswordFile(const std::string& password, const Owner& owner) {
        const char* base = ::getenv("TMPDIR");
        path_ = std::string(base && *base ? base : "/tmp") + "/pgcastle.XXXXXX";
        const io::Fd fd(::mkstemp(path_.data()));  // made with mode 0600
        const std::string line = password + "\n";
        good_ = fd && ::write(fd.get(), line.data(), line.size()) == static_cast<ssize_t>(line.size()) &&
                (::geteuid() != 0 || ::fchown(fd.get(), owner.uid, owner.gid) == 0);
    }
    PasswordFile(const PasswordFile&) = delete;
    PasswordFile& operator=(const PasswordFile&) = delete;
    ~PasswordFile() { ::unlink(path_.c_str()); }
    bool good() const { return good_; }
    const std::string& path() const { return path_; }

private:
    std::string path_;
    bool good_ = false;
};

}  // namespace

Task<Status> Instance::bootstrap(CancelToken cancel) {
    co_await process_.refresh(site_.in(10s));
    if (process_.pid() != 0) co_return Error{Errc::conflict, "PostgreSQL runs already"};
    const DataDirState& files = process_.files();
    if (files.kind != core::DataDir::empty)
        co_return Error{Errc::invalid, files.problem.empty()
                                           ? "the data directory is not empty; a new cluster needs an empty one"
                                           : files.problem};
    const Lower bootstrapping(bootstrapping_);
    auto made = co_await run_bootstrap(cancel);
    if (made) co_return Done{};
    auto stopped = co_await process_.stop(ports::StopMode::immediate, site_.in(stop_patience));
    if (!stopped) site_.error(stopped.error().message);
    auto moved = co_await move_aside(site_, "failed");
    co_await process_.refresh(site_.in(10s));
    sync_view();
    Error error = std::move(made).error().in("bootstrap");
    if (moved && !moved->empty()) error.message += " (what was made is in " + *moved + ")";
    co_return error;
}

Task<Status> Instance::run_bootstrap(CancelToken cancel) {
    if (process_.files().unfinished_clone) {
        CASTLE_CO_CHECK(co_await clear_unfinished(site_));
    }
    CASTLE_CO_CHECK(co_await prepare_empty(site_));
    const BootstrapOptions& options = site_.options.bootstrap;
    const bool custom = options.method != "initdb";
    WantedConfig config = wanted();
    config.role = Role::primary;
    config.following = {};
    if (custom) {
        CASTLE_CO_CHECK(co_await run_custom_bootstrap(cancel));
        CASTLE_CO_CHECK(co_await writer_.restore_backups());
        config.bootstrapping = true;
        config.keep_auto_conf = options.custom.keep_existing_recovery_conf;
        if (options.custom.recovery_conf) config.following.custom_recovery = *options.custom.recovery_conf;
        if (config.keep_auto_conf) config.signals = WantedConfig::Signals::keep;
    } else {
        CASTLE_CO_CHECK(co_await run_initdb(cancel));
    }
    co_await process_.refresh(site_.in(10s));
    if (!options.pg_hba.empty() && !policy_.pg_hba.base && !policy_.parameters.base.contains("hba_file")) {
        CASTLE_CO_CHECK(co_await writer_.append_hba(options.pg_hba));
    }
    if (custom) {
        CASTLE_CO_CHECK(co_await writer_.stash_hba());
    }
    CASTLE_CO_CHECK(co_await start(config, cancel));
    CASTLE_CO_CHECK(co_await await_primary(BootTime::max(), cancel));
    CASTLE_CO_CHECK(co_await post_bootstrap(cancel));
    following_ = {};
    if (custom) {
        CASTLE_CO_CHECK(co_await writer_.unstash_hba());
        WantedConfig normal = wanted();
        CASTLE_CO_CHECK(co_await writer_.write(normal));
        CASTLE_CO_CHECK(process_.signal(SIGHUP));
    } else {
        // The first copies begin in a moment, and each waits for a checkpoint that takes its time for every dirty page.
        // Nobody uses this server yet: one at full speed now leaves those nothing to write.
        auto flushed = co_await checkpoint(site_.in(query_patience));
        if (!flushed) site_.warn(flushed.error().message);
    }
    auto saved = co_await writer_.back_up();
    if (!saved) site_.warn("copy the configuration of PostgreSQL: " + saved.error().message);
    co_await look(site_.in(5s));
    co_await remember_dynamic();
    co_return Done{};
}

Task<Status> Instance::run_initdb(CancelToken cancel) {
    CASTLE_CO_TRY(const std::string program, site_.programs.path("initdb"));
    Command command{.argv = {program, "--pgdata=" + site_.options.data_dir}, .from = Command::From::server};
    const Credentials& superuser = site_.options.superuser;
    if (!superuser.username.empty()) command.argv.push_back("--username=" + superuser.username);
    std::optional<PasswordFile> password;
    if (!superuser.password.empty()) {
        password.emplace(superuser.password, site_.owner());
        if (!password->good())
            co_return Error{Errc::failed, "write the password file for initdb (" + password->path() + ")"};
        command.argv.push_back("--pwfile=" + password->path());
    }
    const auto& options = site_.options.bootstrap.initdb_options;
    command.argv.insert(command.argv.end(), options.begin(), options.end());
    auto made = co_await site_.programs.must(std::move(command), BootTime::max(), cancel);
    if (!made) co_return std::move(made).error();
    co_return Done{};
}

Task<Status> Instance::run_custom_bootstrap(CancelToken cancel) {
    const CustomBootstrap& custom = site_.options.bootstrap.custom;
    const std::string where = "bootstrap." + site_.options.bootstrap.method + ".command";
    if (custom.command.empty()) co_return Error{Errc::invalid, where + " is not configured"};
    auto argv = shell_split(custom.command);
    if (!argv) co_return std::move(argv).error().in(where);
    Command command{.argv = *std::move(argv), .from = Command::From::server, .directory = site_.options.start_dir};
    if (!custom.no_params) {
        command.argv.push_back("--scope=" + site_.options.scope);
        command.argv.push_back("--datadir=" + site_.options.data_dir);
        command.argv.insert(command.argv.end(), custom.options.begin(), custom.options.end());
    }
    command.on_line = [this](std::string_view line) {
        site_.info(site_.options.bootstrap.method + ": " + std::string(line));
    };
    auto made = co_await site_.programs.must(std::move(command), BootTime::max(), cancel);
    if (!made) co_return std::move(made).error();
    co_return Done{};
}

Task<Status> Instance::post_bootstrap(CancelToken cancel) {
    const BootTime deadline = site_.in(query_patience);
    Credentials first = site_.options.superuser;
    if (first.username.empty()) first.username = site_.owner().name;
    ConnParams params = local_params(first, "Patroni heartbeat");
    params["options"] = "-c statement_timeout=0 -c search_path=pg_catalog";
    CASTLE_CO_TRY(ConnectionPtr connection,
                  co_await Connection::connect(site_.loop, std::move(params), deadline, cancel));
    CASTLE_CO_CHECK(co_await ensure_user(*connection, site_.options.superuser, "SUPERUSER", deadline));
    CASTLE_CO_CHECK(co_await run_post_script(cancel));
    const Credentials& replication = site_.options.replication;
    const std::string& superuser = site_.options.superuser.username;
    if (replication.username != superuser) {
        CASTLE_CO_CHECK(co_await ensure_user(*connection, replication, "REPLICATION", site_.in(query_patience)));
    }
    const auto& rewind = site_.options.rewind;
    if (rewind && !rewind->username.empty() && rewind->username != superuser) {
        CASTLE_CO_CHECK(co_await ensure_user(*connection, *rewind,
                                             rewind->username == replication.username ? "REPLICATION" : "",
                                             site_.in(query_patience)));
        CASTLE_CO_CHECK(co_await grant_rewind(*connection, rewind->username, site_.in(query_patience)));
    }
    co_return Done{};
}

Task<Status> Instance::run_post_script(CancelToken cancel) {
    if (site_.options.bootstrap.post_bootstrap.empty()) co_return Done{};
    auto argv = shell_split(site_.options.bootstrap.post_bootstrap);
    if (!argv) co_return std::move(argv).error().in("bootstrap.post_bootstrap");
    ConnParams params = local_params(site_.options.superuser, "");
    params.erase("application_name");
    params.erase("fallback_application_name");
    params.erase("connect_timeout");
    params.erase("options");
    const Address to{params["host"], static_cast<int>(parse_int(params["port"]) ? *parse_int(params["port"]) : 5432)};
    CASTLE_CO_TRY(const std::string passfile, co_await writer_.write_pgpass(to, site_.options.superuser));
    Command command{.argv = *std::move(argv), .from = Command::From::server, .directory = site_.options.start_dir};
    command.argv.push_back(conninfo_text(params));
    command.environment.push_back("PGOPTIONS=-c synchronous_commit=local -c statement_timeout=0");
    if (!passfile.empty()) command.environment.push_back("PGPASSFILE=" + passfile);
    command.on_line = [this](std::string_view line) { site_.info("post_bootstrap: " + std::string(line)); };
    auto done = co_await site_.programs.must(std::move(command), BootTime::max(), cancel);
    if (!done) co_return std::move(done).error().in("bootstrap.post_bootstrap");
    co_return Done{};
}

}  // namespace castle::postgres
