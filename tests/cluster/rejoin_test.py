#!/usr/bin/python3
"""A former primary comes back: by rewind where its data allow it, by a new copy where they do not."""
import os
import shutil
import signal

from lib import processes
from lib.case import ClusterCase, main
from lib.divergence import Divergence
from lib.waiting import eventually


class Rejoin(Divergence, ClusterCase):
    def test_an_old_primary_with_a_diverged_tail_is_rewound_and_not_copied_anew(self):
        self.expect_a_diverged_primary_to_be_rewound()

    def test_one_that_is_back_within_its_lease_keeps_all_of_its_tail_or_nothing(self):
        # Within its lease it is still the leader: it recovers, keeps its rows, and nobody has to be rewound.
        cluster = self.cluster
        old, tail = self.diverge()
        old.start()
        leader = cluster.wait_whole()
        kept = leader.value("SELECT count(*) FROM lab WHERE id = ANY(%s)", (tail,))
        self.assertIn(kept, (0, len(tail)), "all or nothing: never a mix of two histories")
        if leader is old:
            self.assertEqual(kept, len(tail))

    def test_a_crashed_and_diverged_primary_goes_on_after_its_rewind_was_interrupted(self):
        cluster = self.cluster
        old, tail = self.diverge()
        new = cluster.wait_leader(within=cluster.timing["ttl"] + 30, other_than=old)
        old.start()
        eventually("its agent has begun to bring it back", lambda: "pg_rewind" in old.log_text() or
                   old.postmaster_pid(), within=30)
        below = processes.descendants(old.agent_pid)
        old.kill_agent()
        for pid in below:
            if "pg_rewind" in processes.command_line(pid):
                processes.send(pid, signal.SIGKILL)
        old.start()
        self.expect_rejoined_without(tail, new)

    def test_a_lost_data_directory_is_copied_anew(self):
        cluster = self.cluster
        leader = cluster.wait_whole()
        replica = cluster.replicas()[0]
        self.assertEqual(replica.stop(), 0)
        shutil.rmtree(replica.data)
        replica.start()
        self.assertEqual(cluster.wait_whole(), leader)

    def test_a_copy_that_was_interrupted_starts_again(self):
        cluster = self.cluster
        leader = cluster.wait_whole()
        replica = cluster.replicas()[0]
        self.assertEqual(replica.stop(), 0)
        shutil.rmtree(replica.data)
        replica.start()
        copy = eventually("pg_basebackup runs", lambda: next(
            (pid for pid in processes.descendants(os.getpid())
             if f"{replica.data}" in (line := processes.command_line(pid)) and "pg_basebackup" in line), None), poll=0.005)
        processes.send(copy, signal.SIGKILL)
        self.assertEqual(cluster.wait_whole(), leader)


if __name__ == "__main__":
    main()
