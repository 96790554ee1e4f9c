#include "core/evidence.hpp"

#include <algorithm>

#include "core/settings.hpp"

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

namespace {

std::optional<BootTime> waited_at(const LastLeader& last, Duration life) {
    // A fence that is off lets the server live beyond the lease: time proves nothing.
    if (last.published && last.fence == Leadership::Fence::off) return std::nullopt;
    // Without a fence that ends it, an old leader that lost its key ends itself within its lease, as the reference
    // does.
    return last.unlocked_since + std::max(life, last.life);
}

// The same of the last leader in the present store. If its fence is on, its record tells how far away its deadline can
// have been, and the store has confirmed none since the key was gone.
std::optional<BootTime> waited_here_at(const LastLeader& last, Duration life) {
    const bool exact = last.published && last.fence == Leadership::Fence::on && last.life > Duration{0};
    return waited_at(last, exact ? last.life : life);
}

// Whether evidence of a leadership in another store is all that is needed for the last one known here. Not if the key
// was seen here: it may have been put back, or taken before our first look.
bool covers(const LastLeader& elsewhere, const LastLeader& last) {
    return last.name.empty() || (!last.seen_leading && elsewhere.name == last.name);
}

}  // namespace

std::optional<Evidence> weigh(const EvidenceInput& input) {
    using Kind = Evidence::Kind;
    const LastLeader& last = input.last;
    // What the present store tells (keys that are gone, leases that have ended) says nothing about the leadership of
    // another.
    const auto weigh_elsewhere = [&](const EvidenceInput::Elsewhere& elsewhere) -> std::optional<Evidence> {
        const LastLeader& before = *elsewhere.last;
        if (before.name == input.me) return Evidence{Kind::own};
        if (elsewhere.answer && elsewhere.answer->surely_not_primary) return Evidence{Kind::answered};
        if (elsewhere.answer && elsewhere.answer->answered) return std::nullopt;
        if (input.forced) return Evidence{Kind::forced};
        if (const auto at = waited_at(before, input.life); at && input.now >= *at) return Evidence{Kind::waited};
        return std::nullopt;
    };
    std::optional<Evidence> of_last;
    for (const auto& elsewhere : input.elsewhere) {
        const auto evidence = weigh_elsewhere(elsewhere);
        if (!evidence) return std::nullopt;
        if (!of_last && covers(*elsewhere.last, last)) of_last = evidence;
    }
    if (of_last) return of_last;  // nothing newer is known
    if (last.name == input.me) return Evidence{Kind::own};
    if (last.name.empty() && input.running_primary_here)
        return Evidence{Kind::own};  // a server that was made without us
    if (last.published && last.fence == Leadership::Fence::released) return Evidence{Kind::released};
    if (input.last_leader_answer && input.last_leader_answer->surely_not_primary) return Evidence{Kind::answered};
    if (input.last_leader_answer && input.last_leader_answer->answered)
        return std::nullopt;  // it says it may be primary
    // A lease's end takes both keys at once. A leader key that went alone was deleted by hand; that the lease ended
    // later (revoked by hand, too) says nothing about the deadline that was granted before.
    const bool lapsed = last.member_key_gone && !last.vanished_alone && input.lease_ended.value_or(false);
    if (lapsed && last.published && last.fence == Leadership::Fence::on)
        if (const auto at = lapse_at(input); at && input.now >= *at) return Evidence{Kind::fenced_lapse};
    if (lapsed && !last.published) return Evidence{Kind::bare_lapse};
    if (input.forced) return Evidence{Kind::forced};
    if (const auto at = waited_here_at(last, input.life); at && input.now >= *at) return Evidence{Kind::waited};
    return std::nullopt;
}

// A lease that ends before it can have run out was revoked by hand, and the deadline that was granted with it still
// holds. One that was seen a short while ago, and ended when it had run out, was not renewed in between. The store's
// leader answers from memory, even one that was deposed and does not know yet: it must be the one of today.
std::optional<BootTime> lapse_at(const EvidenceInput& input) {
    const auto& told = input.last.told;
    if (!told || told->term != input.store_term || input.last.unlocked_since > told->asked + input.told_max)
        return std::nullopt;
    const Duration drift = told->life / 20;  // of the store's clock against ours, at most
    if (input.last.unlocked_since < told->lapses_from - drift) return std::nullopt;
    return told->lapses_before + drift - lease_margin(told->life);
}

std::optional<BootTime> waited_at(const EvidenceInput& input) {
    const auto covers_last = [&](const auto& elsewhere) { return covers(*elsewhere.last, input.last); };
    BootTime latest{};
    if (std::ranges::none_of(input.elsewhere, covers_last)) {
        const auto at = waited_here_at(input.last, input.life);
        if (!at) return std::nullopt;
        latest = *at;
    }
    for (const auto& elsewhere : input.elsewhere) {
        const auto at = waited_at(*elsewhere.last, input.life);
        if (!at) return std::nullopt;
        if (elsewhere.last->name != input.me) latest = std::max(latest, *at);
    }
    return latest;
}

}  // namespace castle::core
