#!/usr/bin/python3
"""The user's commands around a change of leader: pre_promote may forbid it, before_stop comes before the server's end."""
import os

from lib import processes
from lib.case import ClusterCase, main
from lib.waiting import eventually, stays


class Scripts(ClusterCase):
    options = {"members": 2}

    def script(self, member, name, text):
        path = f"{member.directory}/{name}"
        with open(path, "w", encoding="utf-8") as file:
            file.write("#!/bin/sh\n" + text)
        os.chmod(path, 0o755)
        processes.give_to_owner(path)
        self.restart_with(member, name, path)
        self.addCleanup(self.restart_with, member, name, None)

    def restart_with(self, member, name, path):
        if member.runs:
            self.assertEqual(member.stop(), 0)
        if path:
            member.config["postgresql"][name] = path
        else:
            member.config["postgresql"].pop(name, None)
        member.write_config()
        member.start()
        self.cluster.wait_whole()

    def test_a_failing_pre_promote_keeps_the_standby_from_leading_and_leaves_it_up(self):
        cluster = self.cluster
        if not cluster.kind.is_ours:
            self.skipTest("the peer has its own tests")
        old = cluster.wait_whole()
        standby = cluster.replicas()[0]
        self.script(standby, "pre_promote", "exit 3\n")
        server = standby.postmaster_pid()
        self.assertEqual(old.stop(), 0)
        eventually("it was forbidden", lambda: "Promotion cancelled because the pre-promote script failed"
                   in standby.log_text())
        eventually("the lock is free", lambda: cluster.etcd.get(cluster.key("leader")) is None)
        self.assertEqual(standby.postmaster_pid(), server)
        stays("a standby", lambda: standby.is_primary() is False, during=1)
        old.start()
        self.assertEqual(cluster.wait_whole(), old)

    def test_before_stop_runs_before_the_server_ends(self):
        cluster = self.cluster
        if not cluster.kind.is_ours:
            self.skipTest("the peer has its own tests")
        cluster.wait_whole()
        standby = cluster.replicas()[0]
        said = f"{standby.directory}/said"
        self.script(standby, "before_stop", f"test -f {standby.data}/postmaster.pid && echo running > {said}\n")
        self.assertEqual(standby.stop(), 0)
        with open(said, encoding="utf-8") as file:
            self.assertEqual(file.read(), "running\n")
        standby.start()
        self.cluster.wait_whole()


if __name__ == "__main__":
    main()
