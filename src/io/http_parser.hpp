// Bytes to HTTP messages, owning no socket. Internal to io; Beast does the work in the .cpp file.
#pragma once

#include <memory>

#include "io/http.hpp"

namespace castle::io {

struct HttpLimits {
    std::size_t header_bytes_max = 64 << 10;
    std::size_t body_bytes_max = 16 << 20;
};

// One message. feed() takes what belongs to it from the front of `buffer` and leaves the rest.
// Errc::invalid: not HTTP; Errc::denied: over a limit (status() says which answer that deserves).
class HttpRequestParser {
public:
    explicit HttpRequestParser(HttpLimits limits);
    ~HttpRequestParser();

    Status feed(std::string& buffer);
    bool header_done() const;
    bool done() const;
    int status() const { return status_; }  // of the answer to what could not be read: 400, 413, 431

    bool keep_alive() const;
    bool version_1_0() const;
    bool expects_continue() const;
    std::string method() const;
    std::string target() const;
    HttpHeaders headers() const;
    std::string take_body();

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
    int status_ = 400;
};

class HttpResponseParser {
public:
    HttpResponseParser(HttpLimits limits, bool to_head);
    ~HttpResponseParser();

    Status feed(std::string& buffer);
    Status end();  // the peer has closed: completes a message that ends there
    bool done() const;
    HttpResponse take();

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace castle::io
