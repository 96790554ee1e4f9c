#include "postgres/divergence.hpp"

namespace castle::postgres {

using Divergence = ports::Server::Divergence;

Divergence judge_divergence(const LocalEnd& local, Timeline primary,
                            const std::vector<std::pair<Timeline, Lsn>>& history) {
    if (number(local.timeline) == 0 || number(primary) == 0) return Divergence::unknown;
    if (number(local.timeline) > number(primary)) return Divergence::diverged;
    if (local.timeline == primary) return Divergence::none;
    for (const auto& [timeline, switchpoint] : history) {
        if (timeline != local.timeline) continue;
        if (!local.was_primary) return local.lsn > switchpoint ? Divergence::diverged : Divergence::none;
        // A primary's checkpoint record begins at lsn. Only if it was its very last, and the successor has replayed it
        // to the end before it branched off, nothing is left over.
        if (local.lsn >= switchpoint || !local.shutdown_checkpoint_end) return Divergence::diverged;
        return *local.shutdown_checkpoint_end == switchpoint ? Divergence::none : Divergence::diverged;
    }
    return Divergence::diverged;  // the primary has never been on our timeline
}

}  // namespace castle::postgres
