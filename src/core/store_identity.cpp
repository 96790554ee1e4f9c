#include "core/store_identity.hpp"

#include <algorithm>

namespace castle::core {

bool StoreIdentity::see(const Answer& answer) {
    const bool first = incarnation_ == 0;
    const bool other =
        first || answer.cluster_id != cluster_id_ || answer.term < term_ || answer.revision < answer.known_when_asked;
    if (other) {
        ++incarnation_;
        cluster_id_ = answer.cluster_id;
        term_ = answer.term;
        revision_ = answer.revision;
    }
    term_ = std::max(term_, answer.term);
    revision_ = std::max(revision_, answer.revision);
    return other && !first;
}

}  // namespace castle::core
