#include "sim/network.hpp"

namespace castle::sim {

Duration Network::delay() {
    if (delayed_per_mille != 0 && world_.random().chance(delayed_per_mille)) {
        world_.count(Fault::message_delayed);
        return world_.random().between(5ms, longest_delay);
    }
    return Duration{world_.random().between(0, 1)};
}

void Network::send(HostId from, HostId to, std::function<void()> work) {
    if (!open(from, to)) return;
    if (from != to && lost_per_mille != 0 && world_.random().chance(lost_per_mille)) {
        world_.count(Fault::message_lost);
        return;
    }
    if (from != to && duplicated_per_mille != 0 && world_.random().chance(duplicated_per_mille)) {
        world_.count(Fault::message_duplicated);
        world_.after(delay(), work);
    }
    world_.after(delay(), std::move(work));
}

}  // namespace castle::sim
