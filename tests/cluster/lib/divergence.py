"""A former primary with rows that nobody else has: how it comes about, and what is expected of it afterwards."""
import os
import signal

from . import processes
from .waiting import eventually
from .writers import TABLE, Load


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


class Divergence:
    """To be joined with a ClusterCase."""

    def diverge(self, since_checkpoint=lambda old: None):
        """Makes the leader acknowledge rows that no standby receives, and cuts its power. Returns it and the rows.
        `since_checkpoint` is done before, and received by all."""
        cluster = self.cluster
        old = cluster.wait_whole()
        old.sql(TABLE)
        cluster.wait_caught_up()
        old.sql("CHECKPOINT")
        since_checkpoint(old)
        cluster.wait_caught_up()
        for (sender,) in old.sql("SELECT pid FROM pg_stat_replication"):
            processes.send(sender, signal.SIGSTOP)
        tail = [row[0] for row in old.sql(
            # No look at all rows: their hint bits would be WAL that nobody has, and more than a candidate may lack.
            "INSERT INTO lab SELECT -n + (SELECT coalesce(min(id), 0) FROM lab), 'tail' FROM generate_series(1, 5000) n "
            "RETURNING id")]
        power_off(old)
        return old, tail

    @staticmethod
    def fill_segments(member, count):
        for _ in range(count):
            member.sql("SELECT pg_logical_emit_message(false, 'lab', 'filling')")
            member.sql("SELECT pg_switch_wal()")

    def expect_rejoined_without(self, tail, new):
        self.assertEqual(self.cluster.wait_whole(within=120), new)
        self.cluster.wait_caught_up()
        for member in self.cluster:
            self.assertEqual(member.value("SELECT count(*) FROM lab WHERE id = ANY(%s)", (tail,)), 0)

    def expect_a_diverged_primary_to_be_rewound(self):
        """... and not copied anew."""
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
