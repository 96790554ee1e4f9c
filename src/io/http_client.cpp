#include "io/http_client.hpp"

#include "io/http_parser.hpp"

namespace castle::io {
namespace {

std::string serialize(const HttpCall& call) {
    std::string text = call.method + " " + call.url.target + " HTTP/1.1\r\nHost: " + call.url.endpoint.text() +
                       "\r\nConnection: close\r\n";
    if (!call.body.empty() || (call.method != "GET" && call.method != "HEAD" && call.method != "OPTIONS"))
        text += "Content-Length: " + std::to_string(call.body.size()) + "\r\n";
    if (call.auth) text += "Authorization: " + call.auth->header() + "\r\n";
    for (const auto& [name, value] : call.headers) text += name + ": " + value + "\r\n";
    return text + "\r\n" + call.body;
}

Task<Result<HttpResponse>> receive(Stream& stream, HttpLimits limits, bool to_head, BootTime deadline,
                                   CancelToken cancel) {
    std::string buffer;
    char piece[16384];
    for (;;) {
        HttpResponseParser parser(limits, to_head);
        CASTLE_CO_CHECK(parser.feed(buffer));
        while (!parser.done()) {
            CASTLE_CO_TRY(const std::size_t size, co_await stream.read_some(piece, deadline, cancel));
            if (size == 0) {
                CASTLE_CO_CHECK(parser.end());
                break;
            }
            buffer.append(piece, size);
            CASTLE_CO_CHECK(parser.feed(buffer));
        }
        HttpResponse response = parser.take();
        if (response.status >= 200) co_return response;  // otherwise an interim answer; the real one follows
    }
}

}  // namespace

Task<Result<HttpResponse>> http_call(Loop& loop, HttpCall call, BootTime deadline, CancelToken cancel) {
    const std::string doing = call.method + " " + (call.url.secure ? "https://" : "http://") +
                              call.url.endpoint.text() + call.url.target.substr(0, call.url.target.find('?'));
    if (call.url.secure && !call.tls) co_return Error{Errc::invalid, doing + ": no TLS settings"};
    auto stream = co_await connect(loop, call.url.endpoint, call.url.secure ? call.tls : nullptr, deadline, cancel);
    if (!stream) co_return std::move(stream).error();
    const std::string request = serialize(call);
    auto sent = co_await (*stream)->write_all(request, deadline, cancel);
    if (sent) {
        const HttpLimits limits{.body_bytes_max = call.body_bytes_max};
        auto response = co_await receive(**stream, limits, call.method == "HEAD", deadline, cancel);
        (*stream)->close();
        if (response) co_return response;
        sent = std::move(response).error();
    }
    sent.error().effect = Effect::unknown;
    co_return std::move(sent).error().in(doing);
}

}  // namespace castle::io
