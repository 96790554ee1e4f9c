#include "config/validate.hpp"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <set>

#include "config/yaml.hpp"

namespace castle::config {
namespace {

// A machine on which everything is in order, unless the test says otherwise.
class MadeUpProbe final : public Probe {
public:
    std::set<std::uint16_t> ports_in_use;
    std::set<std::string> unreachable;
    std::set<std::string> directories;
    std::map<std::string, std::string> files;
    std::set<std::string> missing_programs;

    Status can_listen(const std::string&, std::uint16_t port, bool ignore_port_in_use) override {
        if (ports_in_use.contains(port) && !ignore_port_in_use)
            return Error{Errc::conflict, "Port " + std::to_string(port) + " is already in use."};
        return Done{};
    }
    Status can_connect(const std::string& host, std::uint16_t) override {
        if (unreachable.contains(host)) return Error{Errc::unavailable, "no route"};
        return Done{};
    }
    bool exists(const std::string& path) override { return directories.contains(path) || files.contains(path); }
    bool is_directory(const std::string& path) override { return directories.contains(path); }
    bool is_empty_directory(const std::string& path) override {
        const auto inside = [&](const std::string& other) { return other.starts_with(path + "/"); };
        return is_directory(path) && std::ranges::none_of(directories, inside) &&
               std::ranges::none_of(files, [&](const auto& file) { return inside(file.first); });
    }
    Result<std::string> read_file(const std::string& path) override {
        if (const auto found = files.find(path); found != files.end()) return found->second;
        return Error{Errc::not_found, "none"};
    }
    std::optional<std::string> find_program(const std::string& name) override {
        if (missing_programs.contains(name)) return {};
        return name;
    }
    Result<std::string> version_of(const std::string&) override {
        return std::string("postgres (PostgreSQL) 15.20 (Debian)");
    }
};

const std::string good = R"(scope: demo
name: n1
restapi:
  listen: 10.0.0.1:8008
  connect_address: 10.0.0.1:8008
etcd3:
  hosts: 10.0.0.1:2379,10.0.0.2:2379
bootstrap:
  dcs: {ttl: 30, postgresql: {parameters: {max_connections: 100}}}
postgresql:
  listen: 10.0.0.1:5432
  connect_address: 10.0.0.1:5432
  data_dir: /d
  bin_dir: /b
  authentication:
    replication: {username: rep}
    superuser: {username: postgres}
)";

std::vector<std::string> problems_of(const std::string& yaml, Probe& probe, ValidateOptions options = {}) {
    auto document = parse_yaml(yaml, "p.yml");
    EXPECT_TRUE(document) << (document ? "" : document.error().message);
    std::vector<std::string> lines;
    for (const Mistake& mistake : validate(read_local(std::move(*document)), probe, options))
        lines.push_back(mistake.text());
    return lines;
}

TEST(Validate, AGoodConfigurationHasNoProblem) {
    MadeUpProbe probe;
    EXPECT_EQ(problems_of(good, probe), std::vector<std::string>{});
}

TEST(Validate, EachCheckOfTheContract) {
    using Lines = std::vector<std::string>;
    struct Row {
        std::string from, to;
        Lines problems;
    };
    const std::string unreachable = "'must not contain \"127.0.0.1\", \"0.0.0.0\", \"*\", \"::1\", \"localhost\"'";
    const Row rows[] = {
        {"scope: demo\n", "", {"p.yml: scope  is not defined."}},
        {"name: n1\n", "", {"p.yml: name  is not defined."}},
        {"  connect_address: 10.0.0.1:8008\n", "", {"p.yml:3: restapi.connect_address  is not defined."}},
        {"  connect_address: 10.0.0.1:8008",
         "  connect_address: localhost:8008",
         {"p.yml:5: restapi.connect_address localhost:8008 didn't pass validation: " + unreachable}},
        {"  connect_address: 10.0.0.1:5432",
         "  connect_address: 127.0.0.1:5432",
         {"p.yml:12: postgresql.connect_address 127.0.0.1:5432 didn't pass validation: " + unreachable}},
        {"  listen: 10.0.0.1:5432",
         "  listen: 10.0.0.1:99999",
         {"p.yml:11: postgresql.listen 10.0.0.1:99999 is not an address of the form host:port"}},
        {"    superuser: {username: postgres}\n",
         "",
         {"p.yml:15: postgresql.authentication.superuser  is not defined."}},
        {"{username: rep}",
         "{password: x}",
         {"p.yml:16: postgresql.authentication.replication.username  is not defined."}},
        {"etcd3:\n  hosts: 10.0.0.1:2379,10.0.0.2:2379\n", "", {"p.yml: etcd3  is not defined."}},
        {"ttl: 30",
         "ttl: 5",
         {"p.yml:9: bootstrap.dcs.ttl 5 must be at least 20 (from 3 on it is honoured while every member is pgcastle "
          "with a working fence; say \"castle: {fence: on}\" in this file to confirm that)"}},
        {"ttl: 30", "ttl: 2", {"p.yml:9: bootstrap.dcs.ttl 2 must be at least 20"}},
        {"bootstrap:\n  dcs: {ttl: 30",
         "castle: {fence: on}\nbootstrap:\n  dcs: {ttl: 2",
         {"p.yml:10: bootstrap.dcs.ttl 2 must be at least 3"}},
        {"bootstrap:\n  dcs: {ttl: 30", "castle: {fence: on}\nbootstrap:\n  dcs: {ttl: 5", {}},
        {"ttl: 30", "ttl: soon", {"p.yml:9: bootstrap.dcs.ttl soon is not an integer in units of s"}},
        {"max_connections: 100",
         "max_connections: 999999",
         {"p.yml:9: bootstrap.dcs.postgresql.parameters.max_connections 999999 must be from 25 to 262143"}},
        {"max_connections: 100",
         "max_locks_per_transaction: 9",
         {"p.yml:9: bootstrap.dcs.postgresql.parameters.max_locks_per_transaction 9 must be at least 32"}},
        {"name: n1\n", "name: n1\nname: n2\n", {"p.yml:3: name  is given twice, first in line 2"}},
        {"name: n1\n",
         "name: n1\ntags: {nofailover: true, failover_priority: 0}\n",
         {"p.yml:3: tags.nofailover true must not be given together with failover_priority"}},
        {"name: n1\n",
         "name: n1\nwatchdog: {mode: bad}\n",
         {"p.yml:3: watchdog.mode bad is not one of off, false, automatic, required"}},
        {"etcd3:",
         "etcd:",
         {"p.yml:6: etcd means the API of version 2, which etcd has removed; if your servers run 3.4 or later, rename "
          "the section "
          "to etcd3 (keys written through version 2 are not visible there)"}},
    };
    for (const Row& row : rows) {
        SCOPED_TRACE(row.from + " -> " + row.to);
        MadeUpProbe probe;
        std::string yaml = good;
        ASSERT_NE(yaml.find(row.from), yaml.npos);
        yaml.replace(yaml.find(row.from), row.from.size(), row.to);
        EXPECT_EQ(problems_of(yaml, probe), row.problems);
    }
}

TEST(Validate, LooksAtTheMachine) {
    using Lines = std::vector<std::string>;
    MadeUpProbe probe;
    probe.ports_in_use = {8008};
    EXPECT_EQ(problems_of(good, probe),
              Lines{"p.yml:4: restapi.listen 10.0.0.1:8008 didn't pass validation: 'Port 8008 is already in use.'"});
    EXPECT_EQ(problems_of(good, probe, {.ignore_listen_port = true}), Lines{});
    probe = {};
    probe.unreachable = {"10.0.0.2"};
    EXPECT_EQ(problems_of(good, probe),
              Lines{"p.yml:7: etcd3.hosts 10.0.0.1:2379,10.0.0.2:2379 didn't pass validation: "
                    "'10.0.0.2:2379 is not reachable'"});
    probe = {};
    probe.missing_programs = {"/b/initdb"};
    EXPECT_EQ(problems_of(good, probe),
              Lines{"p.yml:14: postgresql.bin_dir /b didn't pass validation: 'does not contain initdb'"});
}

TEST(Validate, TheDataDirectoryIsEmptyOrOfThisVersion) {
    const auto about = [](MadeUpProbe& probe) {
        const auto lines = problems_of(good, probe);
        return lines.empty() ? "" : lines[0].substr(lines[0].find(": '") + 2);
    };
    MadeUpProbe probe;
    probe.directories = {"/d"};
    EXPECT_EQ(about(probe), "");
    probe.directories = {"/d", "/d/pg_wal"};
    EXPECT_EQ(about(probe), "'is neither empty nor a PostgreSQL data directory: it has no PG_VERSION'");
    probe.files = {{"/d/PG_VERSION", "15\n"}};
    EXPECT_EQ(about(probe), "");
    probe.files = {{"/d/PG_VERSION", "16\n"}};
    EXPECT_EQ(about(probe), "'was made by PostgreSQL 16, but /b/postgres is of version 15'");
    probe.directories = {"/d"};
    EXPECT_EQ(about(probe), "'is not a whole PostgreSQL data directory: it has no pg_wal'");
}

TEST(Validate, TheCommandPrintsAndReturnsAStatus) {
    char pattern[] = "/tmp/castle-validate-XXXXXX";
    ASSERT_TRUE(::mkdtemp(pattern));
    const std::string file = std::string(pattern) + "/p.yml";
    MadeUpProbe probe;
    std::ofstream(file) << good;
    const ValidateResult fine = run_validate({.path = file, .print = true}, {{"PATRONI_NAME", "n7"}}, probe);
    EXPECT_EQ(fine.status, 0);
    EXPECT_EQ(fine.errors, "");
    EXPECT_NE(fine.output.find("name: n7\n"), std::string::npos) << "the environment is merged";
    std::ofstream(file) << "scope: [\n";
    const ValidateResult broken = run_validate({.path = file}, {}, probe);
    EXPECT_EQ(broken.status, 1);
    EXPECT_TRUE(broken.errors.starts_with(file + ":")) << broken.errors;
    std::filesystem::remove_all(pattern);
    EXPECT_EQ(run_validate({.path = file}, {}, probe).status, 1);
}

TEST(MachineProbe, SeesWhatIsThere) {
    MachineProbe probe;
    const int server = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    ASSERT_EQ(::bind(server, reinterpret_cast<sockaddr*>(&address), size), 0);
    ASSERT_EQ(::listen(server, 1), 0);
    ASSERT_EQ(::getsockname(server, reinterpret_cast<sockaddr*>(&address), &size), 0);
    const std::uint16_t port = ntohs(address.sin_port);
    EXPECT_TRUE(probe.can_connect("127.0.0.1", port));
    EXPECT_FALSE(probe.can_listen("127.0.0.1", port, false));
    EXPECT_TRUE(probe.can_listen("127.0.0.1", port, true));
    ::close(server);
    EXPECT_FALSE(probe.can_connect("127.0.0.1", port));
    EXPECT_TRUE(probe.can_listen("127.0.0.1", port, false));
    EXPECT_FALSE(probe.can_listen("192.0.2.1", port, false)) << "not an address of this machine";
    EXPECT_TRUE(probe.find_program("sh"));
    EXPECT_FALSE(probe.find_program("/nowhere/sh"));
    EXPECT_FALSE(probe.version_of("/bin/false"));
}

}  // namespace
}  // namespace castle::config
