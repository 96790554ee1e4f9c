// Messages between hosts: they take time, get lost, arrive twice, and find the way cut in either direction.
//
// A message stands for a request or an answer on a connection, not for a packet. What is lost is lost for good: its
// connection broke. Order is not kept between messages; whoever needs it (the WAL stream) sends one at a time.
#pragma once

#include <functional>

#include "sim/world.hpp"

namespace castle::sim {

enum class HostId : int {};
constexpr int index(HostId host) {
    return static_cast<int>(host);
}

class Network {
public:
    explicit Network(World& world, int hosts)
        : world_(world), hosts_(hosts), cuts_(static_cast<std::size_t>(hosts * hosts), 0) {}

    // Runs `work` in the world when the message arrives; perhaps never.
    void send(HostId from, HostId to, std::function<void()> work);

    // Whether a message sent now could arrive.
    int hosts() const { return hosts_; }
    bool open(HostId from, HostId to) const { return cuts_[place(from, to)] == 0; }
    bool open_both(HostId a, HostId b) const { return open(a, b) && open(b, a); }
    Duration delay();  // of one message under the present conditions

    // Cuts are counted: what two partitions cut is whole again when both are healed.
    void cut(HostId from, HostId to) { ++cuts_[place(from, to)]; }
    void mend(HostId from, HostId to) { --cuts_[place(from, to)]; }

    // How bad the network is at the moment.
    unsigned lost_per_mille = 0;
    unsigned duplicated_per_mille = 0;
    unsigned delayed_per_mille = 0;
    Duration longest_delay = 0ms;

private:
    std::size_t place(HostId from, HostId to) const {
        return static_cast<std::size_t>(index(from) * hosts_ + index(to));
    }
    World& world_;
    int hosts_;
    std::vector<int> cuts_;
};

}  // namespace castle::sim
