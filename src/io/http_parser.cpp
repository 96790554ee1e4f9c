#include "io/http_parser.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/rfc7230.hpp>
#include <boost/beast/http/string_body.hpp>

namespace castle::io {
namespace {

namespace http = boost::beast::http;
using boost::system::error_code;

Error not_http(const error_code& error) {
    const bool limit = error == http::error::header_limit || error == http::error::body_limit;
    return {limit ? Errc::denied : Errc::invalid, "HTTP: " + error.message()};
}

template <class Parser>
error_code feed_parser(Parser& parser, std::string& buffer) {
    error_code error;
    std::size_t used = 0;
    while (!parser.is_done() && used < buffer.size()) {
        const std::size_t taken = parser.put(boost::asio::buffer(buffer.data() + used, buffer.size() - used), error);
        used += taken;
        if (error || taken == 0) break;
    }
    if (error == http::error::need_more) error = {};
    buffer.erase(0, used);
    return error;
}

template <class Fields>
HttpHeaders copy_headers(const Fields& fields) {
    HttpHeaders headers;
    for (const auto& field : fields) headers.emplace_back(field.name_string(), field.value());
    return headers;
}

template <class Parser>
void set_limits(Parser& parser, HttpLimits limits) {
    parser.eager(true);
    parser.header_limit(static_cast<std::uint32_t>(limits.header_bytes_max));
    parser.body_limit(limits.body_bytes_max);
}

}  // namespace

struct HttpRequestParser::Impl {
    http::request_parser<http::string_body> parser;
};

HttpRequestParser::HttpRequestParser(HttpLimits limits) : impl_(std::make_unique<Impl>()) {
    set_limits(impl_->parser, limits);
}
HttpRequestParser::~HttpRequestParser() = default;

Status HttpRequestParser::feed(std::string& buffer) {
    const error_code error = feed_parser(impl_->parser, buffer);
    if (!error) return Done{};
    if (error == http::error::header_limit) status_ = 431;
    if (error == http::error::body_limit) status_ = 413;
    return not_http(error);
}

bool HttpRequestParser::header_done() const {
    return impl_->parser.is_header_done();
}
bool HttpRequestParser::done() const {
    return impl_->parser.is_done();
}
bool HttpRequestParser::keep_alive() const {
    return impl_->parser.keep_alive();
}
bool HttpRequestParser::version_1_0() const {
    return impl_->parser.get().version() < 11;
}
bool HttpRequestParser::expects_continue() const {
    return http::token_list{impl_->parser.get()[http::field::expect]}.exists("100-continue");
}
std::string HttpRequestParser::method() const {
    return impl_->parser.get().method_string();
}
std::string HttpRequestParser::target() const {
    return impl_->parser.get().target();
}
HttpHeaders HttpRequestParser::headers() const {
    return copy_headers(impl_->parser.get());
}
std::string HttpRequestParser::take_body() {
    return std::move(impl_->parser.get().body());
}

struct HttpResponseParser::Impl {
    http::response_parser<http::string_body> parser;
};

HttpResponseParser::HttpResponseParser(HttpLimits limits, bool to_head) : impl_(std::make_unique<Impl>()) {
    set_limits(impl_->parser, limits);
    impl_->parser.skip(to_head);
}
HttpResponseParser::~HttpResponseParser() = default;

Status HttpResponseParser::feed(std::string& buffer) {
    const error_code error = feed_parser(impl_->parser, buffer);
    if (error) return not_http(error);
    return Done{};
}

Status HttpResponseParser::end() {
    error_code error;
    if (!impl_->parser.got_some()) return Error{Errc::unavailable, "the peer closed the connection without an answer"};
    impl_->parser.put_eof(error);
    if (error) return Error{Errc::unavailable, "the peer closed the connection in the middle of the answer"};
    return Done{};
}

bool HttpResponseParser::done() const {
    return impl_->parser.is_done();
}

HttpResponse HttpResponseParser::take() {
    auto& message = impl_->parser.get();
    return {.status = static_cast<int>(message.result_int()),
            .headers = copy_headers(message),
            .body = std::move(message.body())};
}

}  // namespace castle::io
