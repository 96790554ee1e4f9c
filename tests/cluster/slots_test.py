#!/usr/bin/python3
"""Replication slots: whoever takes over has the WAL that the others still need."""
from lib.case import ClusterCase, main
from lib.divergence import power_off
from lib.waiting import eventually


def slots(member):
    return {name: (lsn, xmin) for name, lsn, xmin in member.sql(
        "SELECT slot_name, restart_lsn - '0/0'::pg_lsn, xmin FROM pg_replication_slots")}


def fill_segments(leader, number):
    for _ in range(number):
        leader.sql("SELECT pg_logical_emit_message(true, 'lab', 'x'); SELECT pg_switch_wal()")


class Slots(ClusterCase):
    # Without a slot, nothing keeps WAL for longer than to the next checkpoint.
    options = {"parameters": {"shared_buffers": "16MB", "wal_keep_size": 0, "min_wal_size": "32MB",
                              "max_wal_size": "32MB"}}

    def configure(self, **changes):
        answer = self.cluster.wait_leader().api("PATCH", "/config", changes)
        self.assertEqual(answer.status, 200, answer)

    def status(self):
        return self.cluster.etcd.json(self.cluster.key("status"))

    def test_every_member_keeps_one_for_every_other_and_the_leader_says_how_far_they_are(self):
        cluster = self.cluster
        names = sorted(member.name for member in cluster)
        for member in cluster:
            eventually(f"{member.name} has the others' slots", lambda m=member:
                       sorted(slots(m)) == [name for name in names if name != m.name])
        eventually("the status tells of them", lambda: sorted(self.status()["slots"]) == names)
        self.assertEqual(self.status()["retain_slots"], names)

        fill_segments(cluster.wait_leader(), 3)
        position = cluster.wait_leader().value("SELECT pg_current_wal_flush_lsn() - '0/0'::pg_lsn")
        for member in cluster.replicas():
            for name in names:
                if name != member.name:
                    eventually(f"{member.name} moves the slot of {name}", lambda m=member, n=name:
                               slots(m)[n][0] >= position)

    def test_a_member_that_was_away_during_a_failover_needs_no_new_copy(self):
        cluster = self.cluster
        old = cluster.wait_whole()
        heir, away = cluster.replicas()
        eventually("the heir keeps its slot", lambda: away.name in slots(heir))
        self.assertEqual(away.stop(), 0)
        seen = away.control("Minimum recovery ending location")
        fill_segments(old, 8)
        cluster.wait_caught_up()
        for member in (old, heir):
            member.sql("CHECKPOINT")
        eventually("its key is gone", lambda: not cluster.etcd.get(cluster.key(f"members/{away.name}")))
        eventually("it is remembered", lambda: away.name in self.status()["retain_slots"])
        power_off(old)
        self.assertEqual(cluster.wait_leader(within=cluster.timing["ttl"] + 30, other_than=old), heir)
        eventually("the old leader's key is gone", lambda: not cluster.etcd.get(cluster.key(f"members/{old.name}")))
        heir.sql("CHECKPOINT")
        self.assertLessEqual({old.name, away.name}, set(slots(heir)))
        self.assertTrue(heir.value("SELECT restart_lsn <= %s FROM pg_replication_slots WHERE slot_name = %s",
                                   (seen, away.name)), "it keeps all that was written since")
        marks = {member: member.log_mark() for member in (away, old)}
        away.start()
        old.start()
        self.assertEqual(cluster.wait_whole(), heir)
        for member, mark in marks.items():
            self.assertNotIn("copying the data directory", member.log_text(mark))

    def test_a_member_that_stays_away_is_forgotten(self):
        cluster = self.cluster
        leader = cluster.wait_whole()
        away, other = cluster.replicas()
        for member in (leader, other):
            eventually(f"{member.name} keeps its slot", lambda m=member: away.name in slots(m))
        self.assertEqual(away.stop(), 0)
        self.addCleanup(self.configure, member_slots_ttl=None)
        self.addCleanup(away.start)
        self.configure(member_slots_ttl=2)
        for member in (leader, other):
            eventually(f"{member.name} drops its slot", lambda m=member: away.name not in slots(m))
        self.assertNotIn(away.name, self.status()["slots"])

    def test_permanent_slots_are_everywhere_and_ignored_ones_stay_where_they_are(self):
        cluster = self.cluster
        leader = cluster.wait_leader()
        self.configure(slots={"backup": None}, ignore_slots=[{"name": "mine", "type": "physical"}])
        self.addCleanup(self.configure, slots=None, ignore_slots=None)
        for member in cluster:
            eventually(f"{member.name} has the permanent slot", lambda m=member: "backup" in slots(m))
        leader.sql("SELECT pg_create_physical_replication_slot('mine', true)")
        self.addCleanup(leader.sql, "SELECT pg_drop_replication_slot('mine')")
        leader.sql("SELECT pg_create_physical_replication_slot('nobodys', true)")
        eventually("the unknown slot is dropped", lambda: "nobodys" not in slots(leader))
        self.assertIn("mine", slots(leader))
        eventually("the status tells of it", lambda: "backup" in self.status()["slots"])
        self.assertNotIn("backup", self.status()["retain_slots"])
        leader.sql("SELECT pg_replication_slot_advance('backup', pg_current_wal_flush_lsn())")
        position = slots(leader)["backup"][0]
        for member in cluster.replicas():
            eventually(f"{member.name} has moved it, too", lambda m=member: slots(m)["backup"][0] >= position)
        self.configure(slots=None)
        for member in cluster:
            eventually(f"{member.name} has dropped it", lambda m=member: "backup" not in slots(m))


if __name__ == "__main__":
    main()
