// What the decision tables start from: one healthy situation of each kind. Every row changes what its rule is about.
#pragma once

#include <gtest/gtest.h>

#include "core/decide.hpp"

namespace castle::core {

using namespace std::chrono_literals;
using Kind = Action::Kind;

inline constexpr BootTime now{1000s};
inline constexpr const char* system_id = "7277694203142172922";

inline Member member(std::string name, std::string role, std::uint64_t position) {
    Member m;
    m.name = name;
    m.conn_url = "postgres://10.0.0." + name.substr(1) + ":5432/postgres";
    m.api_url = "http://10.0.0." + name.substr(1) + ":8008/patroni";
    m.state = "running";
    m.role = std::move(role);
    m.position = Lsn{position};
    m.timeline = Timeline{1};
    m.is_castle = m.fenced = true;
    m.lease = LeaseId{name.back()};
    return m;
}

inline PeerStatus answer(std::string name, std::uint64_t position) {
    PeerStatus peer;
    peer.name = std::move(name);
    peer.reached = peer.answered = peer.running = true;
    peer.in_recovery = peer.surely_not_primary = true;
    peer.state = "running";
    peer.role = "replica";
    peer.timeline = Timeline{1};
    peer.position = Lsn{position};
    return peer;
}

// A situation, and the cluster in it still open to changes.
struct Case {
    Situation s;
    Cluster cluster;

    Decision decide() {
        s.cluster = std::make_shared<Cluster>(cluster);
        return core::decide(s);
    }
    void see() {
        s.memory.lineage.see(cluster, now - 1s);
        s.memory.bootstrap.see(cluster, now - 1s);
    }
};

// n1 leads (epoch 10), n2 and n3 follow; nobody asked for anything.
inline Case cluster_of_three() {
    Case c;
    c.cluster.revision = Revision{100};
    c.cluster.incarnation = 1;
    c.cluster.initialize = system_id;
    c.cluster.config = "{}";
    c.cluster.leader = LeaderKey{"n1", Revision{10}, LeaseId{'1'}};
    c.cluster.last_leadership = Leadership{"n1", Leadership::Fence::on, Revision{10}, LeaseId{'1'}, Revision{11}};
    c.cluster.history.emplace();
    c.cluster.status.optime = Lsn{9000};
    c.cluster.members = {{"n1", member("n1", "primary", 9000)},
                         {"n2", member("n2", "replica", 9000)},
                         {"n3", member("n3", "replica", 9000)}};
    c.s.now = {now, WallTime{}};
    c.s.store_ok = true;
    c.s.use_rewind = true;
    c.s.instance.data = DataDir::present;
    c.s.instance.control =
        ControlData{.system_id = system_id, .state = ControlState::in_production, .timeline = Timeline{1}};
    c.s.instance.process = ProcessState::running;
    c.s.instance.accepting = true;
    c.s.instance.timeline = Timeline{1};
    c.s.fence.attached = true;
    c.s.memory.must_compare = false;
    c.see();
    return c;
}

inline Case leader() {
    Case c = cluster_of_three();
    c.s.me = "n1";
    c.s.epoch = Revision{10};
    c.s.leader_until = now + 20s;
    c.s.fence.armed = c.s.fence.server_running = true;
    c.s.fence.epoch = Revision{10};
    c.s.instance.in_recovery = false;
    c.s.instance.flushed = Lsn{9000};
    c.s.memory.was_primary = true;
    return c;
}

// ... and has been promoting its server for a while.
inline void promotes(Case& c, Duration since) {
    c.s.instance.in_recovery = true;
    c.s.instance.received = c.s.instance.replayed = Lsn{9000};
    c.s.activity = Activity::promote;
    c.s.activity_since = now - since;
}

inline Case standby() {
    Case c = cluster_of_three();
    c.s.me = "n2";
    c.s.instance.in_recovery = true;
    c.s.instance.standby_signal = true;
    c.s.instance.control->state = ControlState::in_archive_recovery;
    c.s.instance.received = c.s.instance.replayed = Lsn{9000};
    c.s.instance.streaming = true;
    c.s.instance.upstream = Upstream{"n1", "10.0.0.1", 5432};
    c.s.memory.compared_with = Revision{10};
    return c;
}

// n1's lease, which could run out from `lapses_from` on, ended a second ago and took both its keys; n2 has asked
// everybody.
inline Case race_after(BootTime lapses_from) {
    Case c = standby();
    c.s.memory.lineage.see_lease(
        LeaseId{'1'}, {.lapses_from = lapses_from, .lapses_before = lapses_from + 1s, .asked = now - 5s, .life = 30s});
    c.cluster.leader.reset();
    c.cluster.members.erase("n1");
    c.see();
    c.s.findings = Findings{{answer("n3", 9000)}, true};
    return c;
}
inline Case race() {
    return race_after(now - 2s);
}

// n1 was asked to hand over, and shut down with so much WAL.
inline void switched_over(Case& c, Lsn shut_down) {
    c.cluster.failover = FailoverRequest{.leader = "n1"};
    c.cluster.last_leadership->fence = Leadership::Fence::released;
    c.cluster.status.optime = shut_down;
    c.see();
}

// n1 has shut down with a checkpoint there, and nobody was asked yet.
inline void shut_down_at(Case& c, Lsn checkpoint) {
    c.cluster.last_leadership->shut_down = {Timeline{1}, checkpoint};
    switched_over(c, checkpoint);
    c.s.findings.reset();
}

struct Row {
    std::string_view rule;
    void (*change)(Case&);
    Reason reason;
    Kind kind = Kind::wait;
};

template <std::size_t count>
void check(Case (*start)(), const Row (&rows)[count]) {
    for (const Row& row : rows) {
        SCOPED_TRACE(row.rule);
        Case c = start();
        row.change(c);
        const Decision decision = c.decide();
        EXPECT_EQ(name_of(decision.reason), name_of(row.reason)) << decision.text;
        EXPECT_EQ(static_cast<int>(decision.action.kind), static_cast<int>(row.kind)) << decision.text;
        EXPECT_FALSE(decision.text.empty());
    }
}

}  // namespace castle::core
