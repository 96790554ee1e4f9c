#include "api/rest.hpp"

#include <algorithm>
#include <array>
#include <boost/json.hpp>

#include "api/answers.hpp"
#include "api/documents.hpp"
#include "api/metrics.hpp"
#include "base/text.hpp"
#include "base/version.hpp"
#include "config/dynamic.hpp"
#include "io/address.hpp"

namespace castle::api {
namespace {

using namespace std::chrono_literals;
namespace json = boost::json;

constexpr Duration look_up_time = 2s;

std::string server_header(std::string_view tokens) {
    if (equal_nocase(tokens, "productonly")) return "Patroni";
    if (equal_nocase(tokens, "minimal")) return std::string("Patroni/") + protocol_version;
    return std::string("pgcastle/") + castle_version;
}

// What changes something, as METHOD_segment. POST_failsafe is one of them, with its own rule.
bool is_change(std::string_view handler) {
    static constexpr std::array known = {"PATCH_config",     "PUT_config",        "POST_reload",   "POST_sigterm",
                                         "POST_restart",     "POST_reinitialize", "POST_failover", "POST_switchover",
                                         "POST_citus",       "POST_mpp",          "POST_failsafe", "DELETE_restart",
                                         "DELETE_switchover"};
    return std::find(known.begin(), known.end(), handler) != known.end();
}

}  // namespace

std::string_view first_segment(std::string_view path) {
    while (path.starts_with('/')) path.remove_prefix(1);
    return path.substr(0, path.find('/'));
}

Body read_body(const io::ServerRequest& request, bool optional) {
    const bool has_length =
        io::find_header(request.headers, "Content-Length") || io::find_header(request.headers, "Transfer-Encoding");
    if (!has_length && !optional) return {std::nullopt, error_page(411)};
    if (request.body.empty() && optional) return {json::object(), {}};
    boost::system::error_code failed;
    const json::value value = json::parse(request.body, failed);
    if (failed || !value.is_object() || (value.get_object().empty() && !optional))
        return {std::nullopt, error_page(400)};
    return {value.get_object(), {}};
}

Rest::Rest(io::Loop& loop, const ports::Clock& clock, ports::Commands& commands, ports::Journal& journal)
    : loop_(loop), clock_(clock), commands_(commands), journal_(journal), server_header_(server_header("original")) {}

void Rest::configure(const config::RestApi& config) {
    rules_ = {.check_address = !config.allowlist.empty() || config.allowlist_include_members,
              .check_certificate = config.tls() && config.verify_client != config::RestApi::VerifyClient::none};
    if (config.authentication)
        rules_.auth = io::BasicAuth{config.authentication->username, config.authentication->password};
    allowed_ = {};
    allowed_names_.clear();
    for (const auto& entry : config.allowlist)
        if (!allowed_.add(entry)) allowed_names_.push_back(entry);
    allow_members_ = config.allowlist_include_members;
    server_header_ = server_header(config.server_tokens);
    extra_headers_ = config.http_extra_headers;
    secure_headers_ = config.https_extra_headers;
}

BootTime Rest::deadline() const {
    return loop_.now() + commands_.view()->settings.retry_timeout;
}

core::Settings Rest::settings_of(const core::Cluster& cluster) const {
    if (cluster.config)
        if (auto dynamic = config::parse_dynamic(*cluster.config)) return config::read_settings(*dynamic).settings;
    return commands_.view()->settings;
}

Task<io::HttpResponse> Rest::answer(io::ServerRequest request) {
    const bool secure = request.secure;
    io::HttpResponse response = co_await route(std::move(request));
    if (!response.status_only) finish(response, secure);
    co_return response;
}

void Rest::finish(io::HttpResponse& response, bool secure) const {
    io::HttpHeaders headers{{"Server", server_header_}};
    const auto put = [&headers](const std::string& name, const std::string& value) {
        for (auto& [key, old] : headers)
            if (equal_nocase(key, name)) {
                old = value;
                return;
            }
        headers.emplace_back(name, value);
    };
    for (const auto& [name, value] : response.headers) put(name, value);
    for (const auto& [name, value] : extra_headers_) put(name, value);
    if (secure)
        for (const auto& [name, value] : secure_headers_) put(name, value);
    response.headers = std::move(headers);
}

Task<io::HttpResponse> Rest::route(io::ServerRequest request) {
    const std::string path(request.path());
    const std::string segment(first_segment(path));
    const std::string handler = request.method + "_" + segment;
    if (is_change(handler)) co_return co_await change(handler, std::move(request));
    if (request.method != "GET" && request.method != "HEAD" && request.method != "OPTIONS")
        co_return error_page(501, "Unsupported method ('" + request.method + "')",
                             "Server does not support this operation");
    const View view = commands_.view();
    if (!view) co_return bare_answer(503);  // the agent has not looked yet
    if (request.method == "GET") {
        if (segment == "patroni") {
            co_await commands_.refresh(core::position_age_max);
            const View latest = commands_.view();
            const Standing seen = standing(*latest, clock_.now().boot);
            io::HttpResponse response{.headers = {{"Content-Type", "application/json"}}};
            response.body = status_text(seen);
            co_return response;
        }
        const Standing seen = standing(*view, clock_.now().boot);
        if (segment == "liveness") co_return bare_answer(liveness_code(seen));
        if (segment == "readiness") co_return bare_answer(readiness_code(seen, request.queries()));
        if (segment == "metrics")
            co_return io::HttpResponse{.headers = {{"Content-Type", "text/plain"}}, .body = metrics_text(seen)};
        if (segment == "history")
            co_return json_answer(200, view->cluster ? history_document(*view->cluster) : json::array());
        if (segment == "config") co_return get_config();
        if (segment == "cluster") co_return co_await get_cluster();
        if (segment == "failsafe") co_return failsafe();
    }
    co_return health(request, path);
}

io::HttpResponse Rest::health(const io::ServerRequest& request, std::string_view path) {
    const View view = commands_.view();
    const Standing seen = standing(*view, clock_.now().boot);
    const int code = health_code(seen, path, request.queries());
    if (request.method != "GET") return bare_answer(code);
    io::HttpResponse response{.status = code, .headers = {{"Content-Type", "application/json"}}};
    response.body = status_text(seen);
    return response;
}

const std::string& Rest::status_text(const Standing& seen) {
    const bool with_cluster = seen.cluster != nullptr;
    if (kept_.view.get() != &seen.view || kept_.measured != seen.measured || kept_.with_cluster != with_cluster)
        kept_ = {commands_.view(), seen.measured, with_cluster, json_text(status_document(seen))};
    return kept_.text;
}

Task<std::optional<io::HttpResponse>> Rest::refuse(io::ServerRequest request, bool members_count) {
    AccessRules rules = rules_;
    if (rules.check_address && !allowed_.contains(request.peer.host)) {
        const bool allowed = co_await name_allows(request.peer.host, members_count);
        if (allowed) rules.check_address = false;
    }
    co_return refuse_access(rules, allowed_, request);
}

// The names of the allowlist and the members' addresses may change at any time, so they are looked up for each request.
Task<bool> Rest::name_allows(std::string address, bool members_count) {
    std::vector<std::string> names = allowed_names_;
    const View view = commands_.view();
    if (allow_members_ && members_count && view && view->cluster)
        for (const auto& [name, member] : view->cluster->members)
            if (auto url = io::Url::parse(member.api_url)) names.push_back(url->endpoint.host);
    const BootTime until = loop_.now() + look_up_time;
    for (const auto& name : names) {
        auto found = co_await io::resolve_host(loop_, name, until);
        if (!found) continue;
        AddressSet set;
        for (const auto& each : *found) set.add(each);
        if (set.contains(address)) co_return true;
    }
    co_return false;
}

Task<io::HttpResponse> Rest::change(std::string handler, io::ServerRequest request) {
    auto refusal = co_await refuse(request, handler != "POST_failsafe");
    if (refusal) co_return std::move(*refusal);
    if (!commands_.view()) co_return error_page(503);
    if (handler == "POST_reload") {
        commands_.reload();
        co_return text_answer(202, "reload scheduled");
    }
    if (handler == "POST_sigterm") co_return text_answer(202, "shutdown scheduled");
    if (handler == "DELETE_restart") {
        const bool was = commands_.unschedule_restart();
        co_return text_answer(was ? 200 : 404, was ? "scheduled restart deleted" : "no restarts are scheduled");
    }
    if (handler == "DELETE_switchover") co_return co_await delete_switchover();
    const bool optional = handler == "POST_restart" || handler == "POST_reinitialize";
    Body body = read_body(request, optional);
    if (!body.object) co_return std::move(body.problem);
    if (handler == "PATCH_config") co_return co_await patch_config(std::move(*body.object));
    if (handler == "PUT_config") co_return co_await put_config(std::move(*body.object));
    if (handler == "POST_restart") co_return co_await restart(std::move(*body.object));
    if (handler == "POST_reinitialize") co_return reinitialize(*body.object);
    if (handler == "POST_failover") co_return co_await switchover(std::move(*body.object), true);
    if (handler == "POST_switchover") co_return co_await switchover(std::move(*body.object), false);
    // Whoever accepts promises not to race for the lock meanwhile, and our candidates make no such promise: a primary
    // that asks must not take this answer for one.
    if (handler == "POST_failsafe") co_return error_page(502);
    co_return text_answer(200, "OK");  // citus, mpp
}

}  // namespace castle::api
