// The whole interface over loopback, in front of a made-up agent.
#include "api/rest.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/rest_server.hpp"
#include "api/test_world.hpp"
#include "io/clock.hpp"
#include "io/http_client.hpp"
#include "io/test_certificates.hpp"

namespace castle::api {
namespace {

namespace json = boost::json;
using ::testing::HasSubstr;

constexpr Duration patience = 10s;

struct RealClock final : ports::Clock {
    Now now() const override { return {io::boot_now(), io::wall_now()}; }
};
struct Silence final : ports::Journal {
    void write(ports::Level, std::string_view) override {}
};

// What an agent would do, written down; the tests set what it shows and answers.
struct FakeAgent final : ports::Commands {
    FakeAgent() { show(test_primary()); }

    void show(core::AgentView shown) {
        shown.cluster_read_at = shown.instance.looked_at = io::boot_now();
        if (shown.leader_until != BootTime{}) shown.leader_until = io::boot_now() + 1h;
        shown.next_run = io::boot_now() + 10s;
        current = std::make_shared<core::AgentView>(std::move(shown));
        changed.notify();
    }
    void show_cluster(core::Cluster shown) {
        store = shown;
        core::AgentView next = *current;
        next.cluster = std::make_shared<core::Cluster>(std::move(shown));
        show(std::move(next));
    }

    std::shared_ptr<const core::AgentView> view() const override { return current; }
    Signal& view_changed() override { return changed; }
    Task<> refresh(Duration age_max) override {
        log += "refresh:" + std::to_string(age_max.count()) + " ";
        if (measures_anew) show(*measures_anew);
        co_return;
    }
    Task<Result<core::Cluster>> read_cluster(BootTime) override {
        if (!store_answers) co_return Error{Errc::unavailable, "no store"};
        co_return store;
    }
    Task<Result<Revision>> write(std::vector<core::KeyWrite> writes, BootTime) override {
        if (refuse_writes) co_return *refuse_writes;
        written.insert(written.end(), writes.begin(), writes.end());
        if (after_write) after_write();
        co_return Revision{101};
    }
    Task<std::vector<core::PeerStatus>> ask(std::vector<core::Member> members, BootTime) override {
        std::vector<core::PeerStatus> answers;
        for (const auto& member : members) answers.push_back({.name = member.name, .reached = peers_answer});
        co_return answers;
    }
    void wake() override { log += "wake "; }
    void reload() override { log += "reload "; }
    Task<ports::RestartOutcome> restart(ports::RestartRequest request) override {
        log += "restart:" + request.role + " ";
        co_return restart_outcome;
    }
    bool schedule_restart(core::ScheduledRestart restart) override {
        log += "schedule:" + restart.schedule + " ";
        return schedule_free;
    }
    bool unschedule_restart() override { return !schedule_free; }
    ports::ReinitOutcome reinitialize(bool force, bool from_leader) override {
        log += std::string("reinit") + (force ? " force" : "") + (from_leader ? " from_leader " : " ");
        return reinit_outcome;
    }

