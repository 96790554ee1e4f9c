#include "core/lineage.hpp"

#include <algorithm>

namespace castle::core {
namespace {

// After a restart only the store's records tell who led last. Ours is the last word unless the history was written
// later and names another: every new leader starts a timeline, so a member of another kind that led after us has left
// its name there.
LastLeader from_records(const Cluster& cluster) {
    LastLeader last;
    const bool has_history =
        cluster.history && !cluster.history->empty() && !cluster.history->back().new_leader.empty();
    if (cluster.last_leadership &&
        (!has_history || cluster.history->back().new_leader == cluster.last_leadership->name ||
         cluster.history_modified < cluster.last_leadership->modified)) {
        last.name = cluster.last_leadership->name;
        last.epoch = cluster.last_leadership->epoch;
        last.lease = cluster.last_leadership->lease;
        last.life = cluster.last_leadership->life;
        last.fence = cluster.last_leadership->fence;
        last.shut_down = cluster.last_leadership->shut_down;
        last.published = true;
    } else if (has_history) {
        last.name = cluster.history->back().new_leader;
    } else if (!cluster.sync.leader.empty()) {
        last.name = cluster.sync.leader;
    }
    return last;
}

}  // namespace

LeaseTold LeaseTold::heard(BootTime asked, BootTime answered, Duration left, Duration life, std::uint64_t term) {
    constexpr Duration second{1000};
    LeaseTold told{.lapses_from = asked + left,
                   .lapses_before = answered + left + second,
                   .asked = asked,
                   .life = life,
                   .term = term};
    if (left == Duration{0})
        told.out_by = told.lapses_before + second / 20;  // the store's clock may be that much slower
    return told;
}

void Lineage::see(const Cluster& cluster, BootTime now) {
    if (incarnation_ != 0 && cluster.incarnation != incarnation_) {
        doubt_everybody(now);
        left_over_until_ = cluster.revision;
    }
    incarnation_ = cluster.incarnation;
    see_leadership(cluster, now);
    // Somebody has taken the lock in this store, even if the key is gone again.
    const bool recorded = cluster.last_leadership && cluster.leadership_modified > left_over_until_;
    if ((cluster.leader && !left_over(*cluster.leader)) || recorded) elsewhere_.clear();
    // Still under the very lease, which cannot lapse here before the deadline that it stood for there.
    if (cluster.leader && number(cluster.leader->lease) != 0)
        std::erase_if(elsewhere_, [&](const LastLeader& before) {
            return before.name == cluster.leader->name && before.lease == cluster.leader->lease;
        });
    if (cluster.initialized()) system_id_ = *cluster.initialize;
    newest_timeline_ = std::max(newest_timeline_, cluster.timeline());
    if (cluster.last_leadership) newest_timeline_ = std::max(newest_timeline_, cluster.last_leadership->timeline);
    for (const auto& [name, member] : cluster.members) {
        newest_timeline_ = std::max(newest_timeline_, member.timeline);
        if (!member.api_url.empty()) api_urls_[name] = member.api_url;
    }
}

void Lineage::see_lease(LeaseId lease, LeaseTold told) {
    if (unlocked_ || last_.lease != lease || number(lease) == 0) return;
    if (last_.told) {
        told.lapses_from = std::max(told.lapses_from, last_.told->lapses_from);
        // Renewed since the last answer, it would live longer than this one says: both speak of the same end. (A new
        // leader of the store may prolong it by less.)
        const bool renewed = told.lapses_before > last_.told->asked + told.life - told.life / 20;
        if (!renewed && told.term == last_.told->term) {
            told.lapses_before = std::min(told.lapses_before, last_.told->lapses_before);
            if (told.out_by && last_.told->out_by) told.out_by = std::min(*told.out_by, *last_.told->out_by);
        }
    }
    last_.told = told;
}

Timeline Lineage::timeline_in_doubt(std::string_view me) const {
    constexpr std::uint32_t unknown_max = 8;  // more than can be begun between two looks at a store
    // The others may not be known, so the name alone has to tell them apart, whatever each has seen: by what is left
    // when the number is divided by `apart`. Not by more: each number that is left out is a file in pg_wal, which every
    // standby fetches. With this prime, names that differ in a last digit cannot fall together.
    constexpr std::uint32_t apart = 97;
    std::uint32_t hash = 2'166'136'261;  // FNV-1a
    for (const unsigned char letter : me) hash = (hash ^ letter) * 16'777'619;
    const std::uint32_t first = number(newest_timeline_) + unknown_max;
    return Timeline{first + (hash % apart + apart - first % apart) % apart};
}

void Lineage::doubt_everybody(BootTime now) {
    // Without a name, too: an agent that was started anew does not even know whom it would have to ask.
    if (!last_.name.empty() || elsewhere_.empty()) {
        std::erase_if(elsewhere_, [&](const LastLeader& before) { return before.name == last_.name; });
        elsewhere_.push_back(last_);
    }
    for (const auto& [name, api_url] : api_urls_) {
        const auto known = std::ranges::find(elsewhere_, name, &LastLeader::name);
        LastLeader& other = known != elsewhere_.end() ? *known : elsewhere_.emplace_back();
        other.name = name;
        other.api_url = api_url;
    }
    for (LastLeader& before : elsewhere_) {
        before.unlocked_since = now;
        if (before.fence == Leadership::Fence::released) before.published = false;  // it may have led once more
    }
    last_ = {};
    unlocked_ = had_record_ = false;
}

void Lineage::see_leadership(const Cluster& cluster, BootTime now) {
    // All keys were deleted: whoever may have led between two of our views has left no trace.
    const bool wiped = had_record_ && number(cluster.leadership_modified) == 0 && !cluster.leader;
    if (wiped && unlocked_) doubt_everybody(now);
    if (cluster.leader) {
        if (last_.name != cluster.leader->name || last_.epoch != cluster.leader->created) last_ = {};
        if (last_.lease != cluster.leader->lease) last_.told.reset();
        last_.name = cluster.leader->name;
        last_.epoch = cluster.leader->created;
        last_.lease = cluster.leader->lease;
        last_.seen_leading = true;
        unlocked_ = false;
    } else if (cluster.last_leadership && cluster.last_leadership->epoch > last_.epoch) {
        // A leadership came and went between two of our views: what we saw before it proves nothing.
        last_ = from_records(cluster);
        last_.unlocked_since = now;
        unlocked_ = true;
    } else if (!unlocked_) {
        if (!last_.seen_leading) last_ = from_records(cluster);
        last_.unlocked_since = now;
        last_.vanished_alone = last_.seen_leading && cluster.member(last_.name);
        unlocked_ = true;
    } else if (last_.name.empty()) {  // the records may come while we wait (a bootstrap elsewhere)
        const BootTime since = last_.unlocked_since;
        last_ = from_records(cluster);
        last_.unlocked_since = since;
    }
    if (wiped) {  // only time can tell
        last_.vanished_alone = true;
        last_.unlocked_since = now;
        for (LastLeader& before : elsewhere_) before.unlocked_since = now;
    }
    had_record_ = number(cluster.leadership_modified) != 0;
    // What the last leader published may arrive after the key was taken, and once more when it is given back.
    if (cluster.last_leadership && cluster.last_leadership->name == last_.name &&
        cluster.last_leadership->epoch == last_.epoch) {
        last_.published = true;
        last_.fence = cluster.last_leadership->fence;
        last_.shut_down = cluster.last_leadership->shut_down;
        last_.life = std::max(last_.life, cluster.last_leadership->life);
    }
    if (const Member* member = cluster.member(last_.name)) {
        last_.api_url = member->api_url;
        last_.member_key_gone = false;
    } else {
        last_.member_key_gone = true;
    }
}

}  // namespace castle::core
