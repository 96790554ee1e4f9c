"""The test case: one cluster for all tests of a class, whole before and after each."""
import os
import re
import shutil
import sys
import unittest

from . import agents, processes
from .cluster import Cluster
from .waiting import NotInTime

TAIL = 120  # lines of each log that a failure shows


class ClusterCase(unittest.TestCase):
    """Tests of one class share a cluster, for a bootstrap takes seconds. A test that leaves it broken fails, and the
    next gets a new one."""
    options = {}
    kind = staticmethod(agents.chosen)  # makes the kind of agent that its members have
    cluster = None

    @classmethod
    def tearDownClass(cls):
        cls._discard()

    @classmethod
    def _discard(cls):
        if cls.cluster:
            cls.cluster.close()
            cls.cluster = None

    def setUp(self):
        cls = type(self)
        if cls.cluster is None:
            cls.cluster = Cluster(cls.kind(), **cls.options)
            try:
                cls.cluster.start()
            except BaseException:
                self._show_logs()
                cls._discard()
                raise
        self.addCleanup(self._expect_whole_and_sound)  # added first, so it runs after the test's own clean-ups

    def run(self, result=None):
        before = len(result.failures) + len(result.errors)
        self._failed = lambda: len(result.failures) + len(result.errors) > before
        super().run(result)
        if self._failed() and self.cluster:
            self._show_logs()
            self._discard()

    def _expect_whole_and_sound(self):
        if self._failed():
            return  # it failed already; the next test gets a new cluster
        cluster = self.cluster
        for member in cluster:
            self.assertTrue(member.runs, f"the test left {member.name} without an agent")
        cluster.wait_whole()
        for member in cluster:
            self.assertEqual(member.complaints(), [])

    def _show_logs(self):
        cluster = self.cluster
        out = sys.stderr
        for member in [*cluster, *cluster.strangers]:
            out.write(f"\n==== {member.name} (agent {'runs' if member.runs else 'does not run'}), last lines of "
                      f"{member.log}\n")
            try:
                out.write("".join(member.log_text().splitlines(keepends=True)[-TAIL:]))
            except OSError as error:
                out.write(f"{error}\n")
        out.write("\n==== the store\n")
        try:
            for key in cluster.etcd.keys("/service/"):
                out.write(f"{key} = {(cluster.etcd.get(key) or '')[:400]}\n")
        except OSError as error:
            out.write(f"{error}\n")
        keep = os.environ.get("CASTLE_LAB_LOGS")
        if keep:
            name = re.sub(r"\W+", "-", self.id())
            target = f"{keep}/{name}"
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree(cluster.directory, target, symlinks=True,
                            ignore=lambda folder, names: [
                                n for n in names if n in ("base", "pg_wal", "etcd", "run") or n.startswith(".s.")])
            out.write(f"\n==== kept below {target}\n")


def main(time_limit=540):
    """Runs the tests of the calling file; `time_limit` stays below the runner's own."""
    processes.become_subreaper(time_limit)
    unittest.main(verbosity=2, module="__main__")


__all__ = ["ClusterCase", "NotInTime", "main"]
