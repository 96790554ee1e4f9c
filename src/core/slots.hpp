// Which replication slots a member keeps, how far it may move those that nobody uses, and what to do about the ones it
// has (contract: "Slots"). Pure.
//
// A slot keeps WAL for a standby. Every member that can become the leader keeps one for every other member, not only
// the leader: whoever takes over then has what the others still need. Where the slot's standby streams from somebody
// else, the slot is moved along behind it, by what the leader and the member itself say of its progress.
//
// Whoever is promoted after a leader that did not hand over lets the slots of the others begin at its own last
// restartpoint: one of them may have to be rewound, needs the WAL since the last checkpoint that both share, and cannot
// be sure to find it at home (pg_rewind removes what its source does not have, if it is older than that checkpoint's
// record).
//
// Permanent logical slots are left alone where they exist; nobody makes or copies them.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/cluster.hpp"
#include "core/instance.hpp"
#include "core/settings.hpp"

namespace castle::core {

struct SlotWish {
    bool expected_active = false;  // its standby should be streaming from here, or come back to here
    Lsn advance_to;                // how far it may be moved while nobody uses it; unknown: not at all
    Lsn from{};                    // where it has to begin at the latest; unknown: wherever it is
    bool operator==(const SlotWish&) const = default;
};
using SlotWishes = std::map<std::string, SlotWish>;  // by name of the slot

struct SlotKeeper {
    std::string_view name;
    Tags tags;
    bool leader = false;
    Lsn redo{};  // of the last restartpoint, if it is about to be promoted after somebody who did not hand over
};
SlotWishes wanted_slots(const Cluster& cluster, const Settings& settings, const SlotKeeper& me);

struct SlotStep {
    enum class Kind { create, drop, advance, blocked };  // blocked: it should go, but somebody uses it
    Kind kind = Kind::create;
    std::string name;
    Lsn to;           // of advance
    std::string why;  // of drop and blocked
    bool operator==(const SlotStep&) const = default;
};
// `drop_unknown`: not in pause.
std::vector<SlotStep> slot_steps(const SlotWishes& wanted, const std::map<std::string, Slot>& found,
                                 const Settings& settings, bool drop_unknown);

// What the leader publishes: how far the slots of the members and the permanent ones are, and its own position under
// the name of the slot that the others keep for it.
std::map<std::string, Lsn> published_slots(const SlotWishes& wanted, const Instance& instance, const Settings& settings,
                                           std::string_view me);

// The leader's memory of who was there: the slot of a member whose key has vanished is retained for member_slots_ttl.
class SlotRetention {
public:
    // Once a cycle while leading. In a new leadership, whoever the last leader retained counts as seen now.
    void see(const Cluster& cluster, const Settings& settings, Revision epoch, BootTime now);
    // Sorted, for the status; with our own, for the leader after us.
    std::vector<std::string> names(const Settings& settings) const;

private:
    Revision epoch_{};
    std::map<std::string, BootTime> last_seen_;
};

}  // namespace castle::core
