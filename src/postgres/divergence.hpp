// Whether a local history fits under a primary's. Pure; instance_rewind.cpp asks the servers.
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "base/lsn.hpp"
#include "base/types.hpp"
#include "ports/server.hpp"

namespace castle::postgres {

struct LocalEnd {
    Timeline timeline{};
    Lsn lsn;  // replayed or received, or of the last checkpoint if it was a primary
    bool was_primary = false;
    std::optional<Lsn> shutdown_checkpoint_end;  // of a cleanly shut down primary
    std::vector<Timeline> announced{};           // later timelines, one of which a standby has decided to follow
};

// What the primary said, asked after LocalEnd was read: it only ever moves on, so what it lacks then it never had.
struct PrimaryEnd {
    Timeline timeline{};
    Lsn flushed;                                      // zero: not known
    std::vector<std::pair<Timeline, Lsn>> history{};  // ended timelines and where they ended
};

ports::Server::Divergence judge_divergence(const LocalEnd& local, const PrimaryEnd& primary);

}  // namespace castle::postgres
