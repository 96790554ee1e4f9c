#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "io/http_client.hpp"
#include "io/http_parser.hpp"
#include "io/http_server.hpp"
#include "io/ready.hpp"
#include "io/test_certificates.hpp"

namespace castle::io {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using ServerPtr = std::unique_ptr<HttpServer>;

constexpr Duration patience = 10s;

TEST(Url, IsTakenApart) {
    auto plain = Url::parse("http://10.0.0.1:8008/patroni?x=1#part");
    ASSERT_TRUE(plain);
    EXPECT_EQ(plain->endpoint.text(), "10.0.0.1:8008");
    EXPECT_EQ(plain->target, "/patroni?x=1");
    auto six = Url::parse("https://[::1]");
    ASSERT_TRUE(six);
    EXPECT_TRUE(six->secure);
    EXPECT_EQ(six->endpoint.text(), "[::1]:443");
    EXPECT_EQ(six->target, "/");
    EXPECT_EQ(Url::parse("n1:8008")->endpoint.port, 8008);
    for (const char* wrong :
         {"", "ftp://a", "http://", "http://a:0", "http://a:b", "http://[::1", "http://a b/", "http://a/\r\n"})
        EXPECT_FALSE(Url::parse(wrong)) << wrong;
    EXPECT_EQ(url_decode("a%20b+c%2"), "a b c%2");
    EXPECT_EQ((BasicAuth{"user", "pass"}.header()), "Basic dXNlcjpwYXNz");
}

TEST(HttpParser, LeavesTheNextRequestInTheBuffer) {
    std::string bytes = "POST /a HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcGET /b HTTP/1.1\r\n\r\n";
    HttpRequestParser first({});
    ASSERT_TRUE(first.feed(bytes));
    ASSERT_TRUE(first.done());
    EXPECT_EQ(first.take_body(), "abc");
    EXPECT_EQ(bytes, "GET /b HTTP/1.1\r\n\r\n");
}

TEST(HttpParser, TakesWhatComesByteByByte) {
    const std::string bytes =
        "PATCH /config HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    HttpRequestParser parser({});
    std::string buffer;
    for (const char c : bytes) {
        EXPECT_FALSE(parser.done());
        buffer += c;
        ASSERT_TRUE(parser.feed(buffer));
    }
    ASSERT_TRUE(parser.done());
    EXPECT_EQ(parser.take_body(), "abcde");
}

// Answers with what it was asked; /slow waits for a signal, /head-only is a status-only answer.
struct Handler {
    Loop& loop;
    Signal go;
    int running = 0;
    Task<HttpResponse> answer(ServerRequest request) {
        if (request.path() == "/bare") co_return HttpResponse{.status = 200, .status_only = true};
        if (request.path() == "/slow") {
            ++running;
            co_await wait_past(loop, go, 0, loop.now() + patience);
        }
        HttpResponse response{.headers = {{"Content-Type", "text/plain"}}};
        response.body = request.method + " " + request.target + " " + request.body;
        if (request.certificate) response.body += " " + request.certificate->common_name;
        co_return response;
    }
};

class Http : public ::testing::Test {
protected:
    void start(HttpServerOptions options = {}) {
        options.listen = {"127.0.0.1", 0};
        auto handle = [this](ServerRequest request) { return handler_.answer(std::move(request)); };
        auto server = run_to_end(loop_, HttpServer::start(loop_, options, handle, loop_.now() + patience));
        ASSERT_TRUE(server) << server.error().message;
        server_ = *std::move(server);
    }
    // Sends bytes, and reads until the server closes or `until` has been read.
    std::string raw(std::string bytes, std::string until = "") {
        return run_to_end(loop_, exchange(loop_, server_->port(), std::move(bytes), std::move(until)));
    }
    static Task<std::string> exchange(Loop& loop, int port, std::string bytes, std::string until) {
        auto stream = co_await connect(loop, {"127.0.0.1", port}, nullptr, loop.now() + patience);
        if (!stream) co_return stream.error().message;
        auto sent = co_await (*stream)->write_all(bytes, loop.now() + patience);
        if (!sent) co_return sent.error().message;
        std::string all;
        char buffer[4096];
        while (until.empty() || all.find(until) == all.npos) {
            auto size = co_await (*stream)->read_some(buffer, loop.now() + patience);
            if (!size) co_return all + "<" + size.error().message + ">";
            if (*size == 0) break;
            all.append(buffer, *size);
        }
        co_return all;
    }
    // Two idle connections, where one is allowed: what becomes of the first?
    static Task<std::string> crowd(Loop& loop, HttpServer& server) {
        const int port = server.port();
        auto first = co_await connect(loop, {"127.0.0.1", port}, nullptr, loop.now() + patience);
        while (server.connections() == 0) co_await yield(loop);
        for (int i = 0; i < 5; ++i) co_await yield(loop);  // until it is idle
        auto second = co_await connect(loop, {"127.0.0.1", port}, nullptr, loop.now() + patience);
        if (!first || !second) co_return "not connected";
        char buffer[16];
        auto size = co_await (*first)->read_some(buffer, loop.now() + patience);
        co_return size&&* size == 0 ? "ended" : "not ended";
    }
    Result<HttpResponse> call(HttpCall call) {
        return run_to_end(loop_, http_call(loop_, std::move(call), loop_.now() + patience));
    }
    Url url(std::string target, bool secure = false) {
        return {secure, {"127.0.0.1", server_->port()}, std::move(target)};
    }

