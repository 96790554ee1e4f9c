#!/usr/bin/python3
"""From Patroni to us and back, with the same files, data directories and store: in pause without touching a server, and
one member after the other while clients write. With Debian's Patroni (3.0.2) and with the newest that can be had."""
import subprocess
import sys
import unittest

from lib import agents
from lib.case import ClusterCase, main
from lib.ctl import Ctl
from lib.waiting import eventually
from lib.writers import Load


def newest_patroni():
    """The directory of the programs of a newer Patroni than Debian's; a reason to skip if it cannot be had here."""
    made = subprocess.run([str(agents.ROOT / "tools/get-peer")], capture_output=True, text=True, check=False,
                          timeout=300)
    if made.returncode != 0:
        raise unittest.SkipTest(f"NO NEWER PATRONI HERE: {made.stderr.strip() or made.returncode}")
    return str(agents.ROOT / "build/peer/bin")


class TakeOver(ClusterCase):
    bin_dir = "/usr/bin"

    @classmethod
    def kind(cls):
        return agents.Patroni(cls.bin_dir)

    def setUp(self):
        super().setUp()
        self.ours = Ctl(self.cluster, [agents.Castle().program])
        self.theirs = Ctl(self.cluster, [f"{self.bin_dir}/patronictl"])

    def servers(self):
        return {member.name: (member.postmaster_pid(), member.started_at()) for member in self.cluster}

    def change_agents(self, kind):
        """The leader's last, and none of them touches its server."""
        leader = self.cluster.wait_leader()
        for member in [*self.cluster.replicas(), leader]:
            self.assertEqual(member.stop(), 0)
            self.assertIsNotNone(member.postmaster_pid(), f"the agent of {member.name} took its server with it")
        for member in [leader, *(m for m in self.cluster if m is not leader)]:
            member.become(kind).start()
        for member in self.cluster:
            eventually(f"{member.name} is managed, in pause", lambda m=member:
                       m.api("GET", "/patroni").json().get("pause"))

    def test_in_pause_no_server_notices_and_back_again(self):
        cluster = self.cluster
        leader = cluster.wait_whole()
        before = self.servers()
        with Load(cluster) as load:
            self.assertIn("Success: cluster management is paused", self.theirs("pause", "--wait", "lab"))
            self.change_agents(agents.Castle())
            cluster.wait_whole()
            self.assertIn("Maintenance mode: on", self.theirs("list", "lab"))
            self.assertIn("Success: cluster management is resumed", self.ours("resume", "--wait", "lab"))
            self.assertEqual(cluster.wait_whole(), leader)
            self.assertEqual(self.servers(), before)
            load.wait_flowing()

            self.assertIn("Success: cluster management is paused", self.ours("pause", "--wait", "lab"))
            self.change_agents(self.kind())
            cluster.wait_whole()
            self.assertIn("Success: cluster management is resumed", self.theirs("resume", "--wait", "lab"))
            self.assertEqual(cluster.wait_whole(), leader)
            self.assertEqual(self.servers(), before)
            load.wait_flowing()
        self.assertLess(load.client.longest_gap(load.began), 2)
        load.expect_never_two_primaries()
        load.expect_nothing_lost()
        # What we leave behind lets them do with their server what they want.
        for member in [*cluster.replicas(), leader]:
            self.assertIn(f"Success: restart on member {member.name}",
                          self.theirs("restart", "lab", member.name, "--force"))
            self.assertNotEqual(member.started_at(), before[member.name][1])

    def test_a_server_that_was_taken_over_is_fenced(self):
        cluster = self.cluster
        leader = cluster.wait_whole()
        self.theirs("pause", "--wait", "lab")
        self.change_agents(agents.Castle())
        self.ours("resume", "--wait", "lab")
        self.assertEqual(cluster.wait_whole(), leader)
        with Load(cluster) as load:
            leader.freeze_agent()
            try:
                new = cluster.wait_leader(other_than=leader)
                load.wait_flowing()
            finally:
                leader.thaw_agent()
            self.assertEqual(cluster.wait_whole(), new)
        load.expect_never_two_primaries()
        self.ours("pause", "--wait", "lab")
        self.change_agents(self.kind())
        self.theirs("resume", "--wait", "lab")

    def test_one_member_after_the_other_while_clients_write(self):
        cluster = self.cluster
        old = cluster.wait_whole()
        first, second = cluster.replicas()
        with Load(cluster) as load:
            self.exchange(first, agents.Castle())
            self.assertIn(f'Successfully switched over to "{first.name}"', self.theirs(
                "switchover", "lab", "--leader", old.name, "--candidate", first.name, "--force"))
            self.assertEqual(cluster.wait_whole(), first)
            for member in (old, second):
                self.exchange(member, agents.Castle())
            load.wait_flowing()
            # And back, without a switchover: the leader's clean stop hands over to one of theirs.
            self.exchange(old, self.kind())
            self.exchange(second, self.kind())
            self.exchange(first, self.kind())
            load.wait_flowing()
        load.expect_never_two_primaries()
        load.expect_nothing_lost()

    def exchange(self, member, kind):
        self.assertEqual(member.stop(), 0)
        member.become(kind).start()
        self.cluster.wait_whole()


class TakeOverFromTheNewest(TakeOver):
    @classmethod
    def setUpClass(cls):
        try:
            cls.bin_dir = newest_patroni()
        except unittest.SkipTest as reason:
            print(f"\n{'!' * 20} {reason}", file=sys.stderr)
            raise


if __name__ == "__main__":
    main()
