#include "core/slots.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace castle::core {
namespace {

// Before 4.0 a leader of the peer published permanent slots only.
bool publishes_member_slots(const Cluster& cluster) {
    const Member* leader = cluster.leader_member();
    if (!leader) return false;
    const auto* version = leader->record.if_contains("version");
    if (!version || !version->is_string()) return false;
    const std::string_view text = version->get_string();
    const auto major = parse_int(text.substr(0, text.find('.')));
    return major && *major >= 4;
}

bool here(const PermanentSlot& slot, const Settings& settings) {
    if (slot.where == PermanentSlot::Where::everywhere) return true;
    return (slot.where == PermanentSlot::Where::standby) == settings.is_standby_cluster();
}

// Several members may share a slot's name; then it serves the one that is furthest behind.
void add(SlotWishes& wishes, const std::string& name, SlotWish wish) {
    const auto [place, fresh] = wishes.emplace(name, wish);
    if (fresh) return;
    place->second.expected_active |= wish.expected_active;
    place->second.advance_to = std::min(place->second.advance_to, wish.advance_to);
    place->second.from = std::min(place->second.from, wish.from);
}

bool is_left_alone(const Slot& slot, const Settings& settings) {
    if (slot.failover) return true;
    const auto permanent = settings.permanent_slots.find(slot.name);
    if (permanent != settings.permanent_slots.end() && permanent->second.kind == PermanentSlot::Kind::logical &&
        !slot.physical)
        return true;
    return std::ranges::any_of(settings.ignore_slots, [&](const IgnoredSlot& ignored) {
        const auto fits = [](const std::optional<std::string>& wanted, std::string_view is) {
            return !wanted || *wanted == is;
        };
        return fits(ignored.name, slot.name) && fits(ignored.type, slot.physical ? "physical" : "logical") &&
               fits(ignored.database, slot.database) && fits(ignored.plugin, slot.plugin);
    });
}

// Why a slot of a wanted name cannot serve as it is; empty: it can.
std::string unfit(const Slot& slot, const SlotWish& wish) {
    if (!slot.physical) return "it is a logical one, and its name is needed for a physical one";
    if (slot.lost) return "the WAL that it kept is gone";
    if (slot.active) return {};
    if (!slot.restart_lsn.known()) return "it keeps no WAL";
    // Nobody who streams from it would ever move that on, and vacuum waits for it everywhere.
    if (slot.holds_xmin && !wish.expected_active) return "it holds back vacuum for nobody";
    return {};
}

}  // namespace

SlotWishes wanted_slots(const Cluster& cluster, const Settings& settings, const SlotKeeper& me) {
    SlotWishes wishes;
    const bool may_lead = me.leader || !me.tags.nofailover;
    const bool on_all = may_lead && settings.member_slots_ttl > Duration{0};
    const bool slots_are_published = publishes_member_slots(cluster);
    const auto published = [&](const std::string& slot) {
        const auto found = cluster.status.slots.find(slot);
        return found == cluster.status.slots.end() || !cluster.locked() ? Lsn{} : found->second;
    };
    const std::string own = slot_name(me.name);

    for (const auto& [name, member] : cluster.members) {
        const std::string slot = slot_name(name);
        if (name == me.name || slot == own || member.tags.nostream) continue;
        const std::string& source = member.tags.replicatefrom;
        const bool from_me = source == me.name;
        const bool from_another = !source.empty() && !from_me && source != name && cluster.member(source);
        SlotWish wish{.expected_active = me.leader ? !from_another : from_me, .advance_to = {}, .from = me.redo};
        if (!wish.expected_active && !on_all) continue;
        if (!wish.expected_active && cluster.locked()) {
            wish.advance_to = published(slot);
            // The leader's slot does not tell how far a member is that streams from somebody else.
            if (!source.empty() || !slots_are_published) wish.advance_to = std::max(wish.advance_to, member.position);
        }
        add(wishes, slot, wish);
    }
    if (on_all) {
        // Their members are gone: on the leader they stay where they are.
        for (const std::string& slot : cluster.status.retain_slots)
            if (slot != own && !wishes.contains(slot))
                wishes[slot] = {
                    .expected_active = me.leader, .advance_to = me.leader ? Lsn{} : published(slot), .from = me.redo};
    }
    if (may_lead) {
        for (const auto& [slot, permanent] : settings.permanent_slots)
            if (permanent.kind == PermanentSlot::Kind::physical && slot != own && here(permanent, settings) &&
                !wishes.contains(slot))
                wishes[slot] = {.expected_active = me.leader, .advance_to = me.leader ? Lsn{} : published(slot)};
    }
    return wishes;
}

