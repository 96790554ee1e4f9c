// Who led last, and how that leadership was seen to end: what evidence is weighed from.
//
// Fed with every view of the cluster in order; remembers what a single view cannot tell.
#pragma once

#include <optional>
#include <string>

#include "core/cluster.hpp"

namespace castle::core {

struct LastLeader {
    std::string name;                                  // empty: nobody has ever led, as far as the store tells
    Revision epoch{};                                  // create revision of the leader key; 0: not seen by us
    LeaseId lease{};                                   // that the key was bound to; 0: not known
    Duration life{};                                   // of the lease, as last published; 0: not known
    Leadership::Fence fence = Leadership::Fence::off;  // as last published for that epoch
    bool published = false;                            // `fence` speaks of exactly this leadership
    bool member_key_gone = false;                      // its member key is not there either
    bool vanished_alone = false;  // the leader key went while the member key was there: no lapse, whatever came later
    bool seen_leading = false;    // by us; else it is what the store's records tell
    std::string api_url;          // to ask it
    BootTime unlocked_since{};    // when we first saw that nobody leads
};

class Lineage {
public:
    void see(const Cluster& cluster, BootTime now);
    // The last leadership; meaningful while nobody leads.
    const LastLeader& last() const { return last_; }

private:
    LastLeader last_;
    bool unlocked_ = false;
    bool had_record_ = false;
};

}  // namespace castle::core
