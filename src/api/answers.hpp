// The kinds of answers. Pure.
#pragma once

#include <boost/json/value.hpp>
#include <string>

#include "io/http.hpp"

namespace castle::api {

io::HttpResponse text_answer(int status, std::string body);  // Content-Type text/html, as people's tools expect
io::HttpResponse json_answer(int status, const boost::json::value& body);
io::HttpResponse bare_answer(int status);  // the status line and nothing else
// A small HTML page with the code, a short and a long reason. Empty: those of the code.
io::HttpResponse error_page(int status, std::string reason = "", std::string explanation = "");

}  // namespace castle::api
