// The live Remote and the whole command line against a real etcd and a member's REST interface over loopback.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <mutex>
#include <thread>

#include "config/probe.hpp"
#include "config/yaml.hpp"
#include "ctl/made_up.hpp"
#include "io/http_server.hpp"
#include "io/process.hpp"

namespace castle::ctl {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

int free_port() {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size), 0);
    ::close(fd);
    return ntohs(address.sin_port);
}

// One etcd in a directory that goes away with it.
class Etcd {
public:
    Etcd() : port_(free_port()) {
        char pattern[] = "/tmp/castle-ctl-XXXXXX";
        EXPECT_TRUE(::mkdtemp(pattern));
        dir_ = pattern;
        const std::string client = "http://127.0.0.1:" + std::to_string(port_);
        const std::string peer = "http://127.0.0.1:" + std::to_string(free_port());
        auto started = io::run_to_end(
            loop_,
            io::Process::start(
                loop_, {.argv = {"etcd", "--unsafe-no-fsync", "--data-dir", dir_ + "/data", "--listen-client-urls",
                                 client, "--advertise-client-urls", client, "--listen-peer-urls", peer,
                                 "--initial-advertise-peer-urls", peer, "--initial-cluster", "default=" + peer},
                        .output_file = dir_ + "/log"}));
        EXPECT_TRUE(started) << (started ? "" : started.error().message);
        if (started) process_ = std::move(*started);
        config::MachineProbe probe;
        for (int i = 0; i < 200 && !probe.can_connect("127.0.0.1", static_cast<std::uint16_t>(port_)); ++i)
            io::run_to_end(loop_, sleep_for(loop_, 50ms));
    }
    ~Etcd() {
        if (process_) (void)io::run_to_end(loop_, process_->terminate(5s));
        process_.reset();
        std::filesystem::remove_all(dir_);
    }
    std::string address() const { return "127.0.0.1:" + std::to_string(port_); }

private:
    int port_;
    std::string dir_;
    io::Loop loop_;
    std::unique_ptr<io::Process> process_;
};

// A member that answers every request with what it was asked, on a thread of its own.
class Member {
public:
    Member() {
        auto started =
            io::run_to_end(loop_, io::HttpServer::start(loop_, {.listen = {"127.0.0.1", 0}}, echo, loop_.now() + 5s));
        EXPECT_TRUE(started) << (started ? "" : started.error().message);
        server_ = std::move(*started);
        thread_ = std::thread([this] { loop_.run(); });
    }
    ~Member() {
        loop_.stop();
        thread_.join();
        server_.reset();
    }
    std::string url() const { return "http://127.0.0.1:" + std::to_string(server_->port()) + "/patroni"; }

private:
    static Task<io::HttpResponse> echo(io::ServerRequest request) {
        const auto header = [&](const char* name) {
            const std::string* const value = io::find_header(request.headers, name);
            return value ? *value : std::string("-");
        };
        co_return io::HttpResponse{.status = 200,
                                   .body = request.method + " " + request.target + " " + header("Authorization") + " " +
                                           header("Content-Type") + " " + request.body};
    }

    io::Loop loop_;
    std::unique_ptr<io::HttpServer> server_;
    std::thread thread_;
};

config::Local local_for(const Etcd& etcd) {
    return config::read_local(*config::parse_yaml(
        "scope: demo\netcd3: {host: '" + etcd.address() + "'}\nctl: {authentication: {username: u, password: p}}\n",
        "test"));
}

TEST(LiveRemote, ReadsAndWritesTheStore) {
    const Etcd etcd;
    const auto remote = connect_remote(local_for(etcd));
    ASSERT_TRUE(remote->write("/service/demo/", {{"config", "{}", false, {}}, {"members/n1", "x", false, {}}}));
    ASSERT_TRUE(remote->write("/service/other/", {{"config", "other", false, {}}}));
    const auto snapshot = remote->read("/service/demo/");
    ASSERT_TRUE(snapshot) << snapshot.error().message;
    ASSERT_EQ(snapshot->keys.size(), 2u);
    EXPECT_EQ(snapshot->keys.at("members/n1").value, "x");

    const Revision seen = snapshot->keys.at("config").modified;
    EXPECT_TRUE(remote->write("/service/demo/", {{"config", "1", false, {core::Expect::modified_at(seen)}}}));
    const auto lost = remote->write("/service/demo/", {{"config", "2", false, {core::Expect::modified_at(seen)}}});
    ASSERT_FALSE(lost);
    EXPECT_EQ(lost.error().code, Errc::conflict);
    EXPECT_TRUE(remote->write("/service/demo/", {{"config", std::nullopt, false, {}}}));
    EXPECT_EQ(remote->read("/service/demo/")->keys.size(), 1u);
}

TEST(LiveRemote, AsksMembersWithCredentials) {
    const Etcd etcd;
    const Member member;
    const auto remote = connect_remote(local_for(etcd));
    const auto answer = remote->request("POST", member.url(), "restart", R"({"a":1})");
    ASSERT_TRUE(answer) << answer.error().message;
    EXPECT_EQ(answer->body, R"(POST /restart Basic dTpw application/json {"a":1})");
    EXPECT_EQ(remote->request("GET", member.url(), "", {})->body, "GET /patroni Basic dTpw - ");
    EXPECT_FALSE(remote->request("POST", "http://127.0.0.1:" + std::to_string(free_port()), "restart", "{}"));
}

TEST(CommandLine, WorksFromTheEnvironmentAlone) {
    const Etcd etcd;
    const Member member;
    const config::Variables variables{{"PATRONI_SCOPE", "demo"}, {"PATRONI_ETCD3_HOST", etcd.address()}};
    const Surroundings surroundings{"patronictl", variables, "", "", "", connect_remote};
    const auto run_line = [&](std::vector<std::string> arguments, testing::MadeUpTerminal& terminal) {
        return run(arguments, surroundings, terminal);
    };
    const auto remote = connect_remote(local_for(etcd));
    ASSERT_TRUE(remote->write("/service/demo/",
                              {{"config", R"({"ttl":20})", false, {}},
                               {"leader", "n1", false, {}},
                               {"members/n1", R"({"state":"running","api_url":")" + member.url() + R"("})", false, {}},
                               {"members/n2", "{}", false, {}}}));
    testing::MadeUpTerminal list, edit, switchover, remove;
    EXPECT_EQ(run_line({"list"}, list), 0) << list.errors;
    EXPECT_THAT(list.output, HasSubstr("| n1     |      | Leader  | running |"));
    EXPECT_EQ(run_line({"edit-config", "-s", "ttl=30", "--force"}, edit), 0) << edit.errors;
    EXPECT_EQ(remote->read("/service/demo/")->keys.at("config").value, R"({"ttl":30})");
    EXPECT_EQ(run_line({"switchover", "--force"}, switchover), 0) << switchover.errors;
    EXPECT_THAT(switchover.output,
                HasSubstr(R"(POST /switchover - application/json {"candidate":null,"leader":"n1"})"));
    remove.answers = {"demo", "Yes I am aware", "n1"};
    EXPECT_EQ(run_line({"remove", "demo"}, remove), 0) << remove.errors;
    EXPECT_TRUE(remote->read("/service/demo/")->keys.empty());
}

}  // namespace
}  // namespace castle::ctl
