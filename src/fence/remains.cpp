#include "fence/remains.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <string_view>

namespace castle::fence {
namespace {

// True if somebody lives in it.
bool kill_cgroup(const std::string& directory) {
    const int kill = ::open((directory + "/cgroup.kill").c_str(), O_WRONLY | O_CLOEXEC);
    if (kill < 0) return false;
    (void)!::write(kill, "1", 1);
    ::close(kill);
    const int events = ::open((directory + "/cgroup.events").c_str(), O_RDONLY | O_CLOEXEC);
    if (events < 0) return false;
    std::array<char, 256> text;
    const ssize_t got = ::read(events, text.data(), text.size());
    ::close(events);
    return got > 0 &&
           std::string_view(text.data(), static_cast<std::size_t>(got)).find("populated 1") != std::string_view::npos;
}

}  // namespace

Remains Remains::of(pid_t server, const std::string& data_dir, std::string cgroup) {
    return {.server = server,
            .program = process_file_id(server, "exe"),
            .directory = file_id(data_dir.c_str()),
            .cgroup = std::move(cgroup)};
}

int kill_round(ProcessTree& tree, const Remains& remains) {
    const bool populated = !remains.cgroup.empty() && kill_cgroup(remains.cgroup);
    TreeRoot root{.program = remains.program, .directory = remains.directory};
    // Its number may be another's by now.
    if (remains.server > 0 && process_file_id(remains.server, "cwd") == remains.directory) root.server = remains.server;
    const int living = tree.kill_round(root);
    if (!populated && living == 0 && !remains.cgroup.empty()) ::rmdir(remains.cgroup.c_str());
    return living + (populated ? 1 : 0);
}

}  // namespace castle::fence
