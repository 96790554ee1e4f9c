#!/usr/bin/python3
"""Things that die under a client's write load: the server, the agent, the whole machine, the whole cluster."""
import signal

from lib import processes
from lib.case import ClusterCase, main
from lib.waiting import eventually
from lib.writers import Load


class Crash(ClusterCase):
    def test_a_killed_postmaster_is_started_again_in_place_on_its_timeline(self):
        cluster = self.cluster
        leader = cluster.wait_whole()
        timeline = leader.value("SELECT timeline_id FROM pg_control_checkpoint()")
        with Load(cluster) as load:
            pid = leader.postmaster_pid()
            processes.send(pid, signal.SIGKILL)
            eventually("another postmaster", lambda: leader.postmaster_pid() not in (None, pid), within=30)
            load.wait_flowing()
            self.assertEqual(cluster.wait_whole(), leader)
        load.expect_never_two_primaries()
        load.expect_nothing_lost()
        self.assertEqual(leader.value("SELECT timeline_id FROM pg_control_checkpoint()"), timeline)

    def test_a_killed_postmaster_of_a_replica_is_started_again(self):
        cluster = self.cluster
        leader = cluster.wait_whole()
        replica = cluster.replicas()[0]
        pid = replica.postmaster_pid()
        with Load(cluster) as load:
            processes.send(pid, signal.SIGKILL)
            eventually("another postmaster", lambda: replica.postmaster_pid() not in (None, pid), within=30)
            self.assertEqual(cluster.wait_whole(), leader)
        load.expect_never_two_primaries()
        load.expect_nothing_lost()

    def test_the_server_outlives_its_killed_agent_which_adopts_it_again(self):
        cluster = self.cluster
        leader = cluster.wait_whole()
        pid, started = leader.postmaster_pid(), leader.started_at()
        owner = cluster.etcd.get(cluster.key("leader"))
        with Load(cluster) as load:
            leader.kill_agent()
            self.assertEqual(leader.postmaster_pid(), pid)
            leader.start()
            self.assertEqual(cluster.wait_whole(), leader)
            load.wait_flowing()
        load.expect_never_two_primaries()
        load.expect_nothing_lost()
        self.assertEqual(cluster.etcd.get(cluster.key("leader")), owner)
        self.assertEqual((leader.postmaster_pid(), leader.started_at()), (pid, started))
        self.assertEqual({ack.node for ack in load.acks()} - {"client"}, {leader.name}, "no failover took place")

    def test_the_server_of_a_replica_outlives_its_killed_agent(self):
        cluster = self.cluster
        cluster.wait_whole()
        replica = cluster.replicas()[0]
        pid = replica.postmaster_pid()
        replica.kill_agent()
        replica.start()
        cluster.wait_whole()
        self.assertEqual(replica.postmaster_pid(), pid)

    def test_a_leader_that_is_gone_as_a_whole_is_replaced_after_its_lease(self):
        cluster = self.cluster
        old = cluster.wait_whole()
        with Load(cluster) as load:
            below = processes.descendants(old.agent_pid)
            server, fence = old.postmaster_pid(), old.fence_pid()
            for pid in (old.agent_pid, fence, server):  # as when the machine loses its power
                if pid:
                    processes.send(pid, signal.SIGKILL)
            for pid in below + (processes.descendants(server) if server else []):
                processes.send(pid, signal.SIGKILL)
            old.process.wait()
            new = cluster.wait_leader(within=cluster.timing["ttl"] + 30, other_than=old)
            load.wait_flowing()
            old.start()
            self.assertEqual(cluster.wait_whole(), new)
        load.expect_never_two_primaries()
        # Replication is asynchronous here: what was acknowledged in the last instant may be gone, and no more than that.
        self.assertLess(len(load.lost()), 50)

    def test_the_whole_cluster_is_stopped_and_started_again(self):
        cluster = self.cluster
        leader = cluster.wait_whole()
        with Load(cluster) as load:
            pass
        for member in [*cluster.replicas(), leader]:
            self.assertEqual(member.stop(), 0)
            self.assertIsNone(member.postmaster_pid())
        cluster.etcd.kill()
        cluster.etcd.start()
        for member in cluster:
            member.start()
        cluster.wait_whole()
        load.expect_nothing_lost()

    def test_the_whole_cluster_loses_power_and_comes_back(self):
        cluster = self.cluster
        cluster.wait_whole()
        with Load(cluster) as load:
            processes.kill_all_ours()
        for process in [cluster.etcd.process, *(member.process for member in cluster)]:
            process.wait()
        cluster.etcd.start()
        for member in cluster:
            member.start()
        cluster.wait_whole(within=120)
        load.expect_nothing_lost()


if __name__ == "__main__":
    main()
