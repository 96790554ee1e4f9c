#include "postgres/process_launcher.hpp"

#include <unistd.h>

#include <ctime>
#include <set>

#include "fence/process_tree.hpp"
#include "io/process.hpp"
#include "postgres/programs.hpp"

namespace castle::postgres {
namespace {

using namespace std::chrono_literals;

std::map<std::string, std::optional<std::string>> exactly(const std::vector<std::string>& environment) {
    std::map<std::string, std::optional<std::string>> changes;
    for (const std::string& variable : our_environment())
        changes[variable.substr(0, variable.find('='))] = std::nullopt;
    for (const std::string& variable : environment) {
        const auto equals = variable.find('=');
        if (equals != variable.npos) changes[variable.substr(0, equals)] = variable.substr(equals + 1);
    }
    return changes;
}

}  // namespace

Task<Result<pid_t>> ProcessLauncher::start(PostmasterCommand command) {
    io::SpawnOptions options;
    options.argv = std::move(command.argv);
    options.env = exactly(command.environment);
    options.cwd = command.data_dir;
    if (::geteuid() == 0) options.run_as = command.owner;
    options.capture = false;
    options.output_file = output_file_;
    options.new_session = true;
    options.die_with_parent = false;
    CASTLE_CO_TRY(const auto process, co_await io::Process::start(loop_, std::move(options)));
    const pid_t pid = process->pid();
    process->detach();
    co_return pid;
}

Task<Status> ProcessLauncher::kill_tree(std::string data_dir, pid_t postmaster) {
    auto job = [data_dir, postmaster] { return kill_server_tree(data_dir, postmaster); };
    co_return co_await loop_.on_worker(std::move(job), loop_.now() + 15s);
}

Status kill_server_tree(const std::string& data_dir, pid_t postmaster) {
    fence::TreeRoot root;
    root.server = postmaster;
    root.program = fence::process_file_id(postmaster, "exe");
    root.directory = fence::file_id(data_dir.c_str());
    if (!root.directory.known()) return Error{Errc::failed, "there is no directory " + data_dir};
    fence::ProcessTree tree;
    for (int round = 0; round < 2000; ++round) {
        if (round > 0 && !fence::process_file_id(postmaster, "exe").known()) root.server = 0;
        if (tree.kill_round(root) == 0) return Done{};
        const timespec pause{0, 5'000'000};
        ::nanosleep(&pause, nullptr);
    }
    return Error{Errc::failed, "the server's processes do not end"};
}

}  // namespace castle::postgres
