// Instance: a copy of another server.
#include <algorithm>
#include <memory>

#include "base/text.hpp"
#include "postgres/aside.hpp"
#include "postgres/files.hpp"
#include "postgres/instance.hpp"

namespace castle::postgres {
namespace {

using namespace std::chrono_literals;
constexpr Duration progress_interval = 10s;

}  // namespace

// Afterwards the directory is there and empty: what an unfinished copy left is deleted, anything else moved aside.
Task<Status> Instance::clear_for_copy(std::string why) {
    co_await process_.refresh(site_.in(10s));
    if (process_.pid() != 0) co_return Error{Errc::conflict, "PostgreSQL runs; its data directory cannot be replaced"};
    const DataDirState& files = process_.files();
    if (files.kind == core::DataDir::foreign) co_return Error{Errc::invalid, files.problem};
    if (files.unfinished_clone) {
        CASTLE_CO_CHECK(co_await clear_unfinished(site_));
    } else if (files.kind != core::DataDir::empty) {
        CASTLE_CO_CHECK(co_await set_aside(std::move(why)));
    }
    co_return co_await prepare_empty(site_);
}

Task<Status> Instance::clone(core::Upstream source, CancelToken cancel) {
    if (source.host.empty()) co_return Error{Errc::invalid, "there is nobody to copy from"};
    std::vector<std::string> problems;
    for (const std::string& name : policy_.create_replica_methods) {
        const auto method = policy_.replica_methods.find(name);
        const bool keeps = method != policy_.replica_methods.end() && method->second.keep_data;
        if (!keeps)
            CASTLE_CO_CHECK(co_await clear_for_copy("it is replaced by a copy of " + source.host + ":" +
                                                    std::to_string(source.port)));
        auto made = name == "basebackup" ? co_await basebackup(source, cancel)
                                         : co_await run_replica_method(name, source, cancel);
        co_await process_.refresh(site_.in(30s));
        if (made && process_.files().kind != core::DataDir::present)
            made = Error{Errc::failed, name + " left no usable data directory" +
                                           (process_.files().problem.empty() ? "" : ": " + process_.files().problem)};
        if (made) {
            CASTLE_CO_CHECK(co_await writer_.restore_backups());
            auto trigger = [path = site_.options.data_dir + "/promote"] { return remove_file(path); };
            CASTLE_CO_CHECK(co_await site_.loop.on_worker(std::move(trigger), site_.in(10s)));
            following_ = {};
            co_await process_.refresh(site_.in(10s));
            sync_view();
            site_.info("the data directory is a copy of " + source.host + ":" + std::to_string(source.port) + " now (" +
                       name + ")");
            co_await delete_asides(site_);
            co_return Done{};
        }
        problems.push_back(made.error().message);
        // The directory was empty when we began: all that is in it is half of a copy.
        if (!keeps) {
            auto cleared = co_await clear_unfinished(site_);
            if (!cleared) site_.warn("clear the unfinished copy away: " + cleared.error().message);
        }
        co_await process_.refresh(site_.in(10s));
        sync_view();
        if (made.error().code == Errc::cancelled) co_return std::move(made).error();
        site_.error("make a replica by " + name + ": " + made.error().message);
    }
    co_return Error{Errc::failed, "no method to make a replica succeeded: " + join(problems, "; ")};
}

Task<Status> Instance::basebackup(core::Upstream source, CancelToken cancel) {
    CASTLE_CO_TRY(const std::string program, site_.programs.path("pg_basebackup"));
    CASTLE_CO_TRY(const std::string passfile, co_await program_passfile(source, site_.options.replication));
    ConnParams params = connect_params({source.host, source.port}, site_.options.replication, site_.version);
    params["dbname"] = "postgres";
    params["application_name"] = site_.options.name;
    params["connect_timeout"] = "10";
    if (!site_.options.krbsrvname.empty()) params["krbsrvname"] = site_.options.krbsrvname;
    if (source.host.find(',') != source.host.npos) params["target_session_attrs"] = "read-write";
    Command command{.argv = {program, "--pgdata=" + site_.options.data_dir, "-X", "stream", "--progress",
                             "--dbname=" + conninfo_text(params)}};
    command.argv.insert(command.argv.end(), policy_.basebackup_options.begin(), policy_.basebackup_options.end());
    if (!passfile.empty()) command.environment.push_back("PGPASSFILE=" + passfile);
    site_.info("copying the data directory of " + source.host + ":" + std::to_string(source.port));
    const auto last_told = std::make_shared<BootTime>(site_.loop.now());
    command.on_line = [this, last_told](std::string_view raw) {
        const std::string line(trim(raw));
        if (line.empty() || line.find(" kB (") == line.npos) return;
        if (site_.loop.now() - *last_told < progress_interval) return;
        *last_told = site_.loop.now();
        site_.info("copying: " + line);
    };
    auto copied = co_await site_.programs.must(std::move(command), BootTime::max(), cancel);
    if (!copied) co_return std::move(copied).error();
    co_return Done{};
}

Task<Status> Instance::run_replica_method(std::string name, core::Upstream source, CancelToken cancel) {
    const auto found = policy_.replica_methods.find(name);
    if (found == policy_.replica_methods.end() || found->second.command.empty())
        co_return Error{Errc::invalid, "postgresql." + name + ".command is not configured"};
    const ReplicaMethod method = found->second;
    auto argv = shell_split(method.command);
    if (!argv) co_return std::move(argv).error().in("postgresql." + name + ".command");
    CASTLE_CO_TRY(const std::string passfile, co_await program_passfile(source, site_.options.replication));
    Command command{.argv = *std::move(argv), .from = Command::From::server, .directory = site_.options.start_dir};
    if (!method.no_params) {
        ConnParams params = connect_params({source.host, source.port}, site_.options.replication, site_.version);
        params["dbname"] = site_.options.database;
        for (const std::string& argument :
             {"--scope=" + site_.options.scope, std::string("--role=replica"), "--datadir=" + site_.options.data_dir,
              "--connstring=" + conninfo_text(params)})
            command.argv.push_back(argument);
        command.argv.insert(command.argv.end(), method.options.begin(), method.options.end());
    }
    if (!passfile.empty()) command.environment.push_back("PGPASSFILE=" + passfile);
    command.on_line = [this, name](std::string_view line) { site_.info(name + ": " + std::string(line)); };
    auto made = co_await site_.programs.must(std::move(command), BootTime::max(), cancel);
    if (!made) co_return std::move(made).error();
    co_return Done{};
}

}  // namespace castle::postgres
