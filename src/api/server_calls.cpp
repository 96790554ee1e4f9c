// What concerns this member's PostgreSQL: restart, reinitialize; and the failsafe map.
#include <boost/json.hpp>

#include "api/answers.hpp"
#include "api/rest.hpp"
#include "api/restart_request.hpp"
#include "config/units.hpp"

namespace castle::api {

namespace json = boost::json;

Task<io::HttpResponse> Rest::restart(json::object body) {
    const RestartCall call = read_restart(body, commands_.view()->settings.pause, clock_.now().wall);
    if (call.status) co_return text_answer(call.status, call.refusal);
    if (call.at) {
        const bool accepted = commands_.schedule_restart(call.scheduled());
        co_return text_answer(accepted ? 202 : 409,
                              accepted ? "Restart scheduled" : "Another restart is already scheduled");
    }
    const std::string running = commands_.view()->long_action;
    switch (co_await commands_.restart(call.request)) {
        case ports::RestartOutcome::done: co_return text_answer(200, "restarted successfully");
        case ports::RestartOutcome::conditions_not_met:
            co_return text_answer(503, "restart conditions are not satisfied");
        case ports::RestartOutcome::busy:
            co_return text_answer(503, (running.empty() ? "another action" : running) + " already in progress");
        case ports::RestartOutcome::still_starting: co_return text_answer(503, "postgres is still starting");
        case ports::RestartOutcome::failed: break;
    }
    co_return text_answer(503, "restart failed");
}

io::HttpResponse Rest::reinitialize(const json::object& body) {
    const auto flag = [&body](std::string_view name) {
        const json::value* value = body.if_contains(name);
        return value && config::bool_of(*value).value_or(false);
    };
    const std::string running = commands_.view()->long_action;
    switch (commands_.reinitialize(flag("force"), flag("from_leader") || flag("from-leader"))) {
        case ports::ReinitOutcome::started: return text_answer(200, "reinitialize started");
        case ports::ReinitOutcome::no_leader: return text_answer(503, "Cluster has no leader, can not reinitialize");
        case ports::ReinitOutcome::is_leader: return text_answer(503, "I am the leader, can not reinitialize");
        case ports::ReinitOutcome::busy: break;
    }
    return text_answer(503, (running.empty() ? "another action" : running) + " already in progress");
}

io::HttpResponse Rest::failsafe() const {
    const View view = commands_.view();
    if (!view->cluster || !view->cluster->failsafe) return error_page(502);
    json::object map;
    for (const auto& [name, url] : *view->cluster->failsafe) map[name] = url;
    return json_answer(200, map);
}

}  // namespace castle::api
