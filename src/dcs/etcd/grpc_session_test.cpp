#include "dcs/etcd/grpc_session.hpp"

#include <gtest/gtest.h>

#include <random>

#include "dcs/etcd/fake_grpc_server.hpp"

namespace castle::dcs {
namespace {

using testing::FakeGrpcServer;
using How = FakeGrpcServer::Reply::How;
using wire::frame_grpc;
using wire::GrpcCode;

// Carries bytes both ways, `piece` at a time, until neither side has any more.
void exchange(GrpcSession& client, FakeGrpcServer& server, std::size_t piece = 1 << 20) {
    while (true) {
        const std::string there = client.take_output(), back = server.take_output();
        if (there.empty() && back.empty()) return;
        for (std::size_t at = 0; at < there.size(); at += piece)
            ASSERT_TRUE(server.receive(std::string_view(there).substr(at, piece)));
        for (std::size_t at = 0; at < back.size(); at += piece)
            if (!client.receive(std::string_view(back).substr(at, piece))) return;
    }
}

TEST(GrpcSession, CarriesCallsInPiecesOfAnySize) {
    const std::string large(300'000, 'x');  // more than any window of the protocol's default
    for (const std::size_t piece : {std::size_t{1}, std::size_t{7}, std::size_t{1} << 20}) {
        FakeGrpcServer server([&](const std::string& path, const std::string& body) {
            EXPECT_EQ(path, "/a.B/C");
            return FakeGrpcServer::Reply{.body = body + frame_grpc(large)};
        });
        GrpcSession client("10.0.0.1:2379", false);
        EXPECT_FALSE(client.established());
        exchange(client, server, piece);
        EXPECT_TRUE(client.established());
        const auto one = client.open("/a.B/C", {{"token", "t"}});
        const auto two = client.open("/a.B/C", {});
        client.send(one, "hello", false);
        client.send(two, large, true);
        client.send(one, "world", true);
        exchange(client, server, piece);
        EXPECT_TRUE((one->messages == std::deque<std::string>{"hello", "world", large}));
        EXPECT_TRUE((two->messages == std::deque<std::string>{large, large}));
        ASSERT_TRUE(one->end && two->end);
        EXPECT_TRUE(one->end->status.ok());
        EXPECT_EQ(client.streams(), 0u);
        EXPECT_EQ(server.headers(1).at("token"), "t");
        EXPECT_EQ(server.headers(1).at("te"), "trailers");
        EXPECT_EQ(server.headers(1).at(":authority"), "10.0.0.1:2379");
        EXPECT_EQ(server.headers(1).at("content-type"), "application/grpc");
    }
}

TEST(GrpcSession, TellsApartHowCallsFail) {
    struct Row {
        std::string_view rule;
        FakeGrpcServer::Reply reply;
        GrpcCode code;
        bool untouched;
    };
    const Row rows[] = {
        {"a status", {.code = 7, .message = "permission%20denied"}, GrpcCode::permission_denied, false},
        {"refused", {.how = How::refuse}, GrpcCode::unavailable, true},
        {"reset", {.how = How::reset}, GrpcCode::unavailable, false},
        {"the server leaves before this call", {.how = How::go_away}, GrpcCode::unavailable, true},
        {"a proxy's answer", {.how = How::http_error}, GrpcCode::unavailable, false},
        {"no status", {.how = How::no_status, .body = frame_grpc("x")}, GrpcCode::internal, false},
        {"half a message", {.body = frame_grpc("hello").substr(0, 7)}, GrpcCode::internal, false},
        {"no gRPC", {.body = "<html>"}, GrpcCode::internal, false},
    };
    for (const Row& row : rows) {
        SCOPED_TRACE(row.rule);
        FakeGrpcServer server([&](const std::string&, const std::string&) { return row.reply; });
        GrpcSession client("h:1", true);
        const auto stream = client.open("/a.B/C", {});
        client.send(stream, "x", true);
        exchange(client, server);
        ASSERT_TRUE(stream->end);
        EXPECT_EQ(stream->end->status.code, row.code);
        EXPECT_EQ(stream->end->untouched, row.untouched);
        EXPECT_FALSE(stream->end->status.message.empty());
    }
}

TEST(GrpcSession, OpensNothingAfterGoodbyeAndEndsAllWhenLost) {
    FakeGrpcServer server(
        [](const std::string&, const std::string&) { return FakeGrpcServer::Reply{.how = How::silence}; });
    GrpcSession client("h:1", false);
    const auto stream = client.open("/a.B/C", {});
    client.send(stream, "x", true);
    exchange(client, server);
    EXPECT_FALSE(stream->end);
    client.fail("connection reset by peer");
    ASSERT_TRUE(stream->end);
    EXPECT_FALSE(stream->end->untouched);
    EXPECT_EQ(stream->end->status.message, "connection reset by peer");
    const auto late = client.open("/a.B/C", {});
    ASSERT_TRUE(late->end);
    EXPECT_TRUE(late->end->untouched);
    client.send(late, "x", true);
    client.cancel(late);
}

TEST(GrpcSession, CountsPingsUntilTheServerSaysSomething) {
    FakeGrpcServer server([](const std::string&, const std::string&) { return FakeGrpcServer::Reply{}; });
    GrpcSession client("h:1", false);
    exchange(client, server);
    client.ping();
    client.ping();
    exchange(client, server);
    EXPECT_EQ(client.pongs(), 2u);
    EXPECT_EQ(client.pings_since_answer(), 2);
    const auto stream = client.open("/a.B/C", {});
    client.send(stream, "x", true);
    exchange(client, server);
    EXPECT_EQ(client.pings_since_answer(), 0);
}

TEST(GrpcSession, ACancelledCallIsForgotten) {
    FakeGrpcServer server(
        [](const std::string&, const std::string&) { return FakeGrpcServer::Reply{.how = How::silence}; });
    GrpcSession client("h:1", false);
    for (int i = 0; i < 300; ++i) {  // more than may be open at the same time
        const auto stream = client.open("/a.B/C", {});
        client.send(stream, "x", true);
        exchange(client, server);
        client.cancel(stream);
        exchange(client, server);
    }
    EXPECT_EQ(client.streams(), 0u);
    EXPECT_EQ(server.calls(), 300);
}

TEST(GrpcSession, SurvivesGarbage) {
    std::mt19937 random(11);
    FakeGrpcServer server(
        [](const std::string&, const std::string& body) { return FakeGrpcServer::Reply{.body = body}; });
    GrpcSession model("h:1", false);
    const auto call = model.open("/a.B/C", {});
    model.send(call, "hello", true);
    server.receive(model.take_output());
    const std::string good = server.take_output();
    for (int round = 0; round < 3000; ++round) {
        GrpcSession client("h:1", false);
        const auto stream = client.open("/a.B/C", {});
        client.send(stream, "hello", true);
        client.take_output();
        std::string bytes = good;
        for (unsigned change = random() % 5; change > 0; --change)
            bytes[random() % bytes.size()] = static_cast<char>(random());
        if (random() % 4 == 0) bytes.resize(random() % bytes.size());
        if (!client.receive(bytes)) client.fail("garbage");
        client.take_output();
        if (stream->end && stream->end->status.ok()) {
            EXPECT_LE(stream->messages.size(), 1u);
        }
    }
}

}  // namespace
}  // namespace castle::dcs
