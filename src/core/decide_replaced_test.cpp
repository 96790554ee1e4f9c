// The decision table of a store that is not the one of before.
#include "core/decide_fixture.hpp"

namespace castle::core {
namespace {

void look_from_standby(Case& c) {
    c.s.me = "n2";
    c.s.instance.in_recovery = true;
    c.s.leader_until = {};
}

TEST(Decide, AStoreThatHasBeenReplaced) {
    // n1 leads, and another store confirmed that until 10 s from now; this one is empty.
    const auto replaced = [] {
        Case c = cluster_of_three();
        c.s.me = "n1";
        c.s.instance.in_recovery = false;
        c.s.leader_until = now + 10s;
        c.cluster = Cluster{};
        c.cluster.incarnation = 2;
        c.cluster.revision = Revision{3};
        c.cluster.initialize = system_id;
        c.see();
        return c;
    };
    const Row rows[] = {
        {"the primary takes the lock again at once", [](Case&) {}, Reason::registering_again, Kind::take_lock},
        {"the cluster is written down first", [](Case& c) { c.cluster.initialize.reset(); }, Reason::racing,
         Kind::write_initialize},
        {"... also over somebody who bootstraps", [](Case& c) { c.cluster.initialize = ""; }, Reason::racing,
         Kind::write_initialize},
        {"... by a standby, too",
         [](Case& c) {
             c.cluster.initialize.reset();
             look_from_standby(c);
         },
         Reason::racing, Kind::write_initialize},
        {"a standby asks", [](Case& c) { look_from_standby(c); }, Reason::investigating, Kind::investigate},
        {"... and waits",
         [](Case& c) {
             look_from_standby(c);
             c.s.findings.emplace();
         },
         Reason::waiting_for_evidence},
        {"who has no data waits, too",
         [](Case& c) {
             c.s.instance = {};
             c.s.me = "n3";
             c.s.leader_until = {};
             c.cluster.initialize.reset();
         },
         Reason::waiting_for_members},
        {"the key that was put back is mine",
         [](Case& c) {
             c.cluster.leader = LeaderKey{"n1", Revision{2}, LeaseId{'1'}, Revision{2}};
         },
         Reason::registering_again, Kind::take_lock},
        {"... and my deadline has passed",
         [](Case& c) {
             c.cluster.leader = LeaderKey{"n1", Revision{2}, LeaseId{'1'}, Revision{2}};
             c.s.leader_until = now;
             c.s.fence.armed = true;
         },
         Reason::demoting_without_lock, Kind::demote},
        {"... and I am a standby: another has led since",
         [](Case& c) {
             c.cluster.leader = LeaderKey{"n1", Revision{2}, LeaseId{'1'}, Revision{2}};
             c.s.instance.in_recovery = true;
         },
         Reason::dropping_old_lock, Kind::drop_old_lock},
        {"... and I have no data any more",
         [](Case& c) {
             c.cluster.leader = LeaderKey{"n1", Revision{2}, LeaseId{'1'}, Revision{2}};
             c.s.instance = {};
         },
         Reason::dropping_old_lock, Kind::drop_old_lock},
        {"the key that was put back is another's: it lets go of it",
         [](Case& c) {
             c.cluster.leader = LeaderKey{"n2", Revision{2}, LeaseId{'2'}, Revision{2}};
             c.cluster.members = {{"n2", member("n2", "replica", 9000)}};
         },
         Reason::waiting_to_register},
        {"... but another kind of member does not",
         [](Case& c) {
             c.cluster.leader = LeaderKey{"n2", Revision{2}, LeaseId{'2'}, Revision{2}};
             c.cluster.members = {{"n2", member("n2", "replica", 9000)}};
             c.cluster.members["n2"].is_castle = false;
         },
         Reason::demoting_without_lock, Kind::demote},
        {"another has taken the lock since",
         [](Case& c) {
             c.cluster.leader = LeaderKey{"n2", Revision{4}, LeaseId{'2'}, Revision{4}};
         },
         Reason::demoting_without_lock, Kind::demote},
    };
    check(+replaced, rows);
}

}  // namespace
}  // namespace castle::core
