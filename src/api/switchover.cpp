// POST and DELETE /switchover, POST /failover.
#include <boost/json.hpp>

#include "api/answers.hpp"
#include "api/rest.hpp"
#include "api/switchover_request.hpp"

namespace castle::api {
namespace {

using namespace std::chrono_literals;

constexpr Duration peer_time = 2s;
constexpr Duration settle_time = 1s;  // a request that is gone this soon, with the old leader in place, was refused
constexpr Duration look_again = 1s;   // for members that publish no change of the store

}  // namespace

Task<io::HttpResponse> Rest::switchover(boost::json::object body, bool failover) {
    auto cluster = co_await commands_.read_cluster(deadline());
    if (!cluster) co_return error_page(503);
    const core::Settings settings = settings_of(*cluster);
    const SwitchoverCall call = read_switchover(body, failover, settings, clock_.now().wall);
    log(ports::Level::info, "received " + call.action + " request with leader=" + call.leader +
                                " candidate=" + call.candidate + " scheduled_at=" + call.scheduled_text);
    if (call.status) co_return text_answer(call.status, call.refusal);
    if (!call.at) {
        Candidates candidates = candidates_for(call, *cluster, settings);
        if (!candidates.refusal.empty()) co_return text_answer(412, candidates.refusal);
        const auto answers = co_await commands_.ask(std::move(candidates.members), loop_.now() + peer_time);
        if (!any_fit(answers))
            co_return text_answer(412, call.action + " is not possible: no good candidates have been found");
    }
    core::FailoverRequest request{.leader = call.leader,
                                  .candidate = call.candidate,
                                  .scheduled_at = call.at,
                                  .scheduled_text = call.scheduled_text};
    std::vector<core::KeyWrite> writes{{.key = "failover", .value = core::write_failover(request)}};
    auto written = co_await commands_.write(std::move(writes), deadline());
    if (!written) {
        log(ports::Level::warning, call.action + ": " + written.error().message);
        co_return text_answer(503, "failed to write failover key into DCS");
    }
    commands_.wake();
    if (call.at) co_return text_answer(202, "Switchover scheduled");
    co_return co_await follow_switchover(cluster->leader ? cluster->leader->name : "", call.candidate, call.action,
                                         *written);
}

Task<io::HttpResponse> Rest::follow_switchover(std::string old_leader, std::string candidate, std::string action,
                                               Revision written) {
    const Duration patience = 2 * std::max<Duration>(10s, commands_.view()->settings.loop_wait);
    const BootTime begin = loop_.now();
    while (loop_.now() < begin + patience) {
        const auto seen = commands_.view_changed().count();
        const View view = commands_.view();
        if (view->store_ok && view->cluster && view->cluster->revision >= written) {
            const bool long_enough = loop_.now() >= begin + settle_time;
            auto result = result_of(*view->cluster, action, old_leader, candidate, long_enough);
            if (result) co_return text_answer(result->status, result->text);
        }
        co_await wait_past(loop_, commands_.view_changed(), seen, std::min(begin + patience, loop_.now() + look_again));
    }
    const auto seconds = std::chrono::ceil<std::chrono::seconds>(patience).count();
    std::string name = action;
    name[0] = static_cast<char>(name[0] - 'a' + 'A');
    co_return text_answer(503, name + " status unknown after " + std::to_string(seconds) +
                                   " seconds; operation may still be in progress");
}

Task<io::HttpResponse> Rest::delete_switchover() {
    auto cluster = co_await commands_.read_cluster(deadline());
    if (!cluster) co_return error_page(503);
    if (!cluster->failover || !cluster->failover->scheduled_at)
        co_return text_answer(404, "no switchover is scheduled");
    std::vector<core::KeyWrite> writes{
        {.key = "failover", .value = "{}", .expect = {core::Expect::modified_at(cluster->failover->modified)}}};
    auto written = co_await commands_.write(std::move(writes), deadline());
    if (!written) co_return error_page(409);
    commands_.wake();
    co_return text_answer(200, "scheduled switchover deleted");
}

}  // namespace castle::api
