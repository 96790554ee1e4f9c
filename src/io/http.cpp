#include "io/http.hpp"

#include <openssl/evp.h>

#include "base/text.hpp"

namespace castle::io {

const std::string* find_header(const HttpHeaders& headers, std::string_view name) {
    for (const auto& [key, value] : headers)
        if (equal_nocase(key, name)) return &value;
    return nullptr;
}

std::string_view reason_phrase(int status) {
    switch (status) {
        case 100: return "Continue";
        case 200: return "OK";
        case 202: return "Accepted";
        case 204: return "No Content";
        case 301: return "Moved Permanently";
        case 302: return "Found";
        case 304: return "Not Modified";
        case 400: return "Bad Request";
        case 401: return "Unauthorized";
        case 403: return "Forbidden";
        case 404: return "Not Found";
        case 405: return "Method Not Allowed";
        case 408: return "Request Timeout";
        case 409: return "Conflict";
        case 411: return "Length Required";
        case 412: return "Precondition Failed";
        case 413: return "Request Entity Too Large";
        case 422: return "Unprocessable Entity";
        case 429: return "Too Many Requests";
        case 431: return "Request Header Fields Too Large";
        case 500: return "Internal Server Error";
        case 501: return "Not Implemented";
        case 502: return "Bad Gateway";
        case 503: return "Service Unavailable";
        case 504: return "Gateway Timeout";
        default: return "Unknown";
    }
}

std::string base64_encode(std::string_view bytes) {
    std::string text(4 * ((bytes.size() + 2) / 3) + 1, '\0');
    const int size =
        EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                        reinterpret_cast<const unsigned char*>(bytes.data()), static_cast<int>(bytes.size()));
    text.resize(static_cast<std::size_t>(size));
    return text;
}

std::string BasicAuth::header() const {
    return "Basic " + base64_encode(user + ":" + password);
}

Result<Url> Url::parse(std::string_view text) {
    const auto wrong = [text] { return Error{Errc::invalid, "\"" + std::string(text) + "\" is not an http(s) URL"}; };
    Url url;
    std::string_view rest = text;
    if (const auto scheme = rest.find("://"); scheme != rest.npos) {
        const std::string name = lower(rest.substr(0, scheme));
        if (name != "http" && name != "https") return wrong();
        url.secure = name == "https";
        rest.remove_prefix(scheme + 3);
    }
    const auto slash = rest.find_first_of("/?");
    std::string_view authority = rest.substr(0, slash);
    if (slash != rest.npos) url.target = (rest[slash] == '?' ? "/" : "") + std::string(rest.substr(slash));
    if (const auto fragment = url.target.find('#'); fragment != url.target.npos) url.target.resize(fragment);
    std::string_view port;
    if (authority.starts_with('[')) {
        const auto end = authority.find(']');
        if (end == authority.npos) return wrong();
        url.endpoint.host = authority.substr(1, end - 1);
        port = authority.substr(end + 1);
        if (!port.empty() && port.front() != ':') return wrong();
        if (!port.empty()) port.remove_prefix(1);
    } else {
        const auto colon = authority.rfind(':');
        url.endpoint.host = authority.substr(0, colon);
        if (colon != authority.npos) port = authority.substr(colon + 1);
    }
    url.endpoint.port = url.secure ? 443 : 80;
    if (!port.empty()) {
        auto number = parse_uint(port);
        if (!number || *number == 0 || *number > 65'535) return wrong();
        url.endpoint.port = static_cast<int>(*number);
    }
    if (url.endpoint.host.empty() || text.find_first_of(" \r\n\t") != text.npos) return wrong();
    return url;
}

std::string url_decode(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '%' && i + 2 < text.size()) {
            if (auto byte = parse_hex32(text.substr(i + 1, 2))) {
                out += static_cast<char>(*byte);
                i += 2;
                continue;
            }
        }
        out += text[i] == '+' ? ' ' : text[i];
    }
    return out;
}

}  // namespace castle::io