std::vector<SlotStep> slot_steps(const SlotWishes& wanted, const std::map<std::string, Slot>& found,
                                 const Settings& settings, bool drop_unknown) {
    using Kind = SlotStep::Kind;
    std::vector<SlotStep> steps;
    // First, for their places may be needed.
    for (const auto& [name, slot] : found) {
        if (wanted.contains(name) || !drop_unknown || is_left_alone(slot, settings)) continue;
        steps.push_back({slot.active ? Kind::blocked : Kind::drop, name, {}, "nobody needs it"});
    }
    for (const auto& [name, wish] : wanted) {
        const auto place = found.find(name);
        if (place == found.end()) {
            steps.push_back({Kind::create, name, {}, {}});
            continue;
        }
        const Slot& slot = place->second;
        if (std::string why = unfit(slot, wish); !why.empty()) {
            const bool may_go = !slot.active && !(slot.failover && !slot.physical);
            steps.push_back({may_go ? Kind::drop : Kind::blocked, name, {}, std::move(why)});
            if (may_go) steps.push_back({Kind::create, name, {}, {}});
        } else if (!slot.active && wish.from.known() && slot.restart_lsn > wish.from &&
                   !is_left_alone(slot, settings)) {
            steps.push_back({Kind::drop, name, {}, "its member may need older WAL to be rewound"});
            steps.push_back({Kind::create, name, {}, {}});
        } else if (!slot.active && !slot.holds_xmin && wish.advance_to > slot.restart_lsn) {
            steps.push_back({Kind::advance, name, wish.advance_to, {}});
        }
    }
    return steps;
}

std::map<std::string, Lsn> published_slots(const SlotWishes& wanted, const Instance& instance, const Settings& settings,
                                           std::string_view me) {
    std::map<std::string, Lsn> published;
    const bool of_members = settings.member_slots_ttl > Duration{0};
    for (const auto& [name, slot] : instance.slots) {
        const bool permanent = settings.permanent_slots.contains(name);
        if (!permanent && !(of_members && wanted.contains(name))) continue;
        const Lsn at = slot.physical ? slot.restart_lsn : slot.confirmed_flush;
        if (at.known()) published[name] = at;
    }
    if (of_members || !published.empty()) published[slot_name(me)] = instance.flushed;
    return published;
}

void SlotRetention::see(const Cluster& cluster, const Settings& settings, Revision epoch, BootTime now) {
    if (epoch != epoch_) {
        epoch_ = epoch;
        last_seen_.clear();
        for (const std::string& slot : cluster.status.retain_slots) last_seen_[slot] = now;
    }
    for (const auto& [name, member] : cluster.members) {
        if (member.tags.nostream)
            last_seen_.erase(slot_name(name));
        else
            last_seen_[slot_name(name)] = now;
    }
    std::erase_if(last_seen_, [&](const auto& entry) { return now >= entry.second + settings.member_slots_ttl; });
}

std::vector<std::string> SlotRetention::names(const Settings& settings) const {
    std::vector<std::string> names;
    if (settings.member_slots_ttl == Duration{0}) return names;
    for (const auto& [slot, seen] : last_seen_)
        if (!settings.permanent_slots.contains(slot)) names.push_back(slot);
    return names;
}

}  // namespace castle::core
