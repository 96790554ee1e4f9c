#!/usr/bin/python3
"""Our own command line, with the outputs that scripts match."""
import json
import os
import re
import unittest

import yaml

from lib import agents
from lib.case import ClusterCase, main
from lib.commands import Commands
from lib.ctl import Ctl
from lib.waiting import eventually

CASTLE = agents.Castle().program
PEER = str(agents.ROOT / "build/peer/bin/patronictl")


class OurCommandLine(Commands, ClusterCase):
    command = [CASTLE, "ctl"]

    def test_list_draws_the_table(self):
        # Members write their keys once a cycle: that a standby streams shows there a moment after it does.
        out = eventually("both standbys are listed as streaming", lambda: (
            lambda text: text if text.count("streaming") == 2 else None)(self.ctl("list")))
        identifier = self.leader.control("Database system identifier")
        lines = out.splitlines()
        self.assertRegex(lines[0], rf"^\+ Cluster: lab \({identifier}\) -*\+[-+]*\+$")
        self.assertEqual([cell.strip() for cell in lines[1].strip("|").split("|")],
                         ["Member", "Host", "Role", "State", "TL", "Receive LSN", "Lag", "Replay LSN", "Lag"])
        self.assertEqual(len({len(line) for line in lines}), 1, "a box: all lines have the same length")
        body = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[3:-1]]
        for cells, member in zip(body, self.cluster):
            self.assertEqual(cells[:2], [member.name, f"127.0.0.1:{member.port}"])
            if member is self.leader:
                self.assertEqual(cells[2:4] + cells[5:], ["Leader", "running", "", "", "", ""])
            else:
                self.assertEqual(cells[2:4], ["Replica", "streaming"])
                self.assertRegex(cells[5], r"^[0-9A-F]+/[0-9A-F]+$")
                self.assertRegex(cells[6], r"^\d+$")

    def test_list_speaks_json_and_yaml(self):
        rows = json.loads(self.ctl("list", "-f", "json"))
        self.assertEqual([row["Member"] for row in rows], [member.name for member in self.cluster])
        self.assertEqual([row["Member"] for row in yaml.safe_load(self.ctl("list", "-f", "yaml"))],
                         [member.name for member in self.cluster])
        self.assertNotIn("Receive LSN", next(row for row in rows if row["Role"] == "Leader"))

    def test_the_program_called_patronictl_is_the_same(self):
        link = f"{self.cluster.directory}/patronictl"
        if not os.path.exists(link):
            os.symlink(CASTLE, link)
        # What members tell of themselves may change between the two.
        eventually("both list the same", lambda: json.loads(Ctl(self.cluster, [link])("list", "-f", "json")) ==
                   json.loads(self.ctl("list", "-f", "json")))
        self.assertEqual(Ctl(self.cluster, [CASTLE])("list", config=False,
                                                     env={"PATRONI_SCOPE": "lab",
                                                          "PATRONI_ETCD3_HOSTS": self.cluster.etcd.endpoint})[:14],
                         "+ Cluster: lab")

    def test_refusals_and_usage_have_their_texts_and_statuses(self):
        leader, replica = self.leader.name, self.replica.name
        for arguments, status, text in (
                (("switchover", "lab", "--leader", "nosuch", "--force"), 1,
                 "Error: Member nosuch is not the leader of cluster lab"),
                (("switchover", "lab", "--leader", leader, "--candidate", leader, "--force"), 1,
                 f"Error: Member {leader} is already the leader of cluster lab"),
                (("switchover", "lab", "--leader", leader, "--candidate", "nosuch", "--force"), 1,
                 "Error: Member nosuch does not exist in cluster lab or is tagged as nofailover"),
                (("failover", "lab", "--force"), 1, "Error: Failover could be performed only to a specific candidate"),
                (("restart", "lab", "nosuch", "--force"), 1, "Error: No 'any' among provided members"),
                (("restart",), 2, "Error: Missing argument 'CLUSTER_NAME'."),
                (("nosuch",), 2, "No such command"),
                (("edit-config", "lab", "-s", "ttl", "--force"), 1, "Error: Invalid parameter setting ttl"),
                (("switchover", "lab", "--leader", leader, "--candidate", replica, "--scheduled", "soon", "--force"), 1,
                 "Error: Unable to parse scheduled timestamp (soon). It should be in an unambiguous format")):
            with self.subTest(arguments=arguments):
                self.assertIn(text, self.ctl(*arguments, status=status))
        self.assertIn("Not changed", self.ctl("edit-config", "lab", "-s", f"ttl={self.cluster.timing['ttl']}",
                                              "--force"))
        self.assertEqual(self.cluster.wait_whole(), self.leader)

    def test_a_no_changes_nothing_and_the_default_of_a_question_is_taken(self):
        self.assertIn("Error: Aborting switchover", self.ctl("switchover", "lab", stdin="\n\n\nn\n", status=1))
        self.assertIn("Aborted!", self.ctl("switchover", "lab", stdin="", status=1))
        self.assertEqual(self.cluster.wait_whole(), self.leader)
        out = self.ctl("switchover", "lab", stdin=f"\n{self.replica.name}\n\ny\n")
        self.assertIn(f"Primary [{self.leader.name}]: ", out)
        self.assertIn("Are you sure you want to switchover cluster lab, demoting current leader "
                      f"{self.leader.name}? [y/N]: ", out)
        self.assertIn(f'Successfully switched over to "{self.replica.name}"', out)
        self.assertEqual(self.cluster.wait_whole(), self.replica)

    def test_edit_config_shows_a_diff(self):
        out = self.ctl("edit-config", "lab", "-s", "maximum_lag_on_failover=2097152", "--force")
        self.assertRegex(out, r"--- \n\+\+\+ \n@@ .* @@\n")
        self.assertIn("-maximum_lag_on_failover: 1048576\n+maximum_lag_on_failover: 2097152\n", out)
        self.ctl("edit-config", "lab", "-s", "maximum_lag_on_failover=1048576", "--force", "-q")
        shown = yaml.safe_load(self.ctl("show-config", "lab"))
        self.assertEqual(shown, self.cluster.etcd.json(self.cluster.key("config")))

    @unittest.skipUnless(os.path.exists(PEER), "tools/get-peer makes the peer to compare with")
    def test_every_look_is_byte_for_byte_the_peers(self):
        peer = Ctl(self.cluster, [PEER])
        for arguments in (("list",), ("list", "-e"), ("list", "-f", "tsv"), ("list", "-f", "json"),
                          ("list", "-f", "yaml"), ("topology",), ("history",), ("history", "-f", "json"),
                          ("show-config",), ("dsn",)):
            with self.subTest(arguments=arguments):
                # Positions move on by themselves; two equal looks in a row are enough.
                eventually("the same output", lambda a=arguments: self.same(peer, a), within=15)

    def same(self, peer, arguments):
        try:
            ours, theirs = self.ctl(*arguments), peer(*arguments)
        except AssertionError as error:
            ours, theirs = str(error), None
        assert ours == theirs, f"\n{ours}\n--- the peer:\n{theirs}"
        return True

    def test_help_is_helpful(self):
        out = self.ctl("--help", config=False)
        for command in ("list", "topology", "show-config", "edit-config", "switchover", "failover", "restart", "reload",
                        "reinit", "history", "version"):
            self.assertRegex(out, rf"(?m)^ +{re.escape(command)}\b")
            self.assertIn("Usage", self.ctl(command, "--help", config=False))


if __name__ == "__main__":
    main()
