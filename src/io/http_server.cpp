#include "io/http_server.hpp"

#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

#include <algorithm>
#include <list>

#include "base/text.hpp"
#include "io/clock.hpp"
#include "io/http_parser.hpp"
#include "io/listener.hpp"
#include "io/ready.hpp"

namespace castle::io {

std::string_view ServerRequest::path() const {
    return std::string_view(target).substr(0, target.find('?'));
}

std::vector<std::pair<std::string, std::string>> ServerRequest::queries() const {
    std::vector<std::pair<std::string, std::string>> all;
    const auto mark = target.find('?');
    if (mark == target.npos) return all;
    for (const auto& part : split(std::string_view(target).substr(mark + 1), '&')) {
        const auto equals = part.find('=');
        const std::string_view view = part;
        all.emplace_back(url_decode(view.substr(0, equals)),
                         equals == part.npos ? "" : url_decode(view.substr(equals + 1)));
    }
    return all;
}

std::optional<std::string> ServerRequest::query(std::string_view name) const {
    if (target.find('?') == target.npos) return std::nullopt;
    for (auto& [key, value] : queries())
        if (key == name) return std::move(value);
    return std::nullopt;
}

namespace {

constexpr Duration linger_time{1'000};
constexpr std::size_t linger_bytes_max = 1 << 20;
constexpr int requests_in_a_row_max = 32;  // answered without having waited; then others have their turn

// As in RFC 9110, made once a second.
const std::string& http_date() {
    static std::string text;
    static time_t made = 0;
    const time_t now = std::chrono::system_clock::to_time_t(wall_now());
    if (now != made) {
        tm parts{};
        gmtime_r(&now, &parts);
        char buffer[64];
        text.assign(buffer, strftime(buffer, sizeof buffer, "%a, %d %b %Y %H:%M:%S GMT", &parts));
        made = now;
    }
    return text;
}

std::string serialize(const HttpResponse& response, bool head, bool keep, bool old_client) {
    const std::string line =
        std::to_string(response.status) + " " + std::string(reason_phrase(response.status)) + "\r\n";
    // The length of this answer is told by its end, so the version must be one without persistent connections.
    if (response.status_only) return "HTTP/1.0 " + line + "\r\n";
    std::string text;
    text.reserve(256 + response.body.size());
    text += "HTTP/1.1 ";
    text += line;
    for (const auto& [name, value] : response.headers) ((((text += name) += ": ") += value) += "\r\n");
    if (!find_header(response.headers, "Date")) ((text += "Date: ") += http_date()) += "\r\n";
    text += "Content-Length: " + std::to_string(response.body.size()) + "\r\n";
    if (!keep)
        text += "Connection: close\r\n";
    else if (old_client)
        text += "Connection: keep-alive\r\n";
    text += "\r\n";
    if (!head) text += response.body;
    return text;
}

std::size_t descriptors_allowed() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return 1 << 20;
    return std::max<std::size_t>(limit.rlim_cur / 2, 16);
}

struct Connection {
    StreamPtr stream;
    std::string buffer;
    CancelSource leave;  // ends the wait for a next request
    bool idle = false;
    bool done = false;  // no further request on it
    std::list<Connection*>::iterator place;
};

}  // namespace

struct HttpServer::State {
    State(Loop& on, HttpServerOptions with, HttpHandler answer)
        : loop(on), options(std::move(with)), handler(std::move(answer)), serving(on), accepting(std::in_place, on) {
        options.connections_max = std::min(options.connections_max, descriptors_allowed());
    }

    Loop& loop;
    HttpServerOptions options;
    HttpHandler handler;
    std::unique_ptr<Listener> listener;
    std::vector<Endpoint> bound;
    std::list<Connection*> idle;  // the one that has waited longest first
    std::size_t count = 0;
    bool stopping = false;
    Scope serving;
    std::optional<Scope> accepting;