    std::shared_ptr<const core::AgentView> current;
    core::Cluster store = test_cluster();
    Signal changed;
    bool store_answers = true, peers_answer = true, schedule_free = true;
    std::optional<Error> refuse_writes;
    std::function<void()> after_write;
    std::optional<core::AgentView> measures_anew;  // what a look at the server would find
    std::vector<core::KeyWrite> written;
    ports::RestartOutcome restart_outcome = ports::RestartOutcome::done;
    ports::ReinitOutcome reinit_outcome = ports::ReinitOutcome::started;
    std::string log;
};

Task<Status> reconfigure(io::Loop& loop, RestServer& server, config::RestApi config) {
    co_return co_await server.reconfigure(std::move(config), loop.now() + patience);
}

class RestTest : public ::testing::Test {
protected:
    void SetUp() override { start({}); }
    void start(config::RestApi config) {
        config.listen.host = "127.0.0.1";
        server_.reset();
        auto started = io::run_to_end(loop_, RestServer::start(loop_, rest_, config, loop_.now() + patience));
        ASSERT_TRUE(started) << started.error().message;
        server_ = *std::move(started);
    }
    io::HttpResponse call(std::string method, std::string target, std::string body = "",
                          std::optional<io::BasicAuth> auth = {}) {
        io::HttpCall request{
            .method = method, .url = {false, {"127.0.0.1", server_->port()}, target}, .body = body, .auth = auth};
        auto response = io::run_to_end(loop_, io::http_call(loop_, request, loop_.now() + patience));
        EXPECT_TRUE(response) << response.error().message;
        return response ? *response : io::HttpResponse{};
    }
    std::string said(std::string method, std::string target, std::string body = "") {
        const auto response = call(method, target, body);
        return std::to_string(response.status) + " " + response.body;
    }
    std::string raw(std::string bytes) {
        return io::run_to_end(loop_, exchange(loop_, server_->port(), std::move(bytes)));
    }
    static Task<std::string> exchange(io::Loop& loop, int port, std::string bytes) {
        auto stream = co_await io::connect(loop, {"127.0.0.1", port}, nullptr, loop.now() + patience);
        if (!stream) co_return stream.error().message;
        auto sent = co_await (*stream)->write_all(bytes, loop.now() + patience);
        std::string all;
        char buffer[4096];
        for (;;) {
            auto size = co_await (*stream)->read_some(buffer, loop.now() + patience);
            if (!size || *size == 0) break;
            all.append(buffer, *size);
        }
        co_return all;
    }

