#!/usr/bin/python3
"""The agent stands still for longer than its lease lasts: the fence ends the server before anyone else promotes."""
import signal
import time

from lib import processes
from lib.case import ClusterCase, main
from lib.waiting import eventually, stays
from lib.writers import Load


class FrozenAgent(ClusterCase):
    def setUp(self):
        super().setUp()
        if not self.cluster.kind.is_ours:
            self.skipTest("the peer has no fence: it ends with two primaries here")

    def freeze_until_replaced(self, load):
        cluster = self.cluster
        old = cluster.wait_leader()
        server, backends = old.postmaster_pid(), processes.descendants(old.postmaster_pid())
        old.freeze_agent()
        self.addCleanup(old.thaw_agent)
        new = cluster.wait_leader(within=cluster.timing["ttl"] + 30, other_than=old)
        for pid in [server, *backends]:
            self.assertFalse(processes.alive(pid), f"{processes.command_line(pid)} outlived its lease")
        load.wait_flowing()
        return old, new

    def test_its_server_dies_before_another_promotes_and_it_rejoins_when_it_wakes(self):
        cluster = self.cluster
        cluster.wait_whole()
        with Load(cluster) as load:
            old, new = self.freeze_until_replaced(load)
            self.assertIsNone(old.postmaster_pid())
            old.thaw_agent()
            self.assertEqual(cluster.wait_whole(), new)
        load.expect_never_two_primaries()
        self.assertLess(len(load.lost()), 50)  # asynchronous replication: the last instant

    def test_the_same_for_an_agent_that_was_killed_and_does_not_come_back_in_time(self):
        cluster = self.cluster
        old = cluster.wait_whole()
        with Load(cluster) as load:
            server = old.postmaster_pid()
            old.kill_agent()
            new = cluster.wait_leader(within=cluster.timing["ttl"] + 30, other_than=old)
            self.assertFalse(processes.alive(server))
            load.wait_flowing()
            old.start()
            self.assertEqual(cluster.wait_whole(), new)
        load.expect_never_two_primaries()
        self.assertLess(len(load.lost()), 50)

    def test_a_frozen_agent_that_wakes_within_its_lease_changes_nothing(self):
        cluster = self.cluster
        leader = cluster.wait_whole()
        server = leader.postmaster_pid()
        with Load(cluster) as load:
            leader.freeze_agent()
            self.addCleanup(leader.thaw_agent)
            stays("the server runs", lambda: processes.alive(server), during=cluster.timing["ttl"] / 4)
            leader.thaw_agent()
            self.assertEqual(cluster.wait_whole(), leader)
            load.wait_flowing()
        self.assertEqual(leader.postmaster_pid(), server)
        self.assertEqual({ack.node for ack in load.acks()} - {"client"}, {leader.name})

    def test_a_busy_backend_cannot_commit_after_the_deadline(self):
        cluster = self.cluster
        old = cluster.wait_whole()
        old.sql("CREATE TABLE IF NOT EXISTS late (at timestamptz)")
        busy = old.connect(autocommit=False)
        with Load(cluster) as load:
            with busy.cursor() as cursor:
                cursor.execute("INSERT INTO late SELECT now()")
            self.freeze_until_replaced(load)
            with self.assertRaises(Exception):
                busy.commit()
            old.thaw_agent()
            cluster.wait_whole()
        load.expect_never_two_primaries()
        self.assertEqual(cluster.wait_leader().value("SELECT count(*) FROM late"), 0)

    def test_a_frozen_agent_of_a_replica_disturbs_nobody(self):
        cluster = self.cluster
        leader = cluster.wait_whole()
        replica = cluster.replicas()[0]
        server = replica.postmaster_pid()
        with Load(cluster) as load:
            replica.freeze_agent()
            self.addCleanup(replica.thaw_agent)
            eventually("its member key has lapsed",
                       lambda: cluster.etcd.get(cluster.key(f"members/{replica.name}")) is None,
                       within=cluster.timing["ttl"] + 15)
            self.assertTrue(processes.alive(server), "a standby needs no lease")
            replica.thaw_agent()
            self.assertEqual(cluster.wait_whole(), leader)
        load.expect_nothing_lost()


class DeadFence(ClusterCase):
    """The guard itself dies: its server goes with it, and the agent brings both back."""

    def test_its_server_ends_and_is_started_again_with_a_new_fence(self):
        cluster = self.cluster
        if not cluster.kind.is_ours:
            self.skipTest("the peer has no fence")
        leader = cluster.wait_whole()
        fence, server = leader.fence_pid(), leader.postmaster_pid()
        self.assertIsNotNone(fence, "the parent of the postmaster is the fence")
        with Load(cluster) as load:
            began = time.monotonic()
            processes.send(fence, signal.SIGKILL)
            eventually("the server is dead", lambda: not processes.alive(server), within=5)
            self.assertLess(time.monotonic() - began, 5)
            cluster.wait_whole()
            load.wait_flowing()
        load.expect_never_two_primaries()
        self.assertLess(len(load.lost()), 50)
        self.assertTrue(all(member.fence_pid() for member in cluster))


if __name__ == "__main__":
    main()