    Task<> accept();
    Task<> serve(StreamPtr stream);
    Task<Status> shake_hands(Connection& connection);
    Task<Result<ServerRequest>> next_request(Connection& connection, bool& keep, bool& old_client);
    Task<Status> fill(Connection& connection, BootTime deadline, CancelToken cancel);
    Task<Status> refuse(Connection& connection, int status);
    void set_idle(Connection& connection, bool now_idle);
};

namespace {

// What must be undone however a connection's coroutine ends.
template <class Undo>
struct Finally {
    Undo undo;
    ~Finally() { undo(); }
};
template <class Undo>
Finally(Undo) -> Finally<Undo>;

}  // namespace

Task<> HttpServer::State::accept() {
    for (;;) {
        auto stream = co_await listener->accept();
        if (!stream) co_return;
        if (count >= options.connections_max && !idle.empty()) idle.front()->leave.cancel();
        ++count;
        serving.spawn(serve(*std::move(stream)));
    }
}

void HttpServer::State::set_idle(Connection& connection, bool now_idle) {
    if (connection.idle == now_idle) return;
    connection.idle = now_idle;
    if (now_idle)
        connection.place = idle.insert(idle.end(), &connection);
    else
        idle.erase(connection.place);
}

Task<Status> HttpServer::State::shake_hands(Connection& connection) {
    if (!options.tls) co_return Done{};
    auto secured = co_await secure_as_server(loop, std::move(connection.stream), options.tls,
                                             loop.now() + options.handshake_time, connection.leave.token());
    if (!secured) co_return std::move(secured).error();
    connection.stream = *std::move(secured);
    co_return Done{};
}

Task<Status> HttpServer::State::fill(Connection& connection, BootTime deadline, CancelToken cancel) {
    char piece[16384];
    CASTLE_CO_TRY(const std::size_t size, co_await connection.stream->read_some(piece, deadline, std::move(cancel)));
    if (size == 0) co_return Error{Errc::unavailable, "the client has left"};
    connection.buffer.append(piece, size);
    co_return Done{};
}

Task<Status> HttpServer::State::refuse(Connection& connection, int status) {
    HttpResponse response{.status = status, .headers = {{"Content-Type", "text/plain"}}};
    response.body = std::string(reason_phrase(status)) + "\n";
    const std::string text = serialize(response, false, false, false);
    CASTLE_CO_CHECK(co_await connection.stream->write_all(text, loop.now() + options.answer_time));
    // Closing with bytes unread would reset the connection, and the answer with it.
    ::shutdown(connection.stream->fd(), SHUT_WR);
    const BootTime deadline = loop.now() + linger_time;
    for (std::size_t read = 0; read < linger_bytes_max; read += connection.buffer.size()) {
        connection.buffer.clear();
        CASTLE_CO_CHECK(co_await fill(connection, deadline, connection.leave.token()));
    }
    co_return Done{};
}

Task<Result<ServerRequest>> HttpServer::State::next_request(Connection& connection, bool& keep, bool& old_client) {
    if (connection.buffer.empty()) {
        set_idle(connection, true);
        auto begun = co_await fill(connection, loop.now() + options.idle_time, connection.leave.token());
        set_idle(connection, false);
        if (!begun) co_return std::move(begun).error();
    }
    const BootTime deadline = loop.now() + options.request_time;
    HttpRequestParser parser({options.header_bytes_max, options.body_bytes_max});
    bool asked_to_continue = false;
    for (;;) {
        auto fed = parser.feed(connection.buffer);
        if (!fed) {
            options.trouble("from " + connection.stream->peer().host + ": " + fed.error().message);
            [[maybe_unused]] const auto told = co_await refuse(connection, parser.status());
            co_return std::move(fed).error();
        }
        if (parser.done()) break;
        if (parser.header_done() && parser.expects_continue() && !std::exchange(asked_to_continue, true))
            CASTLE_CO_CHECK(co_await connection.stream->write_all("HTTP/1.1 100 Continue\r\n\r\n", deadline));
        auto filled = co_await fill(connection, deadline, {});
        if (!filled) {
            if (filled.error().code == Errc::timed_out) {
                [[maybe_unused]] const auto told = co_await refuse(connection, 408);
            }
            co_return std::move(filled).error();
        }
    }
    keep = parser.keep_alive();
    old_client = parser.version_1_0();
    ServerRequest request{.method = parser.method(),
                          .target = parser.target(),
                          .headers = parser.headers(),
                          .body = parser.take_body(),
                          .peer = connection.stream->peer(),
                          .secure = connection.stream->secure()};
    if (const auto* certificate = connection.stream->certificate()) request.certificate = *certificate;
    co_return request;
}

Task<> HttpServer::State::serve(StreamPtr stream) {
    Connection connection{.stream = std::move(stream)};
    const Finally leave{[&] {
        set_idle(connection, false);
        --count;
    }};
    auto ready = co_await shake_hands(connection);
    if (!ready) {
        options.trouble(ready.error().message);
        co_return;
    }
    for (int in_a_row = 0; !stopping;) {
        in_a_row = connection.buffer.empty() ? 0 : in_a_row + 1;
        if (in_a_row > requests_in_a_row_max) {
            in_a_row = 0;
            co_await yield(loop);
        }
        bool keep = false;
        bool old_client = false;
        auto request = co_await next_request(connection, keep, old_client);
        if (!request) break;
        const bool head = request->method == "HEAD";
        const HttpResponse response = co_await handler(*std::move(request));
        keep = keep && !stopping && !response.status_only;
        const std::string text = serialize(response, head, keep, old_client);
        auto sent = co_await connection.stream->write_all(text, loop.now() + options.answer_time);
        if (!sent || !keep) break;
    }
    if (connection.stream) connection.stream->close();
}

HttpServer::HttpServer(std::unique_ptr<State> state) : state_(std::move(state)) {}
HttpServer::~HttpServer() = default;

Task<Result<std::unique_ptr<HttpServer>>> HttpServer::start(Loop& loop, HttpServerOptions options, HttpHandler handler,
                                                            BootTime deadline) {
    auto state = std::make_unique<State>(loop, std::move(options), std::move(handler));
    CASTLE_CO_TRY(state->listener,
                  co_await Listener::tcp(loop, state->options.listen, deadline, state->options.backlog));
    state->bound = state->listener->bound();
    state->accepting->spawn(state->accept());
    co_return std::unique_ptr<HttpServer>(new HttpServer(std::move(state)));
}

Task<> HttpServer::stop(BootTime deadline) {
    State& state = *state_;
    state.stopping = true;
    state.accepting.reset();
    state.listener.reset();
    while (!state.idle.empty()) {
        Connection& first = *state.idle.front();
        state.set_idle(first, false);
        first.leave.cancel();
    }
    Signal drained;
    Scope waiting(state.loop);
    waiting.spawn([](Scope& serving, Signal& done) -> Task<> {
        co_await serving.drained();
        done.notify();
    }(state.serving, drained));
    co_await wait_past(state.loop, drained, 0, deadline);
}

void HttpServer::set_tls(std::shared_ptr<const TlsContext> tls) {
    state_->options.tls = std::move(tls);
}
int HttpServer::port() const {
    return state_->bound.front().port;
}
const std::vector<Endpoint>& HttpServer::bound() const {
    return state_->bound;
}
std::size_t HttpServer::connections() const {
    return state_->count;
}

}  // namespace castle::io
