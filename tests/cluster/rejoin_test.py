#!/usr/bin/python3
"""A former primary comes back: by rewind where its data allow it, by a new copy where they do not."""
import os
import shutil
import signal
import threading

from lib import processes
from lib.case import ClusterCase, main
from lib.divergence import Divergence, link_outside
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

    @staticmethod
    def checkpoint_across_segments(member):
        """One whose record is in a later WAL segment than the place where its redo begins, as under any real load."""
        done = threading.Event()

        def checkpoint():
            member.sql("CHECKPOINT")
            done.set()

        def across():
            member.sql("UPDATE lab SET written_by = written_by || '.'")
            done.clear()
            thread = threading.Thread(target=checkpoint)
            thread.start()
            while not done.is_set():
                Divergence.fill_segments(member, 1)
            thread.join()
            return member.value("SELECT pg_walfile_name(redo_lsn) <> pg_walfile_name(checkpoint_lsn) "
                                "FROM pg_control_checkpoint()")
        member.sql("INSERT INTO lab SELECT -1000000 - n, 'old' FROM generate_series(1, 50000) n ON CONFLICT DO NOTHING")
        eventually("a checkpoint across WAL segments", across, within=60)

    def test_an_old_primary_is_rewound_although_much_was_written_and_checkpointed_since(self):
        # A rewound server replays from the redo of the last checkpoint that both have in common. pg_rewind takes away
        # WAL of it that the new leader does not have any more: so it has to be kept there.
        cluster = self.cluster
        answer = cluster.wait_leader().api("PATCH", "/config", {
            "maximum_lag_on_failover": 64 << 20,  # a vacuum of all that is written here may come in the wrong moment
            "postgresql": {"parameters": {"wal_keep_size": "16MB"}}})
        self.assertEqual(answer.status, 200)
        for member in cluster:
            eventually(f"{member.name} keeps little WAL",
                       lambda m=member: m.value("SELECT current_setting('wal_keep_size')") == "16MB", within=30)

        def fill_and_let_slots_follow(old):
            self.checkpoint_across_segments(old)
            self.fill_segments(old, 1)
            position = old.value("SELECT (pg_current_wal_flush_lsn() - '0/0')::bigint")
            eventually("the leader has published its position",
                       lambda: cluster.etcd.json(cluster.key("status"))["optime"] >= position, within=30)
            marks = {member: member.log_mark() for member in cluster.replicas()}
            for member, mark in marks.items():
                eventually(f"two heartbeats of {member.name}",
                           lambda m=member, since=mark: m.log_text(since).count("Lock owner:") >= 2, within=30)

        old, tail = self.diverge(since_checkpoint=fill_and_let_slots_follow)
        same_directory = link_outside(old)
        new = cluster.wait_leader(within=cluster.timing["ttl"] + 30, other_than=old)
        self.fill_segments(new, 8)
        new.sql("CHECKPOINT")
        old.start()
        self.expect_rejoined_without(tail, new)
        self.assertTrue(same_directory(), "the data directory is another one: it was copied, not rewound")

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
