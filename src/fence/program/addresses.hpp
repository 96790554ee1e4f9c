// The virtual addresses that must be gone from this machine once its server may no longer be primary.
#pragma once

#include <array>

#include "fence/program/descriptor.hpp"
#include "fence/protocol.hpp"

namespace castle::fence {

class Addresses {
public:
    Addresses();
    bool add(const Address& address);  // false: there are too many
    void remove(const Address& address);
    bool empty() const { return count_ == 0; }

    // Takes all of them from their interfaces, by netlink, and forgets those that are surely gone.
    void drop();

private:
    bool drop_one(const Address& address);

    Descriptor netlink_;
    std::array<Address, 16> addresses_{};
    std::size_t count_ = 0;
};

}  // namespace castle::fence
