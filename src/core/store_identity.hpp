// Notices that the store behind our addresses is not the one of before: another cluster (all of it lost and made anew),
// or the same one put back to an older state (restored from a backup). What is known of the old one says nothing about
// the new one, and the other way round; each gets a number of its own, its incarnation.
//
// Fed with the headers of answers that needed a quorum: revisions and terms of one history never go back in those.
#pragma once

#include <cstdint>

#include "base/types.hpp"

namespace castle::core {

class StoreIdentity {
public:
    struct Answer {
        std::uint64_t cluster_id = 0;
        std::uint64_t term = 0;
        Revision revision{};
        Revision known_when_asked{};  // revision() when the question was sent
    };
    // True if this is another store than that of the answer before.
    bool see(const Answer& answer);

    std::uint64_t incarnation() const { return incarnation_; }  // counts from 1; 0: no answer yet
    Revision revision() const { return revision_; }             // the newest known of this one

private:
    std::uint64_t incarnation_ = 0;
    std::uint64_t cluster_id_ = 0;
    std::uint64_t term_ = 0;
    Revision revision_{};
};

}  // namespace castle::core
