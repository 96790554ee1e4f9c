#include "postgres/fence_client_launcher.hpp"

#include <fcntl.h>

#include <cerrno>
#include <cstring>

#include "postgres/process_launcher.hpp"

namespace castle::postgres {

using namespace std::chrono_literals;

Task<Result<pid_t>> FenceLauncher::start(PostmasterCommand command) {
    FencedServer server{.argv = std::move(command.argv),
                        .environment = std::move(command.environment),
                        .groups = std::move(command.owner.groups),
                        .gid = command.owner.gid};
    io::Fd output;
    if (!output_file_.empty()) {
        output = io::Fd{::open(output_file_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0600)};
        if (!output) co_return Error{Errc::failed, output_file_ + ": " + std::strerror(errno)};
        server.output = output.get();
    }
    co_return co_await fence_.start_server(std::move(server), loop_.now() + 60s);
}

Task<Status> FenceLauncher::kill_tree(std::string data_dir, pid_t postmaster) {
    if (fence_.guards(postmaster)) {
        auto fired = co_await fence_.fire();
        if (fired) co_return Done{};
    }
    auto job = [data_dir, postmaster] { return kill_server_tree(data_dir, postmaster); };
    co_return co_await loop_.on_worker(std::move(job), loop_.now() + 15s);
}

}  // namespace castle::postgres
