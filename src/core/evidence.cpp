#include "core/evidence.hpp"

#include <algorithm>

namespace castle::core {

std::string_view name_of(Evidence::Kind kind) {
    switch (kind) {
        case Evidence::Kind::never_led: return "never led";
        case Evidence::Kind::own: return "own leadership";
        case Evidence::Kind::released: return "released";
        case Evidence::Kind::fenced_lapse: return "fenced lapse";
        case Evidence::Kind::bare_lapse: return "bare lapse";
        case Evidence::Kind::answered: return "old leader answered";
        case Evidence::Kind::waited: return "waited for its life";
        case Evidence::Kind::forced: return "forced by an operator";
    }
    return "unknown";
}

std::optional<Evidence> weigh(const EvidenceInput& input) {
    using Kind = Evidence::Kind;
    const LastLeader& last = input.last;
    if (last.name == input.me) return Evidence{Kind::own};
    if (last.name.empty() && input.running_primary_here)
        return Evidence{Kind::own};  // a server that was made without us
    if (last.published && last.fence == Leadership::Fence::released) return Evidence{Kind::released};
    if (input.last_leader_answer && input.last_leader_answer->surely_not_primary) return Evidence{Kind::answered};
    if (input.last_leader_answer && input.last_leader_answer->answered)
        return std::nullopt;  // it says it may be primary
    const bool unfenced = last.published && last.fence == Leadership::Fence::off;
    // A lease's end takes both keys at once. A leader key that went alone was deleted by hand; that the lease ended
    // later (revoked by hand, too) says nothing about the deadline that was granted before.
    const bool lapsed = last.member_key_gone && !last.vanished_alone && input.lease_ended.value_or(false);
    if (lapsed && last.published && last.fence == Leadership::Fence::on) return Evidence{Kind::fenced_lapse};
    if (lapsed && !last.published) return Evidence{Kind::bare_lapse};
    if (input.forced) return Evidence{Kind::forced};
    // A fence that is off lets the server live beyond the lease: time proves nothing.
    if (const auto at = waited_at(input); at && !unfenced && input.now >= *at) return Evidence{Kind::waited};
    return std::nullopt;
}

std::optional<BootTime> waited_at(const EvidenceInput& input) {
    if (input.last.published && input.last.fence == Leadership::Fence::off) return std::nullopt;
    // Without a fence that ends it, an old leader that lost its key ends itself within its lease, as the reference
    // does.
    return input.last.unlocked_since + std::max(input.life, input.last.life);
}

}  // namespace castle::core
