#include "api/answers.hpp"

#include "api/documents.hpp"

namespace castle::api {
namespace {

std::string_view explanation_of(int status) {
    switch (status) {
        case 400: return "Bad request syntax or unsupported method";
        case 409: return "Request conflict";
        case 411: return "Client must specify Content-Length";
        case 500: return "Server got itself in trouble";
        case 501: return "Server does not support this operation";
        case 502: return "Invalid responses from another server/proxy";
        case 503: return "The server cannot process the request due to a high load";
        default: return "";
    }
}

std::string html(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (c == '&')
            out += "&amp;";
        else if (c == '<')
            out += "&lt;";
        else if (c == '>')
            out += "&gt;";
        else
            out += c;
    }
    return out;
}

}  // namespace

io::HttpResponse text_answer(int status, std::string body) {
    return {.status = status, .headers = {{"Content-Type", "text/html"}}, .body = std::move(body)};
}

io::HttpResponse json_answer(int status, const boost::json::value& body) {
    return {.status = status, .headers = {{"Content-Type", "application/json"}}, .body = json_text(body)};
}

io::HttpResponse bare_answer(int status) {
    return {.status = status, .status_only = true};
}

io::HttpResponse error_page(int status, std::string reason, std::string explanation) {
    if (reason.empty()) reason = io::reason_phrase(status);
    if (explanation.empty()) explanation = explanation_of(status);
    const std::string code = std::to_string(status);
    std::string body =
        "<!DOCTYPE HTML>\n<html lang=\"en\">\n    <head>\n        <meta charset=\"utf-8\">\n"
        "        <title>Error response</title>\n    </head>\n    <body>\n        <h1>Error response</h1>\n"
        "        <p>Error code: " +
        code + "</p>\n        <p>Message: " + html(reason) +
        ".</p>\n"
        "        <p>Error code explanation: " +
        code + " - " + html(explanation) + ".</p>\n    </body>\n</html>\n";
    return {.status = status, .headers = {{"Content-Type", "text/html;charset=utf-8"}}, .body = std::move(body)};
}

}  // namespace castle::api
