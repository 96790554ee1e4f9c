// The client against endpoints on this machine that misbehave in every way we know of.
#include "dcs/etcd/client.hpp"

#include <gtest/gtest.h>

#include "dcs/etcd/fake_grpc_server.hpp"
#include "io/listener.hpp"

namespace castle::dcs {
namespace {

using namespace std::chrono_literals;
using testing::FakeGrpcServer;
using Reply = FakeGrpcServer::Reply;

// Endpoints with users: they serve those who show the token that a login gave them, and a login takes its time.
struct Users {
    Duration login_time{};
    int tokens = 1;  // one more, and those of before are worth nothing
    bool password_is_right = true;
    int logins = 0;  // begun

    Reply log_in() {
        ++logins;
        if (!password_is_right)
            return {.code = 3, .message = "etcdserver: authentication failed, invalid user ID or password"};
        etcdpb::AuthenticateResponse response;
        response.set_token("token " + std::to_string(tokens));
        return {.body = wire::frame_grpc(response.SerializeAsString()), .after = login_time};
    }
    bool know(const std::string& token) const { return token == "token " + std::to_string(tokens); }
};

// An endpoint that serves as the handler says, after `delay`.
class FakeEndpoint {
public:
    FakeEndpoint(io::Loop& loop, FakeGrpcServer::Handler handler, Duration delay = {})
        : loop_(loop), handler_(std::move(handler)), delay_(delay), scope_(loop) {
        listener_ = *io::run_to_end(loop, io::Listener::tcp(loop, {"127.0.0.1", 0}, loop.now() + 5s));
        scope_.spawn(accept_all());
    }
    io::Endpoint at() const { return {"127.0.0.1", listener_->port()}; }
    int calls(const std::string& path) const { return calls_.contains(path) ? calls_.at(path) : 0; }
    std::string banner;  // instead of HTTP/2
    bool mute = false;   // says nothing at all
    Users* users = nullptr;

private:
    Task<> accept_all() {
        while (true) {
            auto stream = co_await listener_->accept();
            if (stream) scope_.spawn(serve(std::move(*stream)));
        }
    }
    Reply answer(const std::string& path, const std::string& body, const std::string& token) {
        ++calls_[path];
        if (users && path == methods::authenticate) return users->log_in();
        if (users && !users->know(token)) return {.code = 16, .message = "etcdserver: invalid auth token"};
        return handler_(path, body);
    }
    struct Connection {
        Connection(FakeEndpoint& endpoint, io::StreamPtr with)
            : stream(std::move(with)), server([this, &endpoint](const std::string& path, const std::string& body) {
                  return endpoint.answer(path, body, server.token());
              }) {}
        io::StreamPtr stream;
        FakeGrpcServer server;
        Signal changed;
        bool ended = false;
    };
    Task<> serve(io::StreamPtr stream) {
        const auto connection = std::make_shared<Connection>(*this, std::move(stream));
        scope_.spawn(write_all(connection));
        std::vector<char> buffer(10'000);
        while (!connection->ended) {
            auto size = co_await connection->stream->read_some(buffer, loop_.now() + 60s);
            if (!size || *size == 0 || !connection->server.receive({buffer.data(), *size})) break;
            for (const auto& [id, after] : connection->server.take_due())
                scope_.spawn(answer_later(connection, id, after));
            connection->changed.notify();
        }
        connection->ended = true;
        connection->changed.notify();
    }
    Task<> write_all(std::shared_ptr<Connection> connection) {
        if (!banner.empty()) (void)co_await connection->stream->write_all(banner, loop_.now() + 5s);
        bool first = true;
        while (!connection->ended) {
            const auto seen = connection->changed.count();
            const std::string output = connection->server.take_output();
            if (!output.empty() && !mute && banner.empty()) {
                if (!std::exchange(first, false)) co_await sleep_for(loop_, delay_);
                const auto written = co_await connection->stream->write_all(output, loop_.now() + 5s);
                if (!written) co_return;
            }
            co_await wait_past(loop_, connection->changed, seen, loop_.now() + 60s);
        }
    }
    Task<> answer_later(std::shared_ptr<Connection> connection, int id, Duration after) {
        co_await sleep_for(loop_, after);
        if (connection->ended) co_return;
        connection->server.submit(id);
        connection->changed.notify();
    }

    io::Loop& loop_;
    FakeGrpcServer::Handler handler_;
    Duration delay_;
    std::unique_ptr<io::Listener> listener_;
    std::map<std::string, int> calls_;
    Scope scope_;
};

// A range of one key that tells who answered, in raft term `term`.
FakeGrpcServer::Handler answers(std::string name, std::uint64_t term = 1) {
    return [name, term](const std::string&, const std::string&) {
        etcdpb::RangeResponse response;
        response.mutable_header()->set_cluster_id(1);
        response.mutable_header()->set_raft_term(term);
        response.add_kvs()->set_value(name);
        return Reply{.body = wire::frame_grpc(response.SerializeAsString())};
    };
}
FakeGrpcServer::Handler fails(Reply reply) {
    return [reply](const std::string&, const std::string&) { return reply; };
}

class ClientTest : public ::testing::Test {
protected:
    void connect(std::initializer_list<const FakeEndpoint*> endpoints, const std::string& user = {}) {
        EtcdOptions options;
        options.user = user;
        options.password = user;
        for (const auto* endpoint : endpoints) options.endpoints.push_back(endpoint->at());
        options.use_proxies = true;
        options.shuffle = false;
        client_.emplace(loop_, options);
    }
    // As many calls, all at once. How many were answered.
    int reads_at_once(int calls, Duration patience) {
        int answered = 0;
        Scope scope(loop_);
        for (int i = 0; i < calls; ++i) scope.spawn(count_read(answered, loop_.now() + patience));
        io::run_to_end(loop_, settled(scope));
        return answered;
    }
    Task<> count_read(int& answered, BootTime deadline) {
        const auto answer =
            co_await client_->call<etcdpb::RangeResponse>(methods::range, etcdpb::RangeRequest{}, deadline);
        if (answer) ++answered;
    }
    static Task<int> settled(Scope& scope) {
        co_await scope.drained();
        co_return 0;
    }
    // Who answered, or the error.
    Result<std::string> call(Method method, Duration patience = 3s) {
        auto answer = io::run_to_end(
            loop_, client_->call<etcdpb::RangeResponse>(method, etcdpb::RangeRequest{}, loop_.now() + patience));
        if (!answer) return std::move(answer).error();
        return answer->response.kvs(0).value();
    }
    Result<std::string> read(Duration patience = 3s) { return call(methods::range, patience); }
    Result<std::string> write(Duration patience = 3s) { return call(methods::write_txn, patience); }
    int writes(const FakeEndpoint& endpoint) { return endpoint.calls("/etcdserverpb.KV/Txn"); }

