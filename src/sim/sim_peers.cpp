#include "sim/sim_peers.hpp"

namespace castle::sim {

Task<std::vector<core::PeerStatus>> SimPeers::ask(std::vector<core::Member> members, BootTime deadline) {
    std::vector<Completion<core::PeerStatus>> answers(members.size());
    for (std::size_t i = 0; i < members.size(); ++i) {
        const auto target = find_(members[i].name);
        if (!target) continue;
        network_.send(host_, *target,
                      [world = &world_, network = &network_, ask = ask_, from = host_, to = *target,
                       setter = answers[i].setter(), process = std::weak_ptr(process_)] {
                          ask(to, [=](core::PeerStatus status) {
                              network->send(to, from, [=] {
                                  if (const auto living = process.lock())
                                      living->deliver(world->now(), [setter, status] { setter(status); });
                              });
                          });
                      });
    }
    std::vector<core::PeerStatus> statuses;
    for (std::size_t i = 0; i < members.size(); ++i) {
        auto status = co_await wait_for(process_->executor(), answers[i], deadline);
        statuses.push_back(status ? std::move(*status) : core::PeerStatus{});
        statuses.back().name = members[i].name;
    }
    co_return statuses;
}

}  // namespace castle::sim
