#include "io/stream.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "io/fd.hpp"
#include "io/listener.hpp"
#include "io/test_certificates.hpp"
#include "io/tls.hpp"

namespace castle::io {
namespace {

using namespace std::chrono_literals;
using ListenerPtr = std::unique_ptr<Listener>;
using Tls = std::shared_ptr<const TlsContext>;

constexpr Duration patience = 10s;  // for what must come; nothing waits that long

ListenerPtr listen(Loop& loop, std::string host = "127.0.0.1") {
    auto listener = run_to_end(loop, Listener::tcp(loop, {std::move(host), 0}, loop.now() + patience));
    EXPECT_TRUE(listener) << (listener ? "" : listener.error().message);
    return *std::move(listener);
}

Task<Result<std::string>> read_exactly(Stream& stream, std::size_t size, BootTime deadline) {
    std::string text(size, '\0');
    std::size_t done = 0;
    while (done < size) {
        CASTLE_CO_TRY(const auto count, co_await stream.read_some(std::span(text).subspan(done), deadline));
        if (count == 0) co_return Error{Errc::unavailable, "ended"};
        done += count;
    }
    co_return text;
}

// Sends back what it gets until the peer ends.
Task<> echo(Loop& loop, Listener& listener, Tls tls, std::string* seen) {
    auto accepted = co_await listener.accept(loop.now() + patience);
    if (!accepted) co_return;
    StreamPtr stream = *std::move(accepted);
    if (tls) {
        auto secured = co_await secure_as_server(loop, std::move(stream), tls, loop.now() + patience);
        if (!secured) {
            *seen = secured.error().message;
            co_return;
        }
        stream = *std::move(secured);
        const auto* certificate = stream->certificate();
        *seen = certificate ? certificate->subject + (certificate->verified ? " verified" : "") : "nobody";
    }
    char buffer[65536];
    for (;;) {
        auto size = co_await stream->read_some(buffer, loop.now() + patience);
        if (!size || *size == 0) co_return;
        auto sent = co_await stream->write_all({buffer, *size}, loop.now() + patience);
        if (!sent) co_return;
    }
}

struct Talk {
    std::string server_saw;
    Result<std::string> answer;
};

Task<> send(Loop& loop, Stream& stream, std::string text) {
    auto sent = co_await stream.write_all(text, loop.now() + patience);
    EXPECT_TRUE(sent) << sent.error().message;
}

Task<Talk> talk(Loop& loop, Listener& listener, Tls server, Tls client, std::string host, std::string text) {
    Talk result;
    Scope scope(loop);
    scope.spawn(echo(loop, listener, server, &result.server_saw));
    auto stream = co_await connect(loop, {host, listener.port()}, client, loop.now() + patience);
    if (stream) {
        const std::size_t size = text.size();
        scope.spawn(send(loop, **stream, std::move(text)));
        result.answer = co_await read_exactly(**stream, size, loop.now() + patience);
        (*stream)->close();
    } else {
        result.answer = std::move(stream).error();
    }
    co_await scope.drained();
    co_return result;
}

TEST(Stream, MegabytesGoBothWays) {
    Loop loop;
    auto listener = listen(loop);
    const std::string text(5'000'000, 'x');
    auto result = run_to_end(loop, talk(loop, *listener, nullptr, nullptr, "127.0.0.1", text));
    ASSERT_TRUE(result.answer) << result.answer.error().message;
    EXPECT_EQ(*result.answer, text);
}

TEST(Stream, EveryAddressMeansBothFamilies) {
    Loop loop;
    for (const char* host : {"", "*"}) {
        auto listener = listen(loop, host);
        auto result = run_to_end(loop, talk(loop, *listener, nullptr, nullptr, "127.0.0.1", "hello"));
        EXPECT_TRUE(result.answer) << result.answer.error().message;
    }
}

TEST(Stream, ANameIsResolvedAndItsAddressesTriedUntilOneAnswers) {
    Loop loop;
    auto listener = listen(loop, "127.0.0.1");  // not on ::1, which localhost may name first
    auto result = run_to_end(loop, talk(loop, *listener, nullptr, nullptr, "localhost", "hello"));
    EXPECT_TRUE(result.answer) << result.answer.error().message;
}

Task<Result<StreamPtr>> try_connect(Loop& loop, Endpoint to, Duration time) {
    co_return co_await connect(loop, to, nullptr, loop.now() + time);
}

TEST(Stream, ARefusedConnectionSaysWhere) {
    Loop loop;
    const int port = listen(loop)->port();
    auto stream = run_to_end(loop, try_connect(loop, {"127.0.0.1", port}, patience));
    ASSERT_FALSE(stream);
    EXPECT_EQ(stream.error().message, "connect to 127.0.0.1:" + std::to_string(port) + ": connection refused");
}

Task<std::vector<Errc>> silent_peer(Loop& loop, Listener& listener) {
    std::vector<Errc> codes;
    auto stream = co_await connect(loop, {"127.0.0.1", listener.port()}, nullptr, loop.now() + patience);
    char buffer[16];
    auto late = co_await (*stream)->read_some(buffer, loop.now() + 3ms);
    codes.push_back(late.error().code);
    CancelSource cancel;
    cancel.cancel();
    auto cancelled = co_await (*stream)->read_some(buffer, BootTime::max(), cancel.token());
    codes.push_back(cancelled.error().code);
    // Nobody reads: a writer that never stops meets the deadline.
    const std::string much(50'000'000, 'x');
    auto full = co_await (*stream)->write_all(much, loop.now() + 50ms);
    codes.push_back(full.error().code);
    co_return codes;
}

TEST(Stream, ASilentPeerMeetsTheDeadline) {
    Loop loop;
    auto listener = listen(loop);
    EXPECT_EQ(run_to_end(loop, silent_peer(loop, *listener)),
              (std::vector{Errc::timed_out, Errc::cancelled, Errc::timed_out}));
}

Task<> note_read(Stream& stream, std::string& log) {
    char buffer[16];
    auto size = co_await stream.read_some(buffer, BootTime::max());
    log += size ? "read " : std::string(name_of(size.error().code)) + " ";
}
Task<std::string> close_under_a_reader(Loop& loop, Listener& listener) {
    std::string log;
    auto stream = co_await connect(loop, {"127.0.0.1", listener.port()}, nullptr, loop.now() + patience);
    Scope scope(loop);
    scope.spawn(note_read(**stream, log));
    co_await sleep_for(loop, 1ms);
    (*stream)->close();
    co_await scope.drained();
    scope.spawn(note_read(**stream, log));
    co_await scope.drained();
    co_return log;
}
Task<std::string> destroy_reader_and_stream(Loop& loop, Listener& listener) {
    std::string log;
    auto stream = co_await connect(loop, {"127.0.0.1", listener.port()}, nullptr, loop.now() + patience);
    auto accepted = co_await listener.accept(loop.now() + patience);
    {
        Scope scope(loop);
        scope.spawn(note_read(**stream, log));
        co_await sleep_for(loop, 1ms);
        auto sent = co_await (*accepted)->write_all("x", loop.now() + patience);
        EXPECT_TRUE(sent);
    }
    stream->reset();
    co_await sleep_for(loop, 1ms);
    co_return log;
}

TEST(Stream, ClosingEndsItsReaders) {
    Loop loop;
    auto listener = listen(loop);
    EXPECT_EQ(run_to_end(loop, close_under_a_reader(loop, *listener)), "cancelled cancelled ");
}

TEST(Stream, ADestroyedReaderIsNotResumed) {
    Loop loop;
    auto listener = listen(loop);
    EXPECT_EQ(run_to_end(loop, destroy_reader_and_stream(loop, *listener)), "");
}

Task<Result<std::string>> over_unix(Loop& loop, std::string path) {
    auto listener = co_await Listener::unix(loop, path, 0600, loop.now() + patience);
    if (!listener) co_return std::move(listener).error();
    auto second = co_await Listener::unix(loop, path, 0600, loop.now() + patience);
    EXPECT_FALSE(second);  // somebody listens there
    Scope scope(loop);
    std::string seen;
    scope.spawn(echo(loop, **listener, nullptr, &seen));
    // The first connection was the second listener's question whether anybody is there.
    auto probe = co_await connect_unix(loop, path, loop.now() + patience);
    probe->reset();
    co_await scope.drained();
    scope.spawn(echo(loop, **listener, nullptr, &seen));
    scope.spawn(echo(loop, **listener, nullptr, &seen));
    CASTLE_CO_TRY(auto stream, co_await connect_unix(loop, path, loop.now() + patience));
    CASTLE_CO_CHECK(co_await stream->write_all("hello", loop.now() + patience));
    co_return co_await read_exactly(*stream, 5, loop.now() + patience);
}

TEST(Stream, AUnixSocketIsReplacedOnlyWhenNobodyListens) {
    Loop loop;
    const TestCertificates directory;
    const std::string path = directory.path("socket");
    for (int i = 0; i < 2; ++i) {
        auto answer = run_to_end(loop, over_unix(loop, path));
        ASSERT_TRUE(answer) << answer.error().message;
        EXPECT_EQ(*answer, "hello");
        // As a crash would leave it behind.
        Fd left(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_un address{AF_UNIX, {}};
        path.copy(address.sun_path, sizeof address.sun_path - 1);
        ASSERT_EQ(::bind(left.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    }
}

class TlsTest : public ::testing::Test {
protected:
    static void SetUpTestSuite() { certificates = new TestCertificates; }
    static void TearDownTestSuite() {
        delete certificates;
        certificates = nullptr;
    }
    static TlsOptions server_options(TlsOptions::Verify verify) {
        return {.ca_file = certificates->path("ca.crt"),
                .cert_file = certificates->path("server.crt"),
                .key_file = certificates->path("server.key"),
                .verify = verify};
    }
    static TlsOptions client_options() {
        return {.ca_file = certificates->path("ca.crt"),
                .cert_file = certificates->path("client.crt"),
                .key_file = certificates->path("client.key")};
    }
    static Tls server(TlsOptions::Verify verify = TlsOptions::Verify::none) {
        auto made = TlsContext::server(server_options(verify));
        EXPECT_TRUE(made) << made.error().message;
        return *made;
    }
    static Tls client(const TlsOptions& options) {
        auto made = TlsContext::client(options);
        EXPECT_TRUE(made) << made.error().message;
        return *made;
    }
    Talk talk_to(Tls server_side, Tls client_side, std::string host = "127.0.0.1", std::string text = "hello") {
        return run_to_end(loop_, talk(loop_, *listener_, server_side, client_side, host, std::move(text)));
    }

    static inline TestCertificates* certificates = nullptr;
    Loop loop_;
    ListenerPtr listener_ = listen(loop_);
};

TEST_F(TlsTest, MegabytesGoBothWaysUnderBothNamesOfTheServer) {
    const std::string text(3'000'000, 'y');
    for (const char* host : {"127.0.0.1", "localhost"}) {
        auto result = talk_to(server(), client({.ca_file = certificates->path("ca.crt")}), host, text);
        ASSERT_TRUE(result.answer) << result.answer.error().message;
        EXPECT_EQ(*result.answer, text);
        EXPECT_EQ(result.server_saw, "nobody");
    }
}

TEST_F(TlsTest, ClientCertificatesAreSeenAndChecked) {
    auto shown = talk_to(server(TlsOptions::Verify::required), client(client_options()));
    EXPECT_TRUE(shown.answer) << shown.answer.error().message;
    EXPECT_EQ(shown.server_saw, "CN=client verified");

    auto optional = talk_to(server(TlsOptions::Verify::optional), client({.ca_file = certificates->path("ca.crt")}));
    EXPECT_TRUE(optional.answer);
    EXPECT_EQ(optional.server_saw, "nobody");

    auto missing = talk_to(server(TlsOptions::Verify::required), client({.ca_file = certificates->path("ca.crt")}));
    EXPECT_FALSE(missing.answer);
    EXPECT_THAT(missing.server_saw, ::testing::HasSubstr("peer did not return a certificate"));

    TlsOptions foreign{.ca_file = certificates->path("ca.crt"),
                       .cert_file = certificates->path("other.crt"),
                       .key_file = certificates->path("other.key")};
    auto refused = talk_to(server(TlsOptions::Verify::optional), client(foreign));
    EXPECT_FALSE(refused.answer);
    EXPECT_THAT(refused.server_saw, ::testing::HasSubstr("certificate of the other side was refused"));
}

TEST_F(TlsTest, TheClientChecksTheServerUnlessToldNotTo) {
    auto stranger = talk_to(server(), client({.ca_file = certificates->path("other.crt")}));
    ASSERT_FALSE(stranger.answer);
    EXPECT_EQ(stranger.answer.error().code, Errc::denied);
    EXPECT_EQ(stranger.answer.error().effect, Effect::none);

    auto insecure = talk_to(server(), client({.verify = TlsOptions::Verify::none}));
    EXPECT_TRUE(insecure.answer);

    // 127.0.0.2 is no name of the certificate.
    auto everywhere = listen(loop_, "");
    listener_ = std::move(everywhere);
    auto wrong_name = talk_to(server(), client({.ca_file = certificates->path("ca.crt")}), "127.0.0.2");
    ASSERT_FALSE(wrong_name.answer);
    EXPECT_THAT(wrong_name.answer.error().message, ::testing::HasSubstr("IP address mismatch"));
    auto any_name =
        talk_to(server(), client({.ca_file = certificates->path("ca.crt"), .check_host = false}), "127.0.0.2");
    EXPECT_TRUE(any_name.answer);
}

TEST_F(TlsTest, APlainPeerEndsTheHandshake) {
    auto result = talk_to(nullptr, client({.verify = TlsOptions::Verify::none}));
    EXPECT_FALSE(result.answer);
    auto other = talk_to(server(), nullptr);
    EXPECT_FALSE(other.answer);
    EXPECT_FALSE(other.server_saw.empty());
}

TEST_F(TlsTest, WrongFilesAreNamed) {
    struct Row {
        void (*change)(TlsOptions&);
        std::string says;
    };
    const Row rows[] = {
        {[](TlsOptions& o) { o.ca_file = "/nowhere/ca.crt"; },
         "CA file \"/nowhere/ca.crt\": no such file or directory"},
        {[](TlsOptions& o) { o.cert_file = "/nowhere/c.crt"; }, "certificate file \"/nowhere/c.crt\": no such file"},
        {[](TlsOptions& o) { o.ca_file = certificates->path("log"); }, "CA file \"" + certificates->path("log")},
        {[](TlsOptions& o) { o.key_file = certificates->path("server.key"); }, "does not belong to the certificate"},
        {[](TlsOptions& o) { o.key_file = certificates->path("locked.key"); }, "no password was given"},
        {[](TlsOptions& o) { o.key_file = certificates->path("locked.key"), o.key_password = "wrong"; },
         "or its password"},
        {[](TlsOptions& o) { o.ciphers = "nonsense"; }, "no cipher"},
    };
    for (const Row& row : rows) {
        TlsOptions options = client_options();
        row.change(options);
        auto made = TlsContext::client(options);
        ASSERT_FALSE(made) << row.says;
        EXPECT_THAT(made.error().message, ::testing::HasSubstr(row.says));
    }
    TlsOptions locked = client_options();
    locked.key_file = certificates->path("locked.key");
    locked.key_password = "secret";
    EXPECT_TRUE(TlsContext::client(locked));
}

}  // namespace
}  // namespace castle::io
