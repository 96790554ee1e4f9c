#include "postgres/single_user.hpp"

#include "postgres/files.hpp"

namespace castle::postgres {
namespace {

using namespace std::chrono_literals;

}  // namespace

Task<Status> recover_in_single_user_mode(const Site& site, WantedConfig wanted, ConfigWriter& writer,
                                         CancelToken cancel) {
    CASTLE_CO_TRY(const std::string program, site.programs.path("postgres"));
    const std::string data_dir = site.options.data_dir;
    auto look = [data_dir]() -> Result<bool> { return file_exists(data_dir + "/backup_label"); };
    CASTLE_CO_TRY(const bool backup_label, co_await site.loop.on_worker(std::move(look), site.in(10s)));
    if (backup_label && site.version.single_user_refuses_backup_label())
        co_return Error{Errc::invalid, "the data directory is a copy that has never reached consistency"};

    wanted.role = Role::primary;
    wanted.following = {};
    wanted.signals = WantedConfig::Signals::set;  // a standby has no single-user mode
    CASTLE_CO_TRY(const WrittenConfig written, co_await writer.write(wanted));

    // Nothing is archived meanwhile, and what waits to be archived goes on waiting.
    Command command{.argv = {program, "--single"}};
    const std::vector<std::string> options = writer.arguments(wanted, written.parameters, program);
    command.argv.insert(command.argv.end(), options.begin() + 1, options.end());
    for (const char* option : {"--archive_mode=on", "--archive_command=false", "template1"})
        command.argv.emplace_back(option);
    site.info("PostgreSQL was not shut down cleanly: recovering it in single-user mode");
    auto recovered = co_await site.programs.must(std::move(command), BootTime::max(), cancel);
    if (!recovered) co_return std::move(recovered).error();
    co_return Done{};
}

}  // namespace castle::postgres
