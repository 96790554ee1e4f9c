#include "postgres/divergence.hpp"

#include <algorithm>

namespace castle::postgres {

using Divergence = ports::Server::Divergence;

Divergence judge_divergence(const LocalEnd& local, const PrimaryEnd& primary) {
    if (number(local.timeline) == 0 || number(primary.timeline) == 0) return Divergence::unknown;
    if (local.timeline > primary.timeline) return Divergence::diverged;
    for (const Timeline announced : local.announced) {
        const bool ended = std::any_of(primary.history.begin(), primary.history.end(),
                                       [&](const auto& each) { return each.first == announced; });
        if (announced != primary.timeline && !ended) return Divergence::diverged;
    }
    if (local.timeline == primary.timeline) {
        // Nobody is sent what its primary has not flushed. It has lost some of that, by a disk that lied or an old
        // snapshot, and writes something else in its place.
        const Lsn end = local.shutdown_checkpoint_end.value_or(local.lsn);
        return primary.flushed.known() && end > primary.flushed ? Divergence::diverged : Divergence::none;
    }
    for (const auto& [timeline, switchpoint] : primary.history) {
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
