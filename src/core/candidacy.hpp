// Which standby is the best one to lead? The rules stand in order and the first that applies gives the answer; each is
// a row in candidacy_test.cpp (contract: "Am I healthiest" and "Comparison").
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/cluster.hpp"
#include "core/peer.hpp"

namespace castle::core {

struct Race {
    std::string_view me;
    Tags tags;
    Timeline timeline{};
    Lsn position;
    Lsn shared;                      // how far that is WAL of the cluster's present history: what lag is counted from
    std::string_view former_leader;  // by whose equal position nobody is kept from leading; may be empty
    std::vector<PeerStatus> others;  // all asked during this cycle: an old answer must not be passed in
    Lsn leader_last_seen;            // status.optime
    std::uint64_t lag_bytes_max = 1 << 20;
    bool check_lag = true;  // not for a request by hand
    bool check_timeline = false;
    Timeline cluster_timeline{};
};

enum class Candidacy {
    may_run,
    tagged_nofailover,
    lags_too_far,
    old_timeline,
    primary_alive,
    more_wal,
    higher_priority
};
std::string_view name_of(Candidacy candidacy);

struct Verdict {
    Candidacy candidacy = Candidacy::may_run;
    std::string because;  // the member it is about, if there is one
};
Verdict judge(const Race& race);

// Whether another member could take over from us: asked before a leader gives up its lock.
struct HandOver {
    std::vector<PeerStatus> others;  // all asked during this cycle
    std::string_view candidate;      // empty: any
    Lsn at_least;                    // the WAL of our timeline that must not be lost; zero: the lag rule applies
    Lsn leader_position;
    std::uint64_t lag_bytes_max = 1 << 20;
    bool check_timeline = false;
    Timeline timeline{};       // ours
    bool room_needed = false;  // ours has run out of disk
};
bool possible(const HandOver& hand_over);

// Who is to lead after `leader` if it has all of its WAL: the candidate that was asked for, else those that may lead
// and whom nobody else is preferred to.
std::vector<Member> successors(const Cluster& cluster, std::string_view leader);

}  // namespace castle::core
