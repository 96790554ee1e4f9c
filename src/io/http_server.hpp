// An HTTP/1.0 and 1.1 server for many connections of which most are idle. Belongs to the loop's thread.
//
// Each connection is a coroutine of its own, its TLS handshake included: nobody waits for a slow one. Every step has a
// deadline; only the handler takes as long as it likes, and keeps nothing but its own connection waiting.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "io/http.hpp"
#include "io/loop.hpp"
#include "io/tls.hpp"

namespace castle::io {

struct ServerRequest {
    std::string method;
    std::string target;  // path and query as they came
    HttpHeaders headers;
    std::string body;
    PeerAddress peer;
    bool secure = false;
    std::optional<PeerCertificate> certificate;

    std::string_view path() const;                                     // without the query
    std::optional<std::string> query(std::string_view name) const;     // the first of that name, decoded
    std::vector<std::pair<std::string, std::string>> queries() const;  // all, decoded, in order
};

using HttpHandler = std::function<Task<HttpResponse>(ServerRequest)>;

struct HttpServerOptions {
    Endpoint listen;
    int backlog = 0;
    std::shared_ptr<const TlsContext> tls;  // null: plain
    std::size_t header_bytes_max = 64 << 10;
    std::size_t body_bytes_max = 4 << 20;
    std::size_t connections_max = 10'000;  // one more closes the one that has been idle longest
    Duration handshake_time{10'000};
    Duration request_time{30'000};  // from its first byte to its last
    Duration idle_time{75'000};
    Duration answer_time{30'000};
    // Hears of failed handshakes and of requests that could not be read. For debugging: strangers cause them at will.
    std::function<void(const std::string&)> trouble = [](const std::string&) {};
};

class HttpServer {
public:
    static Task<Result<std::unique_ptr<HttpServer>>> start(Loop& loop, HttpServerOptions options, HttpHandler handler,
                                                           BootTime deadline);
    ~HttpServer();  // ends every connection at once

    // Accepts nobody any more and closes idle connections; those with a request get their answer until the deadline.
    Task<> stop(BootTime deadline);

    void set_tls(std::shared_ptr<const TlsContext> tls);  // for connections that come from now on
    int port() const;
    const std::vector<Endpoint>& bound() const;
    std::size_t connections() const;

private:
    struct State;
    explicit HttpServer(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace castle::io