    io::Loop loop_;
    std::optional<Client> client_;
};

#define EXPECT_ANSWER(result, name)                      \
    do {                                                 \
        const auto answer_ = (result);                   \
        ASSERT_TRUE(answer_) << answer_.error().message; \
        EXPECT_EQ(*answer_, name);                       \
    } while (false)

TEST_F(ClientTest, LeavesWhoTalksNonsenseOrNothing) {
    FakeEndpoint nonsense(loop_, answers("nonsense")), mute(loop_, answers("mute")), good(loop_, answers("good"));
    nonsense.banner = "HTTP/1.1 400 Bad Request\r\n\r\n";
    mute.mute = true;
    connect({&nonsense, &mute, &good});
    const BootTime begun = loop_.now();
    EXPECT_ANSWER(read(), "good");
    EXPECT_LT(loop_.now() - begun, 2s);
    EXPECT_ANSWER(write(), "good");

    connect({&mute, &nonsense, &good});
    EXPECT_ANSWER(write(), "good");  // nothing was sent to the others
}

TEST_F(ClientTest, SendsAWriteAgainOnlyIfItSurelyWasNotDone) {
    struct Row {
        std::string_view rule;
        Reply reply;
        bool again;
        Effect effect;
    };
    const Row rows[] = {
        {"refused", {.how = Reply::How::refuse}, true, Effect::none},
        {"the server is leaving", {.how = Reply::How::go_away}, true, Effect::none},
        {"no leader", {.code = 14, .message = "etcdserver: no leader"}, true, Effect::none},
        {"too many requests", {.code = 8, .message = "etcdserver: too many requests"}, true, Effect::none},
        {"reset", {.how = Reply::How::reset}, false, Effect::unknown},
        {"timed out", {.code = 14, .message = "etcdserver: request timed out"}, false, Effect::unknown},
        {"no answer", {.body = "", .code = 0}, false, Effect::unknown},
        {"an answer that is none", {.body = wire::frame_grpc("\xff\xff")}, false, Effect::unknown},
        {"a proxy's error", {.how = Reply::How::http_error}, false, Effect::unknown},
        {"wrong", {.code = 3, .message = "etcdserver: duplicate key"}, false, Effect::none},
    };
    for (const Row& row : rows) {
        SCOPED_TRACE(row.rule);
        FakeEndpoint bad(loop_, fails(row.reply)), good(loop_, answers("good"));
        connect({&bad, &good});
        const auto result = write();
        EXPECT_EQ(static_cast<bool>(result), row.again);
        if (!result) {
            EXPECT_EQ(result.error().effect, row.effect) << result.error().message;
            EXPECT_NE(result.error().message.find(bad.at().text()), std::string::npos) << result.error().message;
        }
        EXPECT_EQ(writes(bad), 1);
        EXPECT_EQ(writes(good), row.again ? 1 : 0);
        client_.reset();
    }
}

TEST_F(ClientTest, WaitsForASlowOneAndWritesOnce) {
    FakeEndpoint slow(loop_, answers("slow"), 800ms);
    connect({&slow});
    EXPECT_ANSWER(read(), "slow");
    FakeEndpoint other(loop_, answers("other"));
    connect({&slow, &other});
    EXPECT_ANSWER(write(), "slow");
    EXPECT_EQ(writes(other), 0);
    EXPECT_ANSWER(read(), "other");  // whoever is first
}

// etcd's followers pass keep-alives on, and wait for a leader that is lost until long after there is another one.
TEST_F(ClientTest, AsksAgainWhereTheFirstQuestionIsStuck) {
    int asked = 0;
    const auto answer = answers("good");
    const auto stuck_at_first = [&](const std::string& path, const std::string& body) {
        return ++asked <= 3 ? Reply{.how = Reply::How::silence} : answer(path, body);
    };
    FakeEndpoint one(loop_, stuck_at_first), two(loop_, stuck_at_first), three(loop_, stuck_at_first);
    connect({&one, &two, &three});
    const BootTime begun = loop_.now();
    EXPECT_ANSWER(read(10s), "good");
    EXPECT_EQ(asked, 4);
    EXPECT_LT(loop_.now() - begun, 5s);
}

TEST_F(ClientTest, GivesUpAtTheDeadline) {
    FakeEndpoint silent(loop_, fails({.how = Reply::How::silence}));
    connect({&silent});
    const BootTime begun = loop_.now();
    const auto result = read(700ms);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, Errc::timed_out);
    EXPECT_GE(loop_.now() - begun, 700ms);
    EXPECT_LT(loop_.now() - begun, 1000ms);
    const auto written = write(300ms);
    ASSERT_FALSE(written);
    EXPECT_EQ(written.error().effect, Effect::unknown);
    EXPECT_FALSE(read(0ms));
    EXPECT_EQ(write(0ms).error().effect, Effect::none);
}

TEST_F(ClientTest, AWriteInDoubtIsGivenUpWhenOthersAnswer) {
    FakeEndpoint silent(loop_, fails({.how = Reply::How::silence})), good(loop_, answers("good"));
    connect({&silent, &good});
    const BootTime begun = loop_.now();
    const auto written = write(10s);
    ASSERT_FALSE(written);
    EXPECT_EQ(written.error().effect, Effect::unknown) << written.error().message;
    EXPECT_LT(loop_.now() - begun, 4s);
    EXPECT_EQ(writes(good), 0);
    EXPECT_ANSWER(read(), "good");
}

TEST_F(ClientTest, DoesNotBelieveANodeThatTheClusterHasLeftBehind) {
    FakeEndpoint fresh(loop_, answers("fresh", 5)), stale(loop_, answers("stale", 4));
    connect({&fresh, &stale});
    EXPECT_ANSWER(read(), "fresh");
    client_->avoid(fresh.at());
    EXPECT_ANSWER(read(), "fresh");
    EXPECT_EQ(stale.calls("/etcdserverpb.KV/Range"), 1);
}

TEST_F(ClientTest, LogsInOnceForAllItsCalls) {
    Users users{.login_time = 900ms};  // longer than an attempt
    FakeEndpoint a(loop_, answers("a")), b(loop_, answers("b"));
    a.users = b.users = &users;
    connect({&a, &b}, "castle");
    EXPECT_EQ(reads_at_once(10, 5s), 10);
    EXPECT_EQ(users.logins, 1);
    EXPECT_EQ(a.calls("/etcdserverpb.KV/Range") + b.calls("/etcdserverpb.KV/Range"), 10);
    // All of them find out at once that the token is worth nothing any more.
    ++users.tokens;
    EXPECT_EQ(reads_at_once(10, 5s), 10);
    EXPECT_EQ(users.logins, 2);
    ++users.tokens;
    EXPECT_ANSWER(write(), "a");
    EXPECT_EQ(users.logins, 3);
}

TEST_F(ClientTest, ALoginGoesOnWhenNoCallWaitsForIt) {
    Users users{.login_time = 800ms};
    FakeEndpoint a(loop_, answers("a"));
    a.users = &users;
    connect({&a}, "castle");
    for (int i = 0; i < 10 && !read(150ms); ++i) {
    }
    EXPECT_ANSWER(read(), "a");
    EXPECT_EQ(users.logins, 1);
}

TEST_F(ClientTest, ALoginLeavesAFrozenEndpointForAnother) {
    Users users{.login_time = 100ms};
    FakeEndpoint frozen(loop_, answers("frozen")), good(loop_, answers("good"));
    frozen.users = good.users = &users;
    frozen.mute = true;
    connect({&frozen, &good}, "castle");
    const BootTime begun = loop_.now();
    EXPECT_ANSWER(read(), "good");
    EXPECT_LT(loop_.now() - begun, 1500ms);

    // One that froze after it had served for a while, when the token has just run out.
    FakeEndpoint later(loop_, answers("later"));
    later.users = &users;
    connect({&later, &good}, "castle");
    EXPECT_ANSWER(read(), "later");
    later.mute = true;
    ++users.tokens;
    EXPECT_ANSWER(read(), "good");
    EXPECT_ANSWER(read(), "good");
}

TEST_F(ClientTest, ALoginThatIsOnlySlowIsNotRepeatedEverywhere) {
    Users slow{.login_time = 3s};
    FakeEndpoint a(loop_, answers("a")), b(loop_, answers("b")), c(loop_, answers("c"));
    a.users = b.users = c.users = &slow;
    connect({&a, &b, &c}, "castle");
    EXPECT_TRUE(read(6s));
    EXPECT_LE(slow.logins, 2);
}

TEST_F(ClientTest, AWrongPasswordIsNotTriedWithoutAPause) {
    Users users{.password_is_right = false};
    FakeEndpoint a(loop_, answers("a"));
    a.users = &users;
    connect({&a}, "castle");
    const BootTime end = loop_.now() + 1s;
    while (loop_.now() < end) {
        const auto result = read(300ms);
        ASSERT_FALSE(result);
        EXPECT_EQ(result.error().code, Errc::denied) << result.error().message;
        io::run_to_end(loop_, sleep_for(loop_, 1ms));
    }
    EXPECT_LT(users.logins, 10);
    users.password_is_right = true;
    const BootTime right_since = loop_.now();
    while (!read(300ms) && loop_.now() < right_since + 6s) io::run_to_end(loop_, sleep_for(loop_, 10ms));
    EXPECT_ANSWER(read(), "a");
}

}  // namespace
}  // namespace castle::dcs
