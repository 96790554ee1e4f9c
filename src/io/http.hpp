// HTTP messages in our own types, shared by client and server.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "io/stream.hpp"

namespace castle::io {

using HttpHeaders = std::vector<std::pair<std::string, std::string>>;

// The first header of that name, compared without case; null if there is none.
const std::string* find_header(const HttpHeaders& headers, std::string_view name);

struct HttpResponse {
    int status = 200;
    HttpHeaders headers;
    std::string body;
    // Server only: the status line, an empty line, and the end of the connection. No header, no body.
    bool status_only = false;
};

// "Not Found" and the like.
std::string_view reason_phrase(int status);

struct BasicAuth {
    std::string user;
    std::string password;
    std::string header() const;  // "Basic dXNlcjpwYXNz"
};

struct Url {
    bool secure = false;
    Endpoint endpoint;
    std::string target = "/";  // path and query

    // "http://10.0.0.1:8008/patroni", "https://[::1]/"; without a scheme http is meant.
    static Result<Url> parse(std::string_view text);
};

// "a%20b+c" to "a b c".
std::string url_decode(std::string_view text);
std::string base64_encode(std::string_view bytes);

}  // namespace castle::io
