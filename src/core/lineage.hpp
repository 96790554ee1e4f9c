// Who led last, and how that leadership was seen to end: what evidence is weighed from. And what the store may forget,
// but we have seen: that the cluster has been made, and which timelines are taken.
//
// Fed with every view of the cluster in order; remembers what a single view cannot tell.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/cluster.hpp"

namespace castle::core {

// What the store said of the leader's lease when it was asked last. Unless renewed since, it runs out between the two
// times.
struct LeaseTold {
    BootTime lapses_from{};
    BootTime lapses_before{};
    BootTime asked{};
    Duration life{};
    std::uint64_t term = 0;  // of the store's leader that said so
    // Known once its last second has begun: it has run out by then, by the clock of the store.
    std::optional<BootTime> out_by;

    // `left`: in whole seconds, rounded down, as the store tells it.
    static LeaseTold heard(BootTime asked, BootTime answered, Duration left, Duration life, std::uint64_t term);
};

struct LastLeader {
    std::string name;                                  // empty: nobody has ever led, as far as the store tells
    Revision epoch{};                                  // create revision of the leader key; 0: not seen by us
    LeaseId lease{};                                   // that the key was bound to; 0: not known
    Duration life{};                                   // of the lease, as last published; 0: not known
    Leadership::Fence fence = Leadership::Fence::off;  // as last published for that epoch
    bool published = false;                            // `fence` speaks of exactly this leadership
    std::optional<Leadership::ShutDown> shut_down;     // as published when it was released
    bool member_key_gone = false;                      // its member key is not there either
    bool vanished_alone = false;  // the leader key went while the member key was there: no lapse, whatever came later
    bool seen_leading = false;    // by us; else it is what the store's records tell
    std::string api_url;          // to ask it
    BootTime unlocked_since{};    // when we first saw that nobody leads
    std::optional<LeaseTold> told;
};

class Lineage {
public:
    void see(const Cluster& cluster, BootTime now);

    void see_lease(LeaseId lease, LeaseTold told);

    // The last leadership; meaningful while nobody leads.
    const LastLeader& last() const { return last_; }

    // Who may lead by the word of a store that is no more (lost and made anew, put back to an older state, or emptied
    // by hand while nobody led): the last leader known from it (without a name, if nobody was), and every other member,
    // for one may have followed before the end without our seeing it. Each is in force until it is known to have ended,
    // whatever the present store tells; none once somebody has taken the lock in this one. Their unlocked_since: when
    // the store was found to be another one, or empty.
    const std::vector<LastLeader>& elsewhere() const { return elsewhere_; }
    // Whether somebody may have led, and begun a timeline, of which we know nothing.
    bool may_have_missed() const { return !elsewhere_.empty() || last_.name.empty(); }
    // A timeline for `me` that hardly any other member takes for its own in the same doubt.
    Timeline timeline_in_doubt(std::string_view me) const;
    // Whether this key was there when the store was found to be another one. Then nobody has taken it in this store.
    bool left_over(const LeaderKey& leader) const {
        return number(leader.modified) != 0 && leader.modified <= left_over_until_;
    }

    // The cluster's system identifier, once any store has told it; empty: no cluster has been seen.
    const std::string& system_id() const { return system_id_; }
    // The newest timeline that any member was ever seen to have, or to have reserved.
    Timeline newest_timeline() const { return newest_timeline_; }

private:
    void doubt_everybody(BootTime now);
    void see_leadership(const Cluster& cluster, BootTime now);

    LastLeader last_;
    bool unlocked_ = false;
    bool had_record_ = false;
    std::vector<LastLeader> elsewhere_;  // one for each name
    std::uint64_t incarnation_ = 0;
    Revision left_over_until_{};
    std::string system_id_;
    Timeline newest_timeline_{};
    std::map<std::string, std::string> api_urls_;  // of all members ever seen
};

}  // namespace castle::core
