// Nobody leads: is it sure that the old leader is done, and am I the one to follow it?
#include <algorithm>

#include "core/decide_parts.hpp"

namespace castle::core {
namespace {

const PeerStatus* answer_of(const Situation& s, std::string_view name) {
    for (const PeerStatus& peer : s.findings->peers)
        if (peer.name == name && peer.answered) return &peer;
    return nullptr;
}

// Everybody who has a key, and the old leader even if its key is gone; that of a store that is no more, too.
std::vector<Member> whom_to_ask(const Situation& s) {
    std::vector<Member> members = others_with_api(s);
    const auto add = [&](const LastLeader& last) {
        const bool there = std::ranges::any_of(members, [&](const Member& member) { return member.name == last.name; });
        if (last.name.empty() || last.name == s.me || there || last.api_url.empty()) return;
        Member old;
        old.name = last.name;
        old.api_url = last.api_url;
        members.push_back(std::move(old));
    };
    add(s.memory.lineage.last());
    for (const LastLeader& elsewhere : s.memory.lineage.elsewhere()) add(elsewhere);
    return members;
}

EvidenceInput evidence_input(const Situation& s, bool forced) {
    const LastLeader& last = s.memory.lineage.last();
    EvidenceInput input{.last = last,
                        .me = s.me,
                        .forced = forced,
                        .last_leader_answer = answer_of(s, last.name),
                        .lease_ended = s.findings->lease_ended,
                        .store_term = s.findings->store_term,
                        .running_primary_here = s.instance.running_primary(),
                        .told_max = s.settings.loop_wait + s.settings.retry_timeout + Duration{1000},
                        .life = std::max(s.settings.ttl, Duration{20'000}),
                        .now = s.now.boot};
    for (const LastLeader& elsewhere : s.memory.lineage.elsewhere())
        input.elsewhere.push_back({&elsewhere, answer_of(s, elsewhere.name)});
    return input;
}

Decision stand_back(const Situation& s, Reason reason, std::string text) {
    return wait(reason, std::move(text), s.now.boot + std::min(s.settings.loop_wait, Duration{2000}));
}

// While WAL still arrives, the old primary lives, whatever became of its agent: give that a chance to come back
// (`primary_race_backoff`). Not if it has said that its server is down, nor if somebody was asked for by name.
std::optional<Decision> race_backoff(const Situation& s) {
    const Duration backoff = s.settings.primary_race_backoff;
    const LastLeader& last = s.memory.lineage.last();
    if (backoff <= Duration{0} || s.settings.is_standby_cluster() || !s.memory.last_position.known())
        return std::nullopt;
    if (s.cluster->failover && !s.cluster->failover->candidate.empty()) return std::nullopt;
    if (last.name.empty() || last.name == s.me || (last.published && last.fence == Leadership::Fence::released))
        return std::nullopt;
    const BootTime ends = last.unlocked_since + backoff;
    if (s.now.boot >= ends) return std::nullopt;
    // In the first loop_wait nobody can tell yet whether it moves.
    BootTime again = last.unlocked_since + s.settings.loop_wait;
    if (s.instance.streaming && s.memory.position_moved_at)
        again = std::max(again, *s.memory.position_moved_at + s.settings.loop_wait);
    again = std::min(again, ends);
    if (s.now.boot >= again) return std::nullopt;
    const auto left = std::chrono::ceil<std::chrono::seconds>(ends - s.now.boot).count();
    return wait(Reason::race_backoff,
                "My (" + s.me + ") wal position moved since last heart beat loop, " + std::to_string(left) +
                    " seconds until leader race",
                std::min(again, s.now.boot + Duration{1000}));
}

// Everybody comes up, perhaps after all of them lost their power. The last leader may have more WAL than anybody else,
// and who has not answered does not count in the race: it gets a moment to come up, too, and three if its agent is
// there already and brings its server up. One that told how far its WAL goes when it shut down is not waited for by
// whoever has all of that.
std::optional<Decision> await_last_leader(const Situation& s) {
    const LastLeader& last = s.memory.lineage.last();
    if (last.name.empty() || last.name == s.me) return std::nullopt;
    const PeerStatus* answer = answer_of(s, last.name);
    if (answer && answer->reached) return std::nullopt;
    const BootTime ends = s.started + std::min(s.settings.loop_wait, Duration{5000}) * (answer ? 3 : 1);
    if (s.now.boot >= ends) return std::nullopt;
    if (last.published && last.fence == Leadership::Fence::released &&
        s.cluster->shared(s.instance.timeline, s.instance.position()) >= s.cluster->status.optime)
        return std::nullopt;
    return wait(Reason::waiting_for_last_leader,
                "nobody leads, and " + last.name + ", who led last, is not up yet: it may have more WAL",
                std::min(ends, s.now.boot + Duration{500}));
}

// A switchover to nobody in particular began because somebody had all of the leader's WAL, or nearly; what the leader
// shut down at is known. Whoever lacks some of it gives the others a moment to go first, also those it cannot reach
// itself.
std::optional<Decision> await_more_complete(const Situation& s) {
    const LastLeader& last = s.memory.lineage.last();
    if (!s.cluster->failover->planned() || !last.published || last.fence != Leadership::Fence::released)
        return std::nullopt;
    if (s.cluster->shared(s.instance.timeline, s.instance.position()) >= s.cluster->status.optime) return std::nullopt;
    const BootTime ends = last.unlocked_since + std::min(s.settings.loop_wait, Duration{5000});
    if (s.now.boot >= ends) return std::nullopt;
    return wait(Reason::backing_off,
                "another may have all that " + last.name + " shut down with: letting it take the leader lock", ends);
}

// The old leader has shut down in order, and all of its WAL is here: nobody can have more. The others need not be asked
// unless one of them is to go first.
bool has_all_of_last_leader(const Situation& s) {
    const LastLeader& last = s.memory.lineage.last();
    if (!last.published || last.fence != Leadership::Fence::released || !last.shut_down || last.name == s.me)
        return false;
    if (!s.memory.lineage.elsewhere().empty()) return false;
    if (s.instance.timeline != last.shut_down->timeline || s.instance.position() <= last.shut_down->checkpoint)
        return false;
    const auto first = successors(*s.cluster, last.name);
    return std::ranges::any_of(first, [&](const Member& member) { return member.name == s.me; });
}

}  // namespace

Decision decide_race(const Situation& s) {
    const Cluster& cluster = *s.cluster;
    const LastLeader& last = s.memory.lineage.last();
    const bool running_primary = s.instance.running_primary();
    const auto& request = cluster.failover;
    const bool request_due = request && (!request->scheduled_at || *request->scheduled_at <= s.now.wall);

    if (!s.watchdog_problem.empty() && !s.settings.pause) {
        const std::string why = "the watchdog that is required cannot be used: " + s.watchdog_problem;
        if (running_primary)
            return act(Reason::watchdog_unusable, "demoting self because " + why,
                       {.kind = Action::Kind::demote, .demote = Action::Demote::without_lock});
        return stand_back(s, Reason::watchdog_unusable, "following a different leader because " + why);
    }
    if (s.instance.read_failed)
        return stand_back(s, Reason::not_healthiest, "the local server does not answer; not racing");
    if (!running_primary) {
        if (s.tags.nofailover)
            return stand_back(s, Reason::not_allowed_to_promote,
                              "following a different leader because I am not allowed to promote");
        // Just gave the lock up: the one it was given up for, or anybody else, goes first.
        if (number(s.memory.stood_back) != 0 && s.memory.stood_back == last.epoch && last.name == s.me &&
            s.now.boot < s.memory.stood_back_at + Duration{2000})
            return wait(Reason::backing_off, "letting the others take the leader lock",
                        s.memory.stood_back_at + Duration{2000});
        if (number(s.memory.pre_promote_failed) != 0 && s.now.boot < s.memory.pre_promote_failed_at + s.settings.ttl)
            return wait(Reason::pre_promote_failed,
                        "backoff: skip leader race after pre_promote script failure and releasing the lock voluntarily",
                        s.memory.pre_promote_failed_at + s.settings.ttl);
        if (auto decision = race_backoff(s)) return *decision;
    } else if (!s.epoch && s.now.boot < s.leader_until) {
        // Another store confirmed our leadership, and the others wait for us to come back: no time to be lost with
        // questions.
        return act(Reason::registering_again, "the store has been replaced: registering again as the leader",
                   {.kind = Action::Kind::take_lock, .evidence = Evidence::never_ceased()});
    }
    if (!running_primary && has_all_of_last_leader(s))
        if (const auto evidence = weigh({.last = last, .me = s.me}))
            return act(Reason::racing,
                       "acquiring the leader lock with all that " + last.name + " shut down with (" +
                           std::string(name_of(evidence->kind())) + ")",
                       {.kind = Action::Kind::take_lock, .evidence = evidence});
    if (!s.findings) {
        const bool released = last.published && last.fence == Leadership::Fence::released;
        return act(Reason::investigating, "nobody leads: asking the members",
                   {.kind = Action::Kind::investigate,
                    .members = whom_to_ask(s),
                    .lease = released || last.name == s.me ? LeaseId{} : last.lease});
    }

    const bool named = request_due && request->candidate == s.me && !running_primary;
    const EvidenceInput input = evidence_input(s, named && !request->planned());
    const auto evidence = weigh(input);
    if (!evidence) {
        BootTime again = s.now.boot + Duration{1000};
        if (const auto at = lapse_at(input); at && *at > s.now.boot) again = std::min(again, *at);
        if (const auto at = waited_at(input)) again = std::min(again, std::max(*at, s.now.boot + Duration{50}));
        if (!input.elsewhere.empty())
            return wait(Reason::waiting_for_evidence,
                        "nobody leads, and the store does not tell any more who led: waiting for the old leader to "
                        "register again, or for every member to answer that it is not primary",
                        again);
        return wait(
            Reason::waiting_for_evidence,
            last.name.empty()
                ? std::string("nobody leads, and the store does not tell who led last: waiting for the life of a lease")
                : "nobody leads, but it is not sure that " + last.name + " is not primary any more",
            again);
    }
    const auto take = [&](Reason reason, std::string text) {
        return act(reason, text + " (" + std::string(name_of(evidence->kind())) + ")",
                   {.kind = Action::Kind::take_lock, .evidence = evidence});
    };

    if (running_primary) {
        if (number(s.instance.timeline) < number(cluster.timeline()))
            return act(Reason::primary_without_lock_outdated, "demoting self because another member has led since",
                       {.kind = Action::Kind::demote, .demote = Action::Demote::without_lock});
        for (const PeerStatus& peer : s.findings->peers)
            if (peer.reached && !peer.in_recovery)
                return act(Reason::primary_without_lock_outdated,
                           "demoting self because " + peer.name + " is a primary too",
                           {.kind = Action::Kind::demote, .demote = Action::Demote::without_lock});
        return take(Reason::running_primary_takes_lock, "acquiring the leader lock for the running primary");
    }
    if (request_due && !request->candidate.empty() && request->candidate != s.me) {
        if (const PeerStatus* candidate = answer_of(s, request->candidate);
            candidate && candidate->reached && candidate->in_recovery && !candidate->tags.nofailover &&
            !candidate->watchdog_failed)
            return stand_back(s, Reason::failover_to_other,
                              "following a different leader because " + request->candidate + " was asked for");
    }
    if (!named)
        if (auto decision = await_last_leader(s)) return *decision;
    if (named) return take(Reason::racing, "acquiring the leader lock as the requested candidate");
    if (request_due && request->planned() && request->leader == s.me) {
        // Our own switchover: whoever else can lead without loss goes first. One that lacks some of our WAL would in
        // turn wait for us (we crashed before we could hand over), and nobody would lead.
        if (possible({.others = s.findings->peers,
                      .candidate = {},
                      .at_least = s.instance.position(),
                      .check_timeline = true,
                      .timeline = s.instance.timeline}))
            return stand_back(s, Reason::backing_off, "following a different leader: the switchover was away from me");
    }
    const bool by_hand = request_due;
    if (by_hand)
        if (auto decision = await_more_complete(s)) return *decision;
    const Verdict verdict = judge({.me = s.me,
                                   .tags = s.tags,
                                   .timeline = s.instance.timeline,
                                   .position = s.instance.position(),
                                   .shared = cluster.shared(s.instance.timeline, s.instance.position()),
                                   .former_leader = last.name,
                                   .others = s.findings->peers,
                                   .leader_last_seen = cluster.status.optime,
                                   .lag_bytes_max = static_cast<std::uint64_t>(s.settings.maximum_lag_on_failover),
                                   .check_lag = !by_hand && last.name != s.me,
                                   .check_timeline = s.settings.check_timeline,
                                   .cluster_timeline = cluster.timeline()});
    switch (verdict.candidacy) {
        case Candidacy::may_run: return take(Reason::racing, "acquiring the leader lock as the healthiest member");
        case Candidacy::primary_alive:
            return stand_back(s, Reason::not_healthiest, "Primary (" + verdict.because + ") is still alive");
        case Candidacy::more_wal:
            return stand_back(s, Reason::not_healthiest,
                              "Wal position of " + verdict.because + " is ahead of my wal position");
        case Candidacy::higher_priority: {
            const auto* other = answer_of(s, verdict.because);
            return stand_back(s, Reason::not_healthiest,
                              verdict.because + " has equally tolerable WAL position and priority " +
                                  std::to_string(other ? other->tags.failover_priority : 0) +
                                  ", while this node has priority " + std::to_string(s.tags.failover_priority));
        }
        case Candidacy::tagged_nofailover:
        case Candidacy::lags_too_far:
        case Candidacy::old_timeline: break;
    }
    return stand_back(s, Reason::not_healthiest,
                      "following a different leader because i am not the healthiest node (" +
                          std::string(name_of(verdict.candidacy)) +
                          (verdict.because.empty() ? "" : ": " + verdict.because) + ")");
}

}  // namespace castle::core