    io::Loop loop_;
    RealClock clock_;
    Silence journal_;
    FakeAgent agent_;
    Rest rest_{loop_, clock_, agent_, journal_};
    std::unique_ptr<RestServer> server_;
};

TEST_F(RestTest, ProbesGetAStatusLineAndNothingElse) {
    EXPECT_EQ(raw("OPTIONS /primary HTTP/1.0\r\n\r\n"), "HTTP/1.0 200 OK\r\n\r\n");
    EXPECT_EQ(raw("OPTIONS /replica HTTP/1.0\r\n\r\n"), "HTTP/1.0 503 Service Unavailable\r\n\r\n");
    EXPECT_EQ(raw("HEAD /leader HTTP/1.1\r\nHost: x\r\n\r\n"), "HTTP/1.0 200 OK\r\n\r\n");
    EXPECT_EQ(raw("GET /liveness HTTP/1.0\r\n\r\n"), "HTTP/1.0 200 OK\r\n\r\n");
    EXPECT_EQ(raw("GET /readiness HTTP/1.0\r\n\r\n"), "HTTP/1.0 200 OK\r\n\r\n");
    EXPECT_EQ(raw("HEAD /liveness HTTP/1.0\r\n\r\n"), "HTTP/1.0 503 Service Unavailable\r\n\r\n");
    EXPECT_EQ(raw("OPTIONS /patroni HTTP/1.0\r\n\r\n"), "HTTP/1.0 503 Service Unavailable\r\n\r\n");
}

TEST_F(RestTest, GetsAreRoutedByTheFirstSegment) {
    EXPECT_EQ(call("GET", "/patroni/x?y=z").status, 200);
    EXPECT_EQ(call("GET", "/unknown").status, 503);
    EXPECT_THAT(call("GET", "/unknown").body, HasSubstr("\"state\": \"running\""));
    EXPECT_EQ(call("GET", "/").status, 200);
    EXPECT_EQ(call("GET", "/replica?lag=1MB").status, 503);
    EXPECT_THAT(said("GET", "/cluster"), HasSubstr("200 {\"members\": [{\"name\": \"n1\""));
    EXPECT_EQ(said("GET", "/history"), "200 []");
    EXPECT_EQ(said("GET", "/config"), "200 {\"ttl\": 30}");
    EXPECT_THAT(call("GET", "/metrics").body, HasSubstr("patroni_primary{"));
    EXPECT_EQ(*io::find_header(call("GET", "/metrics").headers, "content-type"), "text/plain");
    EXPECT_EQ(call("GET", "/failsafe").status, 502);
    core::Cluster cluster = test_cluster();
    cluster.failsafe = std::map<std::string, std::string>{{"n1", "http://10.0.0.1:8008/patroni"}};
    cluster.config.reset();
    agent_.show_cluster(cluster);
    EXPECT_EQ(said("GET", "/failsafe"), "200 {\"n1\": \"http://10.0.0.1:8008/patroni\"}");
    EXPECT_EQ(call("GET", "/config").status, 502);
    agent_.store_answers = false;
    EXPECT_EQ(call("GET", "/cluster").status, 503);
}

TEST_F(RestTest, TheStatusFollowsTheView) {
    EXPECT_THAT(call("GET", "/patroni").body, HasSubstr("\"name\": \"n1\""));
    agent_.show(test_standby());
    EXPECT_THAT(call("GET", "/patroni").body, HasSubstr("\"name\": \"n2\""));
    core::AgentView blind = *agent_.current;
    blind.store_ok = false;
    agent_.show(blind);
    EXPECT_THAT(call("GET", "/patroni").body, HasSubstr("\"cluster_unlocked\": true"));
}

TEST_F(RestTest, APositionIsMeasuredForWhoAsksTheStatusAndForNoProbe) {
    agent_.show(test_standby());
    agent_.measures_anew = test_standby();
    agent_.measures_anew->instance.received = Lsn{0x7000000};
    for (const char* probe : {"/", "/replica", "/health", "/readiness", "/liveness", "/metrics", "/history"})
        call("GET", probe);
    EXPECT_EQ(agent_.log, "");
    EXPECT_THAT(call("GET", "/patroni").body, HasSubstr("\"received_location\": 117440512"));
    EXPECT_EQ(agent_.log, "refresh:10 ");
}

TEST_F(RestTest, UnknownChangesAreNotSupported) {
    const auto response = call("POST", "/nonsense");
    EXPECT_EQ(response.status, 501);
    EXPECT_THAT(response.body, HasSubstr("Unsupported method ('POST')"));
    EXPECT_THAT(response.body, HasSubstr("Server does not support this operation"));
    EXPECT_EQ(call("DELETE", "/config").status, 501);
}

TEST_F(RestTest, BodiesAreChecked) {
    EXPECT_THAT(raw("PATCH /config HTTP/1.0\r\n\r\n"), HasSubstr("411 Length Required"));
    EXPECT_EQ(call("PATCH", "/config", "").status, 400);
    EXPECT_EQ(call("PATCH", "/config", "{}").status, 400);
    EXPECT_EQ(call("PATCH", "/config", "[1]").status, 400);
    EXPECT_EQ(call("POST", "/restart", "[1]").status, 400);
    EXPECT_THAT(raw("POST /restart HTTP/1.0\r\n\r\n"), HasSubstr("restarted successfully"));
}

TEST_F(RestTest, ConfigIsPatchedByCompareAndSwap) {
    EXPECT_EQ(said("PATCH", "/config", R"({"ttl":"30"})"), "200 {\"ttl\": 30}");
    EXPECT_TRUE(agent_.written.empty());
    EXPECT_EQ(said("PATCH", "/config", R"({"ttl":null,"pause":true})"), "200 {\"pause\": true}");
    ASSERT_EQ(agent_.written.size(), 1u);
    EXPECT_EQ(agent_.written[0].key, "config");
    EXPECT_EQ(agent_.written[0].value, "{\"pause\": true}");
    ASSERT_EQ(agent_.written[0].expect.size(), 1u);
    EXPECT_EQ(agent_.written[0].expect[0].revision, Revision{90});
    EXPECT_EQ(agent_.log, "wake ");
    agent_.refuse_writes = Error{Errc::conflict, "somebody was faster"};
    EXPECT_EQ(call("PATCH", "/config", R"({"pause":true})").status, 409);
    agent_.store.config = "[]";
    EXPECT_EQ(call("PATCH", "/config", R"({"pause":true})").status, 503);
}

TEST_F(RestTest, ConfigIsReplaced) {
    EXPECT_EQ(said("PUT", "/config", R"({"ttl":30})"), "200 {\"ttl\": 30}");
    EXPECT_TRUE(agent_.written.empty());
    EXPECT_EQ(said("PUT", "/config", R"({"ttl":40})"), "200 {\"ttl\": 40}");
    EXPECT_EQ(agent_.written.size(), 1u);
    agent_.refuse_writes = Error{Errc::unavailable, "gone"};
    EXPECT_EQ(call("PUT", "/config", R"({"ttl":50})").status, 502);
}

TEST_F(RestTest, CallsReachTheAgent) {
    EXPECT_EQ(said("POST", "/reload"), "202 reload scheduled");
    EXPECT_EQ(said("POST", "/sigterm"), "202 shutdown scheduled");
    EXPECT_EQ(said("POST", "/restart", R"({"role":"master"})"), "200 restarted successfully");
    EXPECT_EQ(said("POST", "/restart", R"({"schedule":"2100-01-01T00:00:00Z"})"), "202 Restart scheduled");
    EXPECT_EQ(said("DELETE", "/restart"), "404 no restarts are scheduled");
    agent_.schedule_free = false;
    EXPECT_EQ(said("POST", "/restart", R"({"schedule":"2100-01-01T00:00:00Z"})"),
              "409 Another restart is already scheduled");
    EXPECT_EQ(said("DELETE", "/restart"), "200 scheduled restart deleted");
    EXPECT_EQ(said("POST", "/reinitialize", R"({"force":"on","from-leader":1})"), "200 reinitialize started");
    EXPECT_EQ(
        agent_.log,
        "reload restart:primary schedule:2100-01-01T00:00:00Z schedule:2100-01-01T00:00:00Z reinit force from_leader ");
    EXPECT_EQ(said("POST", "/citus", R"({"type":"x"})"), "200 OK");
    EXPECT_EQ(said("POST", "/mpp", R"({"type":"x"})"), "200 OK");
    EXPECT_EQ(call("POST", "/failsafe", R"({"name":"n1"})").status, 502);
}

TEST_F(RestTest, OutcomesHaveTheContractsWords) {
    core::AgentView busy = *agent_.current;
    busy.long_action = "reinitialize";
    agent_.show(busy);
    const std::pair<ports::RestartOutcome, const char*> restarts[] = {
        {ports::RestartOutcome::conditions_not_met, "503 restart conditions are not satisfied"},
        {ports::RestartOutcome::busy, "503 reinitialize already in progress"},
        {ports::RestartOutcome::still_starting, "503 postgres is still starting"},
        {ports::RestartOutcome::failed, "503 restart failed"}};
    for (const auto& [outcome, words] : restarts) {
        agent_.restart_outcome = outcome;
        EXPECT_EQ(said("POST", "/restart"), words);
    }
    const std::pair<ports::ReinitOutcome, const char*> reinits[] = {
        {ports::ReinitOutcome::no_leader, "503 Cluster has no leader, can not reinitialize"},
        {ports::ReinitOutcome::is_leader, "503 I am the leader, can not reinitialize"},
        {ports::ReinitOutcome::busy, "503 reinitialize already in progress"}};
    for (const auto& [outcome, words] : reinits) {
        agent_.reinit_outcome = outcome;
        EXPECT_EQ(said("POST", "/reinitialize"), words);
    }
}

TEST_F(RestTest, ASwitchoverIsAnsweredWhenTheLockHasMoved) {
    agent_.after_write = [this] {
        EXPECT_THAT(*agent_.written.back().value, HasSubstr("n2"));
        core::Cluster moved = test_cluster();
        moved.revision = Revision{102};
        moved.leader = core::LeaderKey{"n2", Revision{102}, LeaseId{8}};
        loop_.post([this, moved] { agent_.show_cluster(moved); });
    };
    EXPECT_EQ(said("POST", "/switchover", R"({"leader":"n1","candidate":"n2"})"),
              "200 Successfully switched over to \"n2\"");
    EXPECT_EQ(agent_.written.back().key, "failover");
}

TEST_F(RestTest, AnOldViewIsNotTakenForTheResult) {
    // The view is of revision 100, older than the request itself.
    agent_.after_write = [this] {
        core::Cluster gone = test_cluster();
        gone.leader = core::LeaderKey{"n3", Revision{99}, LeaseId{8}};
        agent_.show_cluster(gone);
        core::Cluster moved = test_cluster();
        moved.revision = Revision{102};
        moved.leader = core::LeaderKey{"n2", Revision{102}, LeaseId{8}};
        loop_.at(loop_.now() + 5ms, [this, moved] { agent_.show_cluster(moved); });
    };
    EXPECT_EQ(said("POST", "/failover", R"({"candidate":"n2"})"), "200 Successfully failed over to \"n2\"");
}

TEST_F(RestTest, SwitchoversThatCannotBeAreRefused) {
    EXPECT_EQ(said("POST", "/switchover", R"({"leader":"n2"})"), "412 leader name does not match");
    EXPECT_EQ(said("POST", "/switchover", R"({"leader":"n1","scheduled_at":"2100-01-01T00:00:00Z"})"),
              "202 Switchover scheduled");
    EXPECT_EQ(said("DELETE", "/switchover"), "404 no switchover is scheduled");
    agent_.store.failover = core::FailoverRequest{.leader = "n1", .scheduled_at = test_wall, .modified = Revision{95}};
    EXPECT_EQ(said("DELETE", "/switchover"), "200 scheduled switchover deleted");
    EXPECT_EQ(agent_.written.back().value, "{}");
    EXPECT_EQ(agent_.written.back().expect.at(0).revision, Revision{95});
    agent_.peers_answer = false;
    EXPECT_EQ(said("POST", "/switchover", R"({"leader":"n1"})"),
              "412 switchover is not possible: no good candidates have been found");
    agent_.refuse_writes = Error{Errc::conflict, "no"};
    EXPECT_EQ(call("DELETE", "/switchover").status, 409);
    agent_.peers_answer = true;
    EXPECT_EQ(said("POST", "/switchover", R"({"leader":"n1"})"), "503 failed to write failover key into DCS");
}

TEST_F(RestTest, ChangesAreGuardedReadsAreNot) {
    config::RestApi config;
    config.authentication = config::BasicAuth{"user", "pass"};
    config.allowlist = {"127.0.0.0/8"};
    config.server_tokens = "ProductOnly";
    config.http_extra_headers = {{"X-Frame-Options", "DENY"}, {"Content-Type", "text/special"}};
    start(config);
    const auto refused = call("POST", "/reload");
    EXPECT_EQ(refused.status, 401);
    EXPECT_EQ(refused.body, "no auth header received");
    EXPECT_EQ(call("POST", "/mpp", "{}").status, 401);
    EXPECT_EQ(call("POST", "/reload", "", io::BasicAuth{"user", "pass"}).status, 202);
    const auto open = call("GET", "/patroni");
    EXPECT_EQ(open.status, 200);
    EXPECT_EQ(*io::find_header(open.headers, "Server"), "Patroni");
    EXPECT_EQ(*io::find_header(open.headers, "X-Frame-Options"), "DENY");
    EXPECT_EQ(*io::find_header(open.headers, "Content-Type"), "text/special");
}

TEST_F(RestTest, TheAllowlistMayNameHostsAndMembers) {
    config::RestApi config;
    config.allowlist = {"10.9.9.9"};
    start(config);
    EXPECT_EQ(said("POST", "/reload"), "403 Access is denied");
    config.allowlist = {"localhost"};
    start(config);
    EXPECT_EQ(call("POST", "/reload").status, 202);
    config.allowlist.clear();
    config.allowlist_include_members = true;
    start(config);
    EXPECT_EQ(call("POST", "/reload").status, 403);
    core::Cluster cluster = test_cluster();
    cluster.members["n3"] = test_member("n3", R"({"api_url":"http://127.0.0.1:8008/patroni"})");
    agent_.show_cluster(cluster);
    EXPECT_EQ(call("POST", "/reload").status, 202);
    EXPECT_EQ(said("POST", "/failsafe", "{}"), "403 Access is denied");  // members do not count there
}

TEST_F(RestTest, OverTlsChangesNeedAClientCertificateIfOneIsAskedFor) {
    const io::TestCertificates files;
    config::RestApi config;
    config.certfile = files.path("server.crt");
    config.keyfile = files.path("server.key");
    config.cafile = files.path("ca.crt");
    config.verify_client = config::RestApi::VerifyClient::optional;
    config.http_extra_headers = {{"X-A", "plain"}};
    config.https_extra_headers = {{"x-a", "secure"}};
    start(config);
    const auto secure_call = [&](std::string method, std::string target, const io::TlsOptions& options) {
        auto tls = io::TlsContext::client(options);
        EXPECT_TRUE(tls);
        io::HttpCall request{.method = method, .url = {true, {"127.0.0.1", server_->port()}, target}, .tls = *tls};
        auto response = io::run_to_end(loop_, io::http_call(loop_, request, loop_.now() + patience));
        return response ? *response : io::HttpResponse{.status = 0, .body = response.error().message};
    };
    const io::TlsOptions nobody{.ca_file = files.path("ca.crt")};
    const io::TlsOptions member{
        .ca_file = files.path("ca.crt"), .cert_file = files.path("client.crt"), .key_file = files.path("client.key")};
    const auto read = secure_call("GET", "/primary", nobody);
    EXPECT_EQ(read.status, 200) << read.body;
    EXPECT_EQ(*io::find_header(read.headers, "X-A"), "secure");
    const auto refused = secure_call("POST", "/reload", nobody);
    EXPECT_EQ(refused.status, 403);
    EXPECT_EQ(refused.body, "client certificate required");
    EXPECT_EQ(secure_call("POST", "/reload", member).status, 202);

    // Taken up without a new listener.
    config.listen = {"127.0.0.1", 0};
    config.verify_client = config::RestApi::VerifyClient::required;
    const int port = server_->port();
    EXPECT_TRUE(io::run_to_end(loop_, reconfigure(loop_, *server_, config)));
    EXPECT_EQ(server_->port(), port);
    EXPECT_EQ(secure_call("GET", "/primary", nobody).status, 0);
    EXPECT_EQ(secure_call("GET", "/primary", member).status, 200);
}

TEST_F(RestTest, AnAgentThatHasNotLookedYetIsNotHealthy) {
    agent_.current.reset();
    EXPECT_EQ(call("GET", "/primary").status, 503);
    EXPECT_EQ(call("GET", "/patroni").status, 503);
    EXPECT_EQ(call("POST", "/restart").status, 503);
}

TEST_F(RestTest, AListenerThatCannotBeLeavesTheOldOne) {
    config::RestApi config;
    config.listen = {"192.0.2.1", 0};  // an address that nobody has
    auto failed = io::run_to_end(loop_, reconfigure(loop_, *server_, config));
    ASSERT_FALSE(failed);
    EXPECT_THAT(failed.error().message, HasSubstr("restapi.listen: listen on 192.0.2.1:0"));
    EXPECT_EQ(call("GET", "/primary").status, 200);
    config.listen = {"127.0.0.1", 0};
    config.certfile = "/nowhere/cert";
    failed = io::run_to_end(loop_, reconfigure(loop_, *server_, config));
    ASSERT_FALSE(failed);
    EXPECT_THAT(failed.error().message, HasSubstr("restapi: certificate file \"/nowhere/cert\""));
    config.certfile.clear();
    config.server_tokens = "minimal";
    EXPECT_TRUE(io::run_to_end(loop_, reconfigure(loop_, *server_, config)));
    EXPECT_EQ(*io::find_header(call("GET", "/patroni").headers, "Server"), "Patroni/4.1.4");
}

}  // namespace
}  // namespace castle::api
