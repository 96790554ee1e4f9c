#!/usr/bin/python3
"""What happens to the store: keys deleted by hand, short and long outages."""
from lib.case import ClusterCase, main
from lib.waiting import eventually
from lib.writers import Load


class Store(ClusterCase):
    def test_a_leader_key_deleted_by_hand_makes_no_second_primary(self):
        cluster = self.cluster
        cluster.wait_whole()
        with Load(cluster) as load:
            cluster.etcd.delete(cluster.key("leader"))
            cluster.wait_whole()
            load.wait_flowing()
        load.expect_never_two_primaries()
        self.assertLess(len(load.lost()), 50)  # asynchronous replication

    def test_deleted_member_keys_come_back(self):
        cluster = self.cluster
        leader = cluster.wait_whole()
        servers = {member.name: member.postmaster_pid() for member in cluster}
        for member in cluster:
            cluster.etcd.delete(cluster.key(f"members/{member.name}"))
        for member in cluster:
            eventually(f"the key of {member.name} is back",
                       lambda m=member: cluster.etcd.json(cluster.key(f"members/{m.name}"))["state"] == "running")
        self.assertEqual(cluster.wait_whole(), leader)
        self.assertEqual({member.name: member.postmaster_pid() for member in cluster}, servers)

    def test_a_short_outage_goes_unnoticed_by_the_clients(self):
        cluster = self.cluster
        leader = cluster.wait_whole()
        servers = {member.name: member.postmaster_pid() for member in cluster}
        with Load(cluster) as load:
            cluster.etcd.kill()
            cluster.etcd.start()
            load.wait_flowing()
            self.assertEqual(cluster.wait_whole(), leader)
        self.assertEqual({member.name: member.postmaster_pid() for member in cluster}, servers)
        self.assertEqual({ack.node for ack in load.acks()} - {"client"}, {leader.name})
        load.expect_nothing_lost()

    def outage(self, end, begin_again):
        cluster = self.cluster
        leader = cluster.wait_whole()
        with Load(cluster) as load:
            end()
            eventually("the leader has stepped down", lambda: not leader.is_primary(), within=cluster.timing["ttl"] + 10)
            self.assertFalse(any(member.is_primary() for member in cluster))
            for member in cluster:
                eventually(f"{member.name} does not call itself the primary", lambda m=member: m.status("/primary") != 200,
                           within=cluster.timing["ttl"])
            begin_again()
            cluster.wait_whole()
            load.wait_flowing()
        load.expect_never_two_primaries()
        self.assertLess(len(load.lost()), 50)

    def test_a_store_that_accepts_and_never_answers_ends_the_leadership_in_time(self):
        self.addCleanup(self.cluster.etcd.thaw)
        self.outage(self.cluster.etcd.freeze, self.cluster.etcd.thaw)

    def test_a_dead_store_ends_the_leadership_in_time(self):
        self.outage(self.cluster.etcd.kill, self.cluster.etcd.start)

    def test_members_that_start_while_the_store_is_away_wait_for_it(self):
        cluster = self.cluster
        cluster.wait_whole()
        for member in cluster:
            self.assertEqual(member.stop(), 0)
        cluster.etcd.kill()
        for member in cluster:
            member.start()
        for member in cluster:
            eventually(f"{member.name} says that the store is away",
                       lambda m=member: "etcd" in m.log_text().lower(), within=20)
        for member in cluster:
            self.assertTrue(member.runs)
            self.assertIsNot(member.is_primary(), True)
        cluster.etcd.start()
        cluster.wait_whole()


if __name__ == "__main__":
    main()
