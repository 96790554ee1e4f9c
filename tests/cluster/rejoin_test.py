#!/usr/bin/python3
"""A former primary comes back: by rewind where its data allow it, by a new copy where they do not."""
import os
import shutil
import signal

from lib import processes
from lib.case import ClusterCase, main
from lib.waiting import eventually
from lib.writers import TABLE, Load


def link_outside(member):
    """A second name, outside the data directory, for a file that every server has. pg_rewind overwrites files in
    place, so it stays the same file; a new copy would be another, and this link would be the only one left."""
    link = f"{member.directory}/same-file"
    if os.path.exists(link):
        os.unlink(link)
    os.link(f"{member.data}/base/1/PG_VERSION", link)
    return lambda: os.stat(link).st_nlink == 2


def power_off(member):
    """Everything of one member dies at once."""
    server, fence = member.postmaster_pid(), member.fence_pid()
    below = processes.descendants(server)
    for pid in [member.agent_pid, fence, server, *below]:
        if pid:
            processes.send(pid, signal.SIGKILL)
    member.process.wait()
    eventually("its server is gone", lambda: not any(processes.alive(pid) for pid in below), within=10)


class Rejoin(ClusterCase):
    def diverge(self):
        """Makes the leader acknowledge rows that no standby receives, and cuts its power. Returns it and the rows."""
        cluster = self.cluster
        old = cluster.wait_whole()
        old.sql(TABLE)
        cluster.wait_caught_up()
        old.sql("CHECKPOINT")
        for (sender,) in old.sql("SELECT pid FROM pg_stat_replication"):
            processes.send(sender, signal.SIGSTOP)
        tail = [row[0] for row in old.sql(
            "INSERT INTO lab SELECT -n - (SELECT count(*) FROM lab), 'tail' FROM generate_series(1, 5000) n "
            "RETURNING id")]
        power_off(old)
        return old, tail

    def expect_rejoined_without(self, tail, new):
        self.assertEqual(self.cluster.wait_whole(within=120), new)
        self.cluster.wait_caught_up()
        for member in self.cluster:
            self.assertEqual(member.value("SELECT count(*) FROM lab WHERE id = ANY(%s)", (tail,)), 0)

    def test_an_old_primary_with_a_diverged_tail_is_rewound_and_not_copied_anew(self):
        cluster = self.cluster
        old, tail = self.diverge()
        same_directory = link_outside(old)
        new = cluster.wait_leader(within=cluster.timing["ttl"] + 30, other_than=old)
        with Load(cluster) as load:
            mark = old.log_mark()
            old.start()
            self.expect_rejoined_without(tail, new)
        load.expect_never_two_primaries()
        load.expect_nothing_lost()
        self.assertTrue(same_directory(), "the data directory is another one: it was copied, not rewound")
        log = old.log_text(mark)
        self.assertIn("pg_rewind", log)
        self.assertNotIn("replica has been created using basebackup", log)

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
