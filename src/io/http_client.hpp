// One HTTP request over a connection of its own. Belongs to the loop's thread.
#pragma once

#include <memory>
#include <optional>

#include "io/http.hpp"
#include "io/loop.hpp"
#include "io/tls.hpp"

namespace castle::io {

struct HttpCall {
    std::string method = "GET";
    Url url;
    HttpHeaders headers;  // Host, Connection and Content-Length are added
    std::string body;
    std::optional<BasicAuth> auth;
    std::shared_ptr<const TlsContext> tls;  // for https; must be there then
    std::size_t body_bytes_max = 16 << 20;  // of the answer
};

// Any status is an answer. On errors Effect tells whether the request may have been received.
Task<Result<HttpResponse>> http_call(Loop& loop, HttpCall call, BootTime deadline, CancelToken cancel = {});

}  // namespace castle::io
