#include "api/restart_request.hpp"

#include <boost/json.hpp>

#include "api/schedule.hpp"
#include "base/text.hpp"
#include "config/units.hpp"

namespace castle::api {
namespace {

namespace json = boost::json;

constexpr std::int64_t timeout_max = 100LL * 365 * 86'400;  // seconds; beyond it arithmetic on times may overflow

// The words of the refusal; empty if it is a version.
std::string check_version(const std::string& text) {
    const auto parts = split(text, '.');
    std::vector<std::uint64_t> numbers;
    for (const auto& part : parts) {
        auto number = parse_uint(part);
        if (!number) return "Invalid PostgreSQL version: " + text;
        numbers.push_back(*number);
    }
    if (numbers.size() < 2 || numbers.size() > 3 || (numbers.size() == 2 && numbers[0] < 10))
        return "Invalid PostgreSQL version format: X.Y or X.Y.Z is accepted: " + text;
    return {};
}

}  // namespace

core::ScheduledRestart RestartCall::scheduled() const {
    return {.at = at.value_or(WallTime{}),
            .schedule = schedule,
            .role = request.role,
            .postgres_version = request.postgres_version,
            .timeout = request.timeout,
            .only_pending = request.only_pending,
            .postmaster_start_time = {}};
}

RestartCall read_restart(const json::object& body, bool paused, WallTime now) {
    if (paused && body.contains("schedule")) return {500, "Can't schedule restart in the paused state", {}, {}, {}};
    RestartCall call;
    const auto refuse = [](int status, std::string text) { return RestartCall{status, std::move(text), {}, {}, {}}; };
    for (const auto& [key, value] : body) {
        const std::string text = config::text_of(value);
        if (key == "schedule") {
            const Schedule schedule = read_schedule(text, now, "restart");
            if (schedule.problem.status) return refuse(schedule.problem.status, schedule.problem.text);
            call.at = schedule.at;
            call.schedule = text;
        } else if (key == "role") {
            call.request.role = text == "master" ? "primary" : text;
            if (call.request.role != "primary" && call.request.role != "standby_leader" &&
                call.request.role != "replica")
                return refuse(400, "PostgreSQL role should be either primary, standby_leader, or replica");
        } else if (key == "postgres_version") {
            if (const std::string wrong = check_version(text); !wrong.empty()) return refuse(400, wrong);
            call.request.postgres_version = text;
        } else if (key == "timeout") {
            const auto seconds = config::int_of(value, "s");
            if (!seconds || *seconds <= 0 || *seconds > timeout_max)
                return refuse(400, "Timeout should be a positive number of seconds");
            call.request.timeout = std::chrono::seconds(*seconds);
        } else if (key == "restart_pending") {
            call.request.only_pending = true;
        } else {
            return refuse(400, "Unknown filter for the scheduled restart: " + std::string(key));
        }
    }
    return call;
}

}  // namespace castle::api
