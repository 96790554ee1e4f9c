#include "agent/roll_call.hpp"

#include <algorithm>

namespace castle::agent {
namespace {

constexpr Duration patience{2000};
constexpr Duration patience_with_silent{100};

}  // namespace

RollCall::RollCall(Executor& executor, ports::Peers& peers) : executor_(executor), peers_(peers), scope_(executor) {}

bool RollCall::silent(const std::string& name) const {
    const auto found = unanswered_since_.find(name);
    return found != unanswered_since_.end() && executor_.now() >= found->second + patience;
}

Task<std::vector<core::PeerStatus>> RollCall::ask(std::vector<core::Member> members) {
    const auto prompt =
        std::ranges::partition(members, [this](const core::Member& member) { return silent(member.name); });
    std::vector<core::PeerStatus> answers, late;
    Scope beside(executor_);
    beside.spawn(ask_into({members.begin(), prompt.begin()}, patience_with_silent, &late));
    co_await ask_into({prompt.begin(), prompt.end()}, patience, &answers);
    co_await beside.drained();
    std::ranges::move(late, std::back_inserter(answers));
    co_return answers;
}

Task<> RollCall::ask_into(std::vector<core::Member> members, Duration for_how_long,
                          std::vector<core::PeerStatus>* answers) {
    if (members.empty()) co_return;
    const BootTime asked = executor_.now();
    *answers = co_await peers_.ask(std::move(members), asked + for_how_long);
    for (const core::PeerStatus& answer : *answers) {
        if (answer.answered)
            unanswered_since_.erase(answer.name);
        else
            unanswered_since_.try_emplace(answer.name, asked);
    }
}

void RollCall::watch(std::shared_ptr<const core::Cluster> cluster, std::string me) {
    std::erase_if(unanswered_since_, [&](const auto& entry) { return !cluster->member(entry.first); });
    if (!std::exchange(watching_, true)) scope_.spawn(call_leader(std::move(cluster), std::move(me)));
}

Task<> RollCall::call_leader(std::shared_ptr<const core::Cluster> cluster, std::string me) {
    const std::string& leader = cluster->leader->name;
    std::vector<core::Member> first, others;
    for (const auto& [name, member] : cluster->members) {
        if (name == me || member.api_url.empty()) continue;
        // Also who was silent the last time: it may be back.
        (name == leader || unanswered_since_.contains(name) ? first : others).push_back(member);
    }
    std::vector<core::PeerStatus> answers;
    co_await ask_into(std::move(first), patience, &answers);
    if (unanswered_since_.contains(leader)) co_await ask_into(std::move(others), patience, &answers);
    watching_ = false;
}

}  // namespace castle::agent
