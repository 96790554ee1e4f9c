#include "node/processes.hpp"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/text.hpp"

namespace castle::node {
namespace {

namespace fs = std::filesystem;

std::string slurp(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream content;
    content << file.rdbuf();
    return content.str();
}

std::vector<std::string> command_line(pid_t pid) {
    std::string text = slurp("/proc/" + std::to_string(pid) + "/cmdline");
    if (!text.empty() && text.back() == '\0') text.pop_back();
    return split(text, '\0');
}

std::vector<pid_t> all_pids() {
    std::vector<pid_t> pids;
    std::error_code failed;
    for (fs::directory_iterator each("/proc", failed), end; !failed && each != end; each.increment(failed)) {
        const std::string name = each->path().filename();
        if (is_digits(name)) pids.push_back(static_cast<pid_t>(std::stol(name)));
    }
    return pids;
}

// The inode of the socket that listens on the port, or empty. Lines: "0: 0100007F:3CDD 00000000:0000 0A ... inode".
std::string listening_inode(const char* table, int port) {
    std::ifstream file(table);
    std::string line;
    char wanted[8];
    std::snprintf(wanted, sizeof wanted, ":%04X", port);
    while (std::getline(file, line)) {
        std::istringstream fields(line);
        std::string number, local, remote, state, queues, timer, retransmits, user, timeout, inode;
        fields >> number >> local >> remote >> state >> queues >> timer >> retransmits >> user >> timeout >> inode;
        if (state == "0A" && local.ends_with(wanted)) return inode;
    }
    return {};
}

bool holds_socket(pid_t pid, const std::string& inode) {
    std::error_code failed;
    const std::string wanted = "socket:[" + inode + "]";
    for (fs::directory_iterator each("/proc/" + std::to_string(pid) + "/fd", failed), end; !failed && each != end;
         each.increment(failed)) {
        std::error_code unreadable;
        if (fs::read_symlink(each->path(), unreadable) == wanted) return true;
    }
    return false;
}

template <class Matches>
std::optional<pid_t> find(const std::vector<Running>& all, Matches matches) {
    const auto found = std::find_if(all.begin(), all.end(), [&](const Running& each) { return matches(each.argv); });
    if (found == all.end()) return std::nullopt;
    return found->pid;
}

bool is_program(const std::string& path, std::string_view name) {
    return fs::path(path).filename() == name;
}

}  // namespace

// The data directory comes first: find_etcd_process() knows it by that.
std::vector<std::string> etcd_command(const Plan& plan) {
    const std::string client = "http://127.0.0.1:" + std::to_string(plan.etcd_port());
    const std::string peer = "http://127.0.0.1:" + std::to_string(plan.etcd_peer_port());
    std::vector<std::string> command{plan.etcd, "--data-dir=" + plan.etcd_dir(), "--name=" + plan.scope};
    const auto add = [&](const std::string& option) { command.push_back(option); };
    add("--listen-client-urls=" + client);
    add("--advertise-client-urls=" + client);
    add("--listen-peer-urls=" + peer);
    add("--initial-advertise-peer-urls=" + peer);
    add("--initial-cluster=" + plan.scope + "=" + peer);
    // Alone it waits for nobody's network: after a restart it leads within a second instead of two.
    add("--heartbeat-interval=50");
    add("--election-timeout=500");
    // Our passwords are long and random: guessing them need not be made slow, and logging in must not be. At the usual
    // cost of 10 a login takes 100 ms of a processor, and on a busy machine nobody got through in time.
    add("--bcrypt-cost=4");
    // History that nobody asks for any more would fill the store.
    add("--auto-compaction-mode=periodic");
    add("--auto-compaction-retention=1h");
    add("--logger=zap");
    add("--log-outputs=stderr");
    return command;
}

std::vector<std::string> agent_command(const std::string& program, const MemberPlan& member) {
    return {program, "agent", member.config_file()};
}

std::vector<Running> running_processes() {
    std::vector<Running> all;
    for (const pid_t pid : all_pids()) {
        auto argv = command_line(pid);  // empty for kernel threads and zombies
        if (!argv.empty()) all.push_back({pid, std::move(argv)});
    }
    return all;
}

std::optional<pid_t> find_etcd_process(const std::vector<Running>& all, const Plan& plan) {
    const std::string data = "--data-dir=" + plan.etcd_dir();
    return find(all, [&](const auto& argv) { return argv.size() > 1 && argv[1] == data; });
}

std::optional<pid_t> find_agent_process(const std::vector<Running>& all, const MemberPlan& member) {
    const std::string config = member.config_file();
    return find(all, [&](const auto& argv) { return argv.size() == 3 && argv[1] == "agent" && argv[2] == config; });
}

std::optional<pid_t> find_fence_process(const std::vector<Running>& all, const Plan& plan, const MemberPlan& member) {
    const std::string directory = plan.fence_dir();
    const std::string name = plan.scope + "/" + member.name;
    return find(all, [&](const auto& argv) {
        return is_program(argv[0], "pgcastle-fence") && std::ranges::find(argv, directory) != argv.end() &&
               std::ranges::find(argv, name) != argv.end();
    });
}

std::optional<pid_t> find_supervisor_process(const std::vector<Running>& all, const Plan& plan) {
    return find(all, [&](const auto& argv) {
        return argv.size() == 4 && argv[1] == "up" && argv[2] == "--supervise" && argv[3] == plan.dir;
    });
}

std::optional<pid_t> find_postmaster(const MemberPlan& member) {
    const std::string text = slurp(member.data_dir() + "/postmaster.pid");
    pid_t pid = 0;
    std::from_chars(text.data(), text.data() + text.size(), pid);
    if (pid <= 1) return std::nullopt;
    std::error_code failed;
    const fs::path works_in = fs::read_symlink("/proc/" + std::to_string(pid) + "/cwd", failed);
    if (failed) return std::nullopt;
    const fs::path data = fs::canonical(member.data_dir(), failed);
    if (failed || works_in != data) return std::nullopt;
    return pid;
}

std::vector<std::string> what_runs(const Plan& plan) {
    const auto all = running_processes();
    std::vector<std::string> found;
    const auto note = [&](const std::string& what, std::optional<pid_t> pid) {
        if (pid) found.push_back(what + " (process " + std::to_string(*pid) + ")");
    };
    note("etcd", find_etcd_process(all, plan));
    for (const MemberPlan& each : plan.members()) {
        note("the agent of " + each.name, find_agent_process(all, each));
        note("PostgreSQL of " + each.name, find_postmaster(each));
        note("the fence of " + each.name, find_fence_process(all, plan, each));
    }
    return found;
}

std::string holder_of_port(int port) {
    for (const char* table : {"/proc/net/tcp", "/proc/net/tcp6"}) {
        const std::string inode = listening_inode(table, port);
        if (inode.empty()) continue;
        for (const pid_t pid : all_pids()) {
            if (holds_socket(pid, inode))
                return std::string(trim(slurp("/proc/" + std::to_string(pid) + "/comm"))) + ", process " +
                       std::to_string(pid);
        }
    }
    return {};
}

// A program that has been built anew is shown as deleted; the new one is at the same place.
std::string own_program() {
    std::error_code failed;
    std::string path = fs::read_symlink("/proc/self/exe", failed);
    constexpr std::string_view replaced = " (deleted)";
    if (path.ends_with(replaced)) path.resize(path.size() - replaced.size());
    return path;
}

bool alive(pid_t pid) {
    return !command_line(pid).empty();
}

}  // namespace castle::node
