#include "node/member_report.hpp"

#include <algorithm>
#include <boost/json.hpp>

#include "io/http_client.hpp"

namespace castle::node {
namespace {

namespace json = boost::json;

std::string text(const json::object& object, std::string_view key) {
    const json::value* value = object.if_contains(key);
    return value && value->is_string() ? std::string(value->get_string()) : std::string();
}

Task<> ask(io::Loop& loop, int port, MemberReport& into, BootTime deadline) {
    io::HttpCall call;
    call.url.endpoint = {"127.0.0.1", port};
    call.url.target = "/patroni";
    auto answer = co_await io::http_call(loop, std::move(call), deadline);
    if (answer) into = read_member_report(answer->body);
}

}  // namespace

MemberReport read_member_report(std::string_view body) {
    boost::system::error_code failed;
    const json::value value = json::parse(body, failed);
    if (failed || !value.is_object()) return {};
    const json::object& object = value.get_object();
    MemberReport report{.answered = true,
                        .state = text(object, "state"),
                        .role = text(object, "role"),
                        .replication = text(object, "replication_state")};
    if (const json::value* timeline = object.if_contains("timeline"); timeline && timeline->is_int64())
        report.timeline = static_cast<int>(timeline->get_int64());
    return report;
}

Task<std::vector<MemberReport>> ask_members(io::Loop& loop, Plan plan, BootTime deadline) {
    std::vector<MemberReport> reports(static_cast<std::size_t>(plan.nodes));
    Scope scope(loop);
    for (const MemberPlan& each : plan.members())
        scope.spawn(ask(loop, each.rest_port,
                        reports[static_cast<std::size_t>(each.rest_port - plan.member(1).rest_port)], deadline));
    co_await scope.drained();
    co_return reports;
}

bool whole(const std::vector<MemberReport>& members) {
    const auto primaries = std::ranges::count_if(members, &MemberReport::primary);
    const auto streaming = std::ranges::count_if(members, &MemberReport::streaming);
    return primaries == 1 && streaming + 1 == static_cast<std::ptrdiff_t>(members.size());
}

}  // namespace castle::node
