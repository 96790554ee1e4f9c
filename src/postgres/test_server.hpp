// For tests: real servers in a temporary directory, on free ports, as a user who is not root.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <pwd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <mutex>

#include "postgres/instance.hpp"
#include "postgres/process_launcher.hpp"

namespace castle::postgres::test {

using namespace std::chrono_literals;

// Another version's programs: PGCASTLE_TEST_BIN_DIR=/usr/lib/postgresql/17/bin.
inline std::string bin_dir() {
    if (const char* wanted = ::getenv("PGCASTLE_TEST_BIN_DIR")) return wanted;
    for (const char* path : {"/usr/lib/postgresql/15/bin", "/usr/lib/postgresql/17/bin", "/usr/lib/postgresql/16/bin"})
        if (::access((std::string(path) + "/postgres").c_str(), X_OK) == 0) return path;
    return {};
}

inline int free_port() {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    ::bind(fd, reinterpret_cast<sockaddr*>(&address), size);
    ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
    ::close(fd);
    return ntohs(address.sin_port);
}

class Lines final : public ports::Journal {
public:
    void write(ports::Level, std::string_view text) override { all += std::string(text) + "\n"; }
    bool has(std::string_view text) const { return all.find(text) != all.npos; }
    std::string all;
};

// A directory that the servers' user may use; gone at the end.
class Scratch {
public:
    Scratch() {
        std::string path = "/tmp/pgcastle-test.XXXXXX";
        if (!::mkdtemp(path.data())) std::abort();
        path_ = path;
        if (::geteuid() == 0)
            if (const passwd* user = ::getpwnam("postgres"))
                if (::chown(path.c_str(), user->pw_uid, user->pw_gid) != 0) std::abort();
    }
    Scratch(const Scratch&) = delete;
    Scratch& operator=(const Scratch&) = delete;
    ~Scratch() {
        std::error_code error;
        std::filesystem::remove_all(path_, error);
    }
    const std::string& path() const { return path_; }

private:
    std::string path_;
};

// Runs coroutines to their end, one after the other, on one loop.
struct World {
    io::Loop loop;
    Scratch scratch;
    Lines journal;

    template <class T>
    T run(Task<T> task) {
        return io::run_to_end(loop, std::move(task));
    }
    BootTime in(Duration duration) const { return loop.now() + duration; }
};

struct Node {
    World& world;
    InstanceOptions options;
    Policy policy;
    std::unique_ptr<ProcessLauncher> launcher;
    std::unique_ptr<Instance> instance;

    Node(World& in, const std::string& name) : world(in) {
        options.scope = "demo";
        options.name = name;
        options.data_dir = world.scratch.path() + "/" + name;
        options.bin_dir = bin_dir();
        options.listen_addresses = "127.0.0.1";
        options.connect_host = "127.0.0.1";
        options.port = free_port();
        options.pgpass = world.scratch.path() + "/" + name + ".pgpass";
        options.start_dir = world.scratch.path();
        options.superuser = {"boss", "bo'ss secret", {}};
        options.replication = {"repl", "rep:l\\secret", {}};
        options.rewind = Credentials{"rewinder", "rewind-secret", {}};
        options.bootstrap.initdb_options = {"--encoding=UTF8",           "--locale=C",
                                            "--data-checksums",          "--auth-local=trust",
                                            "--auth-host=scram-sha-256", "--no-sync"};
        options.bootstrap.pg_hba = {"host replication repl 127.0.0.1/32 scram-sha-256",
                                    "host all all 127.0.0.1/32 scram-sha-256"};
        policy.parameters.base["unix_socket_directories"] = world.scratch.path();
        policy.parameters.base["shared_buffers"] = "2MB";
        policy.parameters.base["fsync"] = "off";
        policy.parameters.base["restart_after_crash"] = "off";
        policy.use_pg_rewind = true;
        policy.basebackup_options = {"--checkpoint=fast", "--no-sync"};
        policy.rewind_options = {"--no-sync"};
    }
    ~Node() { (void)stop(ports::StopMode::immediate); }
    Node(const Node&) = delete;
    Node& operator=(const Node&) = delete;

    Status open() {
        instance.reset();
        launcher = std::make_unique<ProcessLauncher>(world.loop, world.scratch.path() + "/" + options.name + ".log");
        options.policy = [this](const std::string&) { return policy; };
        auto opened = world.run(Instance::open(world.loop, options, *launcher, world.journal));
        if (!opened) return opened.error();
        instance = *std::move(opened);
        return Done{};
    }
    Status stop(ports::StopMode mode = ports::StopMode::fast) {
        if (!instance) return Done{};
        return world.run(instance->stop(mode, world.in(20s)));
    }
    core::Upstream address() const { return {options.name, "127.0.0.1", options.port}; }
    void look() { world.run(instance->look(world.in(5s))); }
    const core::Instance& view() const { return instance->view(); }

    // By the rules of the core: exactly these exist afterwards.
    Status fulfil(const core::SlotWishes& wanted, const core::Settings& settings = {}) {
        look();
        auto changed = world.run(instance->change_slots(core::slot_steps(wanted, view().slots, settings, true)));
        look();
        return changed;
    }
    Status keep_slots(const std::vector<std::string>& names) {
        core::SlotWishes wanted;
        for (const std::string& name : names) wanted[name] = {.expected_active = true, .advance_to = {}};
        return fulfil(wanted);
    }

    // One value; "error: ..." if it fails.
    std::string sql(std::string text) {
        auto connection = world.run(instance->connect_local("test", world.in(10s)));
        if (!connection) return "error: " + connection.error().message;
        auto path = world.run((*connection)->query("SET search_path = public", world.in(5s)));
        if (!path) return "error: " + path.error().message;
        auto rows = world.run((*connection)->query(std::move(text), world.in(20s)));
        return rows ? rows->text(0, 0) : "error: " + rows.error().message;
    }

    template <class Condition>
    bool eventually(Condition condition, Duration patience = 15s) {
        const BootTime deadline = world.in(patience);
        for (;;) {
            look();
            if (condition()) return true;
            if (world.loop.now() >= deadline) return false;
            world.run(sleep_for(world.loop, 20ms));
        }
    }
};

}  // namespace castle::postgres::test

#define ASSERT_OK(...)                                       \
    do {                                                     \
        const auto& ok_result = (__VA_ARGS__);               \
        ASSERT_TRUE(ok_result) << ok_result.error().message; \
    } while (false)
