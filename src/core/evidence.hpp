// Evidence that the old primary can no longer acknowledge. Nobody takes the lock without one, and only weigh() and the
// named cases below can make one: a promotion that nothing speaks for does not compile.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "core/lineage.hpp"
#include "core/peer.hpp"

namespace castle::core {

class Evidence {
public:
    enum class Kind {
        never_led,     // the cluster has just been made here; nobody has ever led it
        own,           // we led last ourselves, and our server has not stopped being primary or is down here
        released,      // the old leader published that its server has shut down, and gave the lock back
        fenced_lapse,  // its lease ended, and it had published an armed fence for this epoch
        bare_lapse,    // its lease ended; it has no fence (a reference member): promote as the reference does
        answered,      // it answers that it is not primary, and cannot become it without the lock
        waited,        // the lock vanished by itself; it cannot have renewed since, and its life has passed
        forced,        // an operator asked for this member by name, with nobody leading
    };
    Kind kind() const { return kind_; }

    // The store was replaced under us, and the deadline that was granted before has not passed.
    static Evidence never_ceased() { return Evidence{Kind::own}; }
    static Evidence never_led() { return Evidence{Kind::never_led}; }
    friend std::optional<Evidence> weigh(const struct EvidenceInput& input);

private:
    explicit Evidence(Kind kind) : kind_(kind) {}
    Kind kind_;
};

std::string_view name_of(Evidence::Kind kind);

struct EvidenceInput {
    const LastLeader& last;
    std::string_view me;
    bool forced = false;                             // an operator's failover request names me
    const PeerStatus* last_leader_answer = nullptr;  // from this cycle; null: not asked or no answer
    // The last leaderships of stores that are no more, as far as they are not known to have ended. Each needs evidence,
    // too.
    struct Elsewhere {
        const LastLeader* last = nullptr;
        const PeerStatus* answer = nullptr;
    };
    std::vector<Elsewhere> elsewhere;
    std::optional<bool> lease_ended;  // from this cycle; nothing: not known
    std::uint64_t store_term = 0;     // of the store's leader when that was asked
    bool running_primary_here = false;
    Duration told_max{};  // how old the store's last word about the lease may be when it has ended
    Duration life{};      // the longest that a lease of the old leader can have if it did not tell: max(ttl, 20 s)
    BootTime now{};
};

// Nothing: not sure yet.
std::optional<Evidence> weigh(const EvidenceInput& input);

// The earliest time at which weigh() may say "fenced lapse"; nothing: it never will.
std::optional<BootTime> lapse_at(const EvidenceInput& input);

// When weigh() would say "waited" if nothing else turns up; nothing if time alone proves nothing here.
std::optional<BootTime> waited_at(const EvidenceInput& input);

}  // namespace castle::core
