#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <thread>

#include "base/assert.hpp"
#include "dcs/etcd/real_etcd.hpp"

extern char** environ;

namespace castle::dcs::testing {
namespace {

using namespace std::chrono_literals;

sockaddr_in loopback(int port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    return address;
}

// Bound sockets that together reserve different ports until all are known.
std::vector<int> free_ports(int count) {
    std::vector<int> sockets, ports;
    for (int i = 0; i < count; ++i) {
        const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in address = loopback(0);
        socklen_t size = sizeof address;
        CASTLE_ASSERT(::bind(fd, reinterpret_cast<sockaddr*>(&address), size) == 0);
        CASTLE_ASSERT(::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0);
        sockets.push_back(fd);
        ports.push_back(ntohs(address.sin_port));
    }
    for (const int fd : sockets) ::close(fd);
    return ports;
}

bool accepts_connections(int port) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address = loopback(port);
    const bool connected = ::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
    ::close(fd);
    return connected;
}

pid_t spawn(const std::vector<std::string>& arguments, const std::string& log) {
    std::vector<char*> argv;
    for (const auto& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
    argv.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    posix_spawn_file_actions_adddup2(&actions, 1, 2);
    pid_t pid = -1;
    const int error = posix_spawnp(&pid, argv[0], &actions, nullptr, argv.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    EXPECT_EQ(error, 0) << arguments[0] << ": " << strerror(error);
    return error == 0 ? pid : -1;
}

}  // namespace

RealEtcd::RealEtcd(Options options) : options_(std::move(options)) {
    std::string pattern = (std::filesystem::temp_directory_path() / "castle-etcd-XXXXXX").string();
    CASTLE_ASSERT(::mkdtemp(pattern.data()) != nullptr);
    dir_ = pattern;
    if (options_.tls) make_certificates(dir_);
    const auto ports = free_ports(2 * options_.members);
    for (int i = 0; i < options_.members; ++i)
        members_.push_back({ports[static_cast<std::size_t>(2 * i)], ports[static_cast<std::size_t>(2 * i + 1)], -1});
    for (int i = 0; i < options_.members; ++i) start(i);
}

RealEtcd::~RealEtcd() {
    for (int i = 0; i < options_.members; ++i) kill(i);
    std::error_code ignored;
    std::filesystem::remove_all(dir_, ignored);
}

EtcdOptions RealEtcd::options(const std::string& prefix) const {
    EtcdOptions options;
    for (int i = 0; i < options_.members; ++i) options.endpoints.push_back(endpoint(i));
    options.prefix = prefix;
    options.shuffle = false;
    options.secure = options_.tls;
    if (options_.tls) {
        options.tls.ca_file = file("ca.crt");
        options.tls.cert_file = file("client.crt");
        options.tls.key_file = file("client.key");
    }
    return options;
}

io::Endpoint RealEtcd::endpoint(int member) const {
    return {"127.0.0.1", members_[static_cast<std::size_t>(member)].client_port};
}

int RealEtcd::leader() const {
    const auto id_after = [](const std::string& text, const std::string& name) {
        const auto at = text.find("\"" + name + "\":");
        return at == text.npos ? ""
                               : text.substr(at + name.size() + 3, text.find_first_of(",}", at) - at - name.size() - 3);
    };
    for (int i = 0; i < options_.members; ++i) {
        const std::string output = file("status");
        std::filesystem::remove(output);
        run_program({"etcdctl", "--endpoints", endpoint(i).text(), "endpoint", "status", "-w", "json"}, output);
        std::ifstream file(output);
        const std::string text(std::istreambuf_iterator<char>(file), {});
        if (!id_after(text, "leader").empty() && id_after(text, "leader") == id_after(text, "member_id")) return i;
    }
    return -1;
}

void RealEtcd::freeze(int member) {
    const pid_t pid = members_[static_cast<std::size_t>(member)].pid;
    ::kill(pid, SIGSTOP);
    // On a busy machine its threads go on for a moment: only the kernel knows when the last one has stopped.
    int status = 0;
    ASSERT_EQ(::waitpid(pid, &status, WUNTRACED), pid);
    ASSERT_TRUE(WIFSTOPPED(status));
}
void RealEtcd::thaw(int member) {
    ::kill(members_[static_cast<std::size_t>(member)].pid, SIGCONT);
}

void RealEtcd::kill(int number) {
    Member& member = members_[static_cast<std::size_t>(number)];
    if (member.pid <= 0) return;
    ::kill(member.pid, SIGKILL);
    ::waitpid(member.pid, nullptr, 0);
    member.pid = -1;
}

void RealEtcd::restore(int number, const std::string& backup) {
    const std::string name = "e" + std::to_string(number);
    const std::string peer = "http://127.0.0.1:" + std::to_string(members_[static_cast<std::size_t>(number)].peer_port);
    run_program({"etcdctl", "snapshot", "restore", backup, "--name", name, "--data-dir", file(name),
                 "--initial-cluster", name + "=" + peer, "--initial-advertise-peer-urls", peer});
}

void RealEtcd::start(int number, const std::string& argument) {
    Member& member = members_[static_cast<std::size_t>(number)];
    const std::string name = "e" + std::to_string(number);
    std::string cluster;
    for (std::size_t i = 0; i < members_.size(); ++i)
        cluster += (i == 0 ? "" : ",") + ("e" + std::to_string(i)) +
                   "=http://127.0.0.1:" + std::to_string(members_[i].peer_port);
    const std::string client =
        (options_.tls ? "https://127.0.0.1:" : "http://127.0.0.1:") + std::to_string(member.client_port);
    const std::string peer = "http://127.0.0.1:" + std::to_string(member.peer_port);
    std::vector<std::string> arguments = {"etcd",     "--name",
                                          name,       "--data-dir",
                                          file(name), "--listen-client-urls",
                                          client,     "--advertise-client-urls",
                                          client,     "--listen-peer-urls",
                                          peer,       "--initial-advertise-peer-urls",
                                          peer,       "--initial-cluster",
                                          cluster,    "--initial-cluster-state",
                                          "new",      "--heartbeat-interval",
                                          "50",       "--election-timeout",
                                          "500",      "--unsafe-no-fsync"};
    if (options_.tls)
        for (const std::string part : {"--client-cert-auth", "--trusted-ca-file", "ca.crt", "--cert-file", "server.crt",
                                       "--key-file", "server.key"})
            arguments.push_back(part.starts_with("--") ? part : file(part));
    arguments.insert(arguments.end(), options_.arguments.begin(), options_.arguments.end());
    if (!argument.empty()) arguments.push_back(argument);
    member.pid = spawn(arguments, file(name + ".log"));

    const auto deadline = std::chrono::steady_clock::now() + 20s;
    while (!accepts_connections(member.client_port)) {
        int status = 0;
        const bool died = ::waitpid(member.pid, &status, WNOHANG) == member.pid;
        if (died || std::chrono::steady_clock::now() > deadline) {
            std::ifstream log(file(name + ".log"));
            ADD_FAILURE() << "etcd does not start: " << std::string(std::istreambuf_iterator<char>(log), {});
            if (died) member.pid = -1;
            return;
        }
        // With several members the port opens only when they have found each other: let the next one start.
        if (options_.members > 1 && number + 1 < options_.members &&
            members_[static_cast<std::size_t>(number + 1)].pid <= 0)
            return;
        std::this_thread::sleep_for(10ms);
    }
}

void run_program(const std::vector<std::string>& arguments, const std::string& output) {
    const pid_t pid = spawn(arguments, output);
    if (pid <= 0) return;
    int status = -1;
    ::waitpid(pid, &status, 0);
    EXPECT_EQ(status, 0) << arguments[0] << ' ' << arguments[1];
}

void make_certificates(const std::filesystem::path& dir) {
    const auto file = [&](const std::string& name) { return (dir / name).string(); };
    const auto authority = [&](const std::string& name) {
        run_program({"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                     "-days", "2", "-subj", "/CN=" + name, "-keyout", file(name + ".key"), "-out",
                     file(name + ".crt")});
    };
    const auto certificate = [&](const std::string& name, const std::string& extensions) {
        std::ofstream(file(name + ".ext")) << extensions;
        run_program({"openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
                     "/CN=" + name, "-keyout", file(name + ".key"), "-out", file(name + ".csr")});
        run_program({"openssl", "x509", "-req", "-days", "2", "-in", file(name + ".csr"), "-CA", file("ca.crt"),
                     "-CAkey", file("ca.key"), "-CAcreateserial", "-extfile", file(name + ".ext"), "-out",
                     file(name + ".crt")});
    };
    authority("ca");
    authority("stranger");
    certificate("server", "subjectAltName=IP:127.0.0.1,DNS:localhost\n");
    certificate("client", "extendedKeyUsage=clientAuth\n");
}

}  // namespace castle::dcs::testing
