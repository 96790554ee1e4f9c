#include "dcs/etcd/term_guard.hpp"

namespace castle::dcs {
namespace {

using namespace std::chrono_literals;

// A cluster restored from a backup under the same id begins at a low term. Raft rules out that a quorum answers with a
// lower term than before, but for the moment in which a node has not yet written the new one down. So when nothing else
// has been heard for so long, or the revision has gone back as well, that is what happened.
constexpr Duration patience = 5s;

}  // namespace

bool TermGuard::accept(std::uint64_t cluster_id, std::uint64_t raft_term, Source source, BootTime now, bool went_back) {
    if (cluster_id != cluster_id_) {
        if (source == Source::one_node && cluster_id_ != 0) return false;  // a quorum will have to say so
        cluster_id_ = cluster_id;
        term_ = 0;
    }
    if (raft_term < term_) {
        if (source == Source::one_node) return false;
        if (!only_stale_) {
            only_stale_ = true;
            stale_since_ = now;
        }
        if (!went_back && now - stale_since_ < patience) return false;
        term_ = 0;
    }
    if (source == Source::quorum) {
        term_ = raft_term;
        only_stale_ = false;
    }
    return true;
}

}  // namespace castle::dcs
