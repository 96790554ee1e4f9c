#!/usr/bin/python3
"""Planned moves under a client's write load: nothing lost, never two writable servers."""
import signal

from lib import processes
from lib.case import ClusterCase, main
from lib.waiting import eventually
from lib.writers import Load


class Switchover(ClusterCase):
    def move(self, order, candidate=None):
        """Calls `order(old leader, candidate)` under load and checks the ledger; returns the load."""
        cluster = self.cluster
        old = cluster.wait_whole()
        with Load(cluster) as load:
            order(old, candidate)
            new = cluster.wait_leader(other_than=old)
            if candidate:
                self.assertEqual(new.name, candidate.name)
            load.wait_flowing()
            cluster.wait_whole()
        load.expect_never_two_primaries()
        load.expect_nothing_lost()
        return load

    def test_by_rest_to_a_candidate(self):
        candidate = self.cluster.replicas()[0]

        def order(old, to):
            answer = old.api("POST", "/switchover", {"leader": old.name, "candidate": to.name})
            self.assertEqual((answer.status, answer.text), (200, f'Successfully switched over to "{to.name}"'))
        self.move(order, candidate)

    def test_by_rest_without_a_candidate_asked_of_a_replica(self):
        replica = self.cluster.replicas()[-1]

        def order(old, _):
            answer = replica.api("POST", "/switchover", {"leader": old.name})
            self.assertEqual(answer.status, 200, answer)
            self.assertIn("Successfully switched over to", answer.text)
        self.move(order)

    def test_the_old_leader_comes_back_without_a_new_copy(self):
        old = self.cluster.wait_leader()
        marker = f"{old.data}/marker"
        with open(marker, "w", encoding="utf-8") as file:
            file.write("still the same directory\n")
        processes.give_to_owner(marker)
        self.move(lambda leader, _: leader.api("POST", "/switchover", {"leader": leader.name}))
        with open(marker, encoding="utf-8") as file:
            self.assertEqual(file.read(), "still the same directory\n")

    def test_the_history_tells_of_it(self):
        before = len(self.cluster.wait_leader().api("GET", "/history").json())
        self.move(lambda leader, _: leader.api("POST", "/switchover", {"leader": leader.name}))
        leader = self.cluster.wait_leader()
        history = eventually("a new entry", lambda: (
            lambda h: h if len(h) > before else None)(leader.api("GET", "/history").json()))
        timeline, position, reason, timestamp, new_leader = history[-1]
        self.assertEqual(timeline + 1, leader.value("SELECT timeline_id FROM pg_control_checkpoint()"))
        self.assertGreater(position, 0)
        self.assertEqual(reason, "no recovery target specified")
        self.assertRegex(timestamp, r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")
        self.assertEqual(new_leader, leader.name)

    def test_a_clean_stop_of_the_leaders_agent_hands_over(self):
        cluster = self.cluster
        old = cluster.wait_whole()
        with Load(cluster) as load:
            self.assertEqual(old.stop(within=15), 0)
            self.assertIsNone(old.postmaster_pid(), "the server must be stopped, too")
            cluster.wait_leader(other_than=old, within=15)
            load.wait_flowing()
            old.start()
            cluster.wait_whole()
        load.expect_never_two_primaries()
        load.expect_nothing_lost()


class ByReexecution(ClusterCase):
    """SIGUSR2 replaces the agent by the program on disk; the server does not notice."""

    def test_the_agent_is_replaced_and_the_server_goes_on(self):
        if not self.cluster.kind.is_ours:
            self.skipTest("the peer has no such thing")
        cluster = self.cluster
        leader = cluster.wait_whole()
        servers = {member.name: member.postmaster_pid() for member in cluster}
        with Load(cluster) as load:
            for member in cluster:
                mark = member.log_mark()
                pid = member.agent_pid
                processes.send(pid, signal.SIGUSR2)
                eventually(f"the new agent of {member.name} is at work",
                           lambda m=member, k=mark: "no action. I am" in m.log_text(k))
                self.assertTrue(member.runs)
                self.assertEqual(member.agent_pid, pid, "the process id is kept, for the sake of the service manager")
            load.wait_flowing()
            self.assertEqual(cluster.wait_whole(), leader)
        self.assertEqual({member.name: member.postmaster_pid() for member in cluster}, servers)
        self.assertEqual({ack.node for ack in load.acks()} - {"client"}, {leader.name})
        load.expect_nothing_lost()


if __name__ == "__main__":
    main()