    Loop loop_;
    Handler handler_{loop_, {}};
    ServerPtr server_;
};

TEST_F(Http, ABareAnswerIsTheStatusLineAndNothingElse) {
    start();
    EXPECT_EQ(raw("OPTIONS /bare HTTP/1.0\r\n\r\n"), "HTTP/1.0 200 OK\r\n\r\n");
    EXPECT_EQ(raw("OPTIONS /bare HTTP/1.1\r\nHost: x\r\n\r\n"), "HTTP/1.0 200 OK\r\n\r\n");
}

TEST_F(Http, AnOldClientGetsTheEndOfTheConnection) {
    start();
    const auto answer = raw("GET /a HTTP/1.0\r\n\r\n");
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nDate: "));
    EXPECT_THAT(answer, HasSubstr("Content-Length: 7\r\nConnection: close\r\n\r\nGET /a "));
    EXPECT_THAT(raw("GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "/a "),
                HasSubstr("Connection: keep-alive\r\n"));
}

TEST_F(Http, RequestsMayFollowEachOtherWithoutWaiting) {
    start();
    std::string many;
    for (int i = 0; i < 200; ++i) many += "GET /" + std::to_string(i) + " HTTP/1.1\r\n\r\n";
    const auto answers = raw(many + "GET /end HTTP/1.1\r\nConnection: close\r\n\r\n");
    EXPECT_THAT(answers, HasSubstr("GET /199 "));
    EXPECT_THAT(answers, HasSubstr("GET /end "));
}

TEST_F(Http, AHeadAnswerHasTheLengthButNoBody) {
    start();
    const auto answer = raw("HEAD /a HTTP/1.1\r\nConnection: close\r\n\r\n");
    EXPECT_THAT(answer, HasSubstr("Content-Length: 8\r\n"));
    EXPECT_THAT(answer, ::testing::EndsWith("\r\n\r\n"));
    EXPECT_TRUE(call({.method = "HEAD", .url = url("/a")}));
}

TEST_F(Http, WhatCannotBeReadIsRefused) {
    start({.header_bytes_max = 2000, .body_bytes_max = 1000});
    EXPECT_THAT(raw("nonsense\r\n\r\n"), StartsWith("HTTP/1.1 400 Bad Request\r\n"));
    EXPECT_THAT(raw("GET / HTTP/1.1\r\nA: " + std::string(3000, 'x') + "\r\n\r\n"), StartsWith("HTTP/1.1 431 "));
    EXPECT_THAT(raw("POST / HTTP/1.1\r\nContent-Length: 2000\r\n\r\n" + std::string(2000, 'x')),
                StartsWith("HTTP/1.1 413 "));
    EXPECT_TRUE(call({.url = url("/after")}));
    start({.request_time = 30ms});
    EXPECT_THAT(raw("POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\nx"), StartsWith("HTTP/1.1 408 "));
}

TEST_F(Http, AnIdleConnectionIsClosedAfterItsTime) {
    start({.idle_time = 5ms});
    EXPECT_EQ(raw(""), "");
}

TEST_F(Http, OneTooManyClosesTheOneThatIdledLongest) {
    start({.connections_max = 1});
    EXPECT_EQ(run_to_end(loop_, crowd(loop_, *server_)), "ended");
    EXPECT_TRUE(call({.url = url("/after")}));
}

TEST_F(Http, AClientIsAskedToGoOnWithItsBody) {
    start();
    const auto answer =
        raw("POST / HTTP/1.1\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n", "100 Continue\r\n\r\n");
    EXPECT_EQ(answer, "HTTP/1.1 100 Continue\r\n\r\n");
}

TEST_F(Http, ClientAndServerSpeakToEachOther) {
    start();
    for (const char* method : {"GET", "POST", "PATCH", "PUT", "DELETE", "OPTIONS"}) {
        auto response = call({.method = method, .url = url("/x?a=b"), .body = "body", .auth = BasicAuth{"u", "p"}});
        ASSERT_TRUE(response) << response.error().message;
        EXPECT_EQ(response->status, 200);
        EXPECT_EQ(response->body, std::string(method) + " /x?a=b body");
        EXPECT_EQ(*find_header(response->headers, "content-type"), "text/plain");
    }
    auto bare = call({.url = url("/bare")});
    ASSERT_TRUE(bare);
    EXPECT_EQ(bare->status, 200);
    EXPECT_EQ(bare->body, "");
    auto large = call({.url = url("/"), .body_bytes_max = 2});
    EXPECT_EQ(large.error().code, Errc::denied);
    EXPECT_EQ(large.error().effect, Effect::unknown);
}

Task<Result<HttpResponse>> call_within(Loop& loop, Url url, Duration time) {
    co_return co_await http_call(loop, {.url = std::move(url)}, loop.now() + time);
}
Task<> slow_call(Loop& loop, Url url, std::vector<std::string>& log) {
    auto response = co_await call_within(loop, url, patience);
    log.push_back(response ? response->body : response.error().message);
}
Task<> slow_and_quick(Loop& loop, Handler& handler, HttpServer& server, Url slow, Url quick,
                      std::vector<std::string>& log) {
    Scope scope(loop);
    for (int i = 0; i < 20; ++i) scope.spawn(slow_call(loop, slow, log));
    while (handler.running < 20) co_await yield(loop);
    auto response = co_await call_within(loop, quick, patience);
    log.push_back(response ? response->body : response.error().message);
    EXPECT_EQ(server.connections(), 20u);
    handler.go.notify();
    co_await scope.drained();
}

TEST_F(Http, ASlowHandlerKeepsNobodyElseWaiting) {
    start();
    std::vector<std::string> log;
    run_to_end(loop_, slow_and_quick(loop_, handler_, *server_, url("/slow"), url("/quick"), log));
    ASSERT_EQ(log.size(), 21u);
    EXPECT_EQ(log.front(), "GET /quick ");
    EXPECT_EQ(log.back(), "GET /slow ");
}

TEST_F(Http, AnAnswerThatDoesNotComeMeetsTheDeadline) {
    start();
    auto response = run_to_end(loop_, call_within(loop_, url("/slow"), 500ms));
    ASSERT_FALSE(response);
    EXPECT_EQ(response.error().code, Errc::timed_out);
    EXPECT_EQ(response.error().effect, Effect::unknown);
    EXPECT_THAT(response.error().message, ::testing::MatchesRegex("GET http://127.0.0.1:[0-9]+/slow: timed out"));
    server_.reset();  // with the handler still waiting
}

Task<> stop_later(Loop& loop, HttpServer& server, Handler& handler, std::vector<std::string>& log) {
    while (handler.running == 0) co_await yield(loop);
    Scope scope(loop);
    scope.spawn([](Loop& on, HttpServer& which, std::vector<std::string>& to) -> Task<> {
        co_await which.stop(on.now() + patience);
        to.push_back("stopped");
    }(loop, server, log));
    for (int i = 0; i < 5; ++i) co_await yield(loop);
    handler.go.notify();
    co_await scope.drained();
}
Task<> idle_until_closed(Loop& loop, int port, std::vector<std::string>& log) {
    auto stream = co_await connect(loop, {"127.0.0.1", port}, nullptr, loop.now() + patience);
    char buffer[16];
    auto size = co_await (*stream)->read_some(buffer, loop.now() + patience);
    log.push_back(size && *size == 0 ? "idle closed" : "idle not closed");
}
Task<> stop_with_company(Loop& loop, HttpServer& server, Handler& handler, Url slow, std::vector<std::string>& log) {
    Scope scope(loop);
    scope.spawn(idle_until_closed(loop, server.port(), log));
    while (server.connections() == 0) co_await yield(loop);
    scope.spawn(slow_call(loop, slow, log));
    scope.spawn(stop_later(loop, server, handler, log));
    co_await scope.drained();
    auto refused = co_await call_within(loop, slow, patience);
    EXPECT_FALSE(refused);
}

TEST_F(Http, StopClosesTheIdleAndAnswersTheOthers) {
    start();
    std::vector<std::string> log;
    run_to_end(loop_, stop_with_company(loop_, *server_, handler_, url("/slow"), log));
    EXPECT_THAT(log, ::testing::UnorderedElementsAre("idle closed", "GET /slow ", "stopped"));
    EXPECT_EQ(log.front(), "idle closed");
}

TEST_F(Http, TlsWithClientCertificates) {
    const TestCertificates files;
    auto server_tls = TlsContext::server({.ca_file = files.path("ca.crt"),
                                          .cert_file = files.path("server.crt"),
                                          .key_file = files.path("server.key"),
                                          .verify = TlsOptions::Verify::optional});
    auto client_tls = TlsContext::client(
        {.ca_file = files.path("ca.crt"), .cert_file = files.path("client.crt"), .key_file = files.path("client.key")});
    ASSERT_TRUE(server_tls && client_tls);
    start({.tls = *server_tls});
    auto response = call({.url = url("/a", true), .tls = *client_tls});
    ASSERT_TRUE(response) << response.error().message;
    EXPECT_EQ(response->body, "GET /a  client");
    EXPECT_EQ(call({.url = url("/a", true)}).error().message.substr(0, 24),
              "GET https://127.0.0.1:" + std::to_string(server_->port()).substr(0, 2));
    // A client that opens a connection and says nothing holds up nobody.
    std::vector<std::string> log;
    Scope scope(loop_);
    scope.spawn(idle_until_closed(loop_, server_->port(), log));
    EXPECT_TRUE(call({.url = url("/b", true), .tls = *client_tls}));
    // A plain request to a TLS port.
    EXPECT_FALSE(call({.url = url("/a", false)}));
}

}  // namespace
}  // namespace castle::io
