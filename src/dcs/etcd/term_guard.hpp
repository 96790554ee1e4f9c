// Notices answers of a node that the cluster has left behind: a raft term lower than one already seen, in the same
// cluster. Another cluster id is another cluster and starts anew. Pure.
#pragma once

#include <cstdint>

#include "base/types.hpp"

namespace castle::dcs {

class TermGuard {
public:
    // Terms are learned only from answers that needed a quorum: a node that was cut off counts its own term up.
    enum class Source { quorum, one_node };

    // Whether the answer may be believed. `went_back`: it needed a quorum, and its revision is lower than one that was
    // known when it was asked for.
    bool accept(std::uint64_t cluster_id, std::uint64_t raft_term, Source source, BootTime now, bool went_back = false);

    std::uint64_t cluster_id() const { return cluster_id_; }
    std::uint64_t term() const { return term_; }

private:
    std::uint64_t cluster_id_ = 0;
    std::uint64_t term_ = 0;
    BootTime stale_since_{};
    bool only_stale_ = false;  // nothing but lower terms since then
};

}  // namespace castle::dcs
