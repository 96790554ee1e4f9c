#!/usr/bin/python3
"""The other PostgreSQL versions: bootstrap, switchover, crash and rewind on each, and what we read and write of each.

tools/get-postgres unpacks them once, from other releases of Debian; where they cannot be had, that is told and skipped.
"""
import os
import pathlib
import pwd
import signal
import subprocess
import sys
import unittest

from lib import agents, processes
from lib.case import ClusterCase, main
from lib.divergence import Divergence
from lib.waiting import eventually
from lib.writers import Load

# What reads control files and settings of the server, and what depends on its version most.
SERVER_TESTS = "Trouble.OurReadingOfPgControl*:Trouble.Settings*:Trouble.StopEscalates*:Slots.*"


def programs(major):
    """The directory of that version's programs; a reason to skip if it cannot be had here."""
    made = subprocess.run([str(agents.ROOT / "tools/get-postgres"), str(major)], capture_output=True, text=True,
                          check=False, timeout=300)
    if made.returncode != 0:
        raise unittest.SkipTest(f"NO PostgreSQL {major} HERE: {made.stderr.strip() or made.returncode}")
    directory = made.stdout.strip()
    owner = pwd.getpwnam(processes.owner_name())
    tried = subprocess.run([f"{directory}/postgres", "--version"], capture_output=True, check=False,
                           user=owner.pw_uid if os.geteuid() == 0 else None)
    if tried.returncode != 0:
        raise unittest.SkipTest(f"PostgreSQL {major} IS NOT TESTED: {owner.pw_name} cannot run {directory}/postgres")
    return directory


class Version(Divergence, ClusterCase):
    major = 0

    @classmethod
    def setUpClass(cls):
        try:
            cls.bin_dir = programs(cls.major)
        except unittest.SkipTest as reason:
            print(f"\n{'!' * 20} {reason}", file=sys.stderr)
            raise
        before = os.environ.get("CASTLE_PG_BIN")
        os.environ["CASTLE_PG_BIN"] = cls.bin_dir
        cls.addClassCleanup(lambda: os.environ.pop("CASTLE_PG_BIN") if before is None else
                            os.environ.update(CASTLE_PG_BIN=before))

    def test_a_new_cluster_has_the_version(self):
        for member in self.cluster:
            self.assertEqual(int(member.value("SHOW server_version_num")) // 10000, self.major)
        self.assertEqual(self.cluster.wait_leader().control("Data page checksum version"), "1")

    def test_switchover(self):
        cluster = self.cluster
        old, new = cluster.wait_whole(), cluster.replicas()[0]
        with Load(cluster) as load:
            answer = old.api("POST", "/switchover", {"leader": old.name, "candidate": new.name})
            self.assertEqual((answer.status, answer.text), (200, f'Successfully switched over to "{new.name}"'))
            self.assertEqual(cluster.wait_whole(), new)
            load.wait_flowing()
        load.expect_never_two_primaries()
        load.expect_nothing_lost()

    def test_a_crashed_server_is_restarted_in_place(self):
        cluster = self.cluster
        leader = cluster.wait_whole()
        server = leader.postmaster_pid()
        with Load(cluster) as load:
            processes.send(server, signal.SIGKILL)
            eventually("another server", lambda: leader.postmaster_pid() not in (None, server))
            load.wait_flowing()
            self.assertEqual(cluster.wait_whole(), leader)
        load.expect_never_two_primaries()
        load.expect_nothing_lost()

    def test_a_diverged_primary_is_rewound(self):
        self.expect_a_diverged_primary_to_be_rewound()

    def test_what_we_read_and_write_of_a_server(self):
        program = pathlib.Path(agents.Castle().program).with_name("test_postgres_server")
        done = subprocess.run([program, f"--gtest_filter={SERVER_TESTS}", "--gtest_brief=1"], capture_output=True,
                              text=True, check=False, timeout=120,
                              env={**os.environ, "PGCASTLE_TEST_BIN_DIR": self.bin_dir})
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


class Version13(Version):
    major = 13


class Version17(Version):
    major = 17


class Version18(Version):
    major = 18


del Version  # it is no test by itself


if __name__ == "__main__":
    main()
