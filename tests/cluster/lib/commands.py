"""What every command line of this family must be able to do with our cluster: the real patronictl, and ours."""
from .ctl import Ctl
from .waiting import eventually
from .writers import Load


class Commands:
    """Tests, to be joined with a ClusterCase that says which program stands for `command`."""
    command = None
    lag_column = "Receive Lag"

    def setUp(self):
        super().setUp()
        self.ctl = Ctl(self.cluster, self.command)
        self.leader = self.cluster.wait_whole()
        self.replica = self.cluster.replicas()[0]

    def test_list_shows_who_leads_and_who_streams(self):
        rows = {row["Member"]: row for row in self.ctl.rows("list", "lab")}
        self.assertEqual(sorted(rows), [member.name for member in self.cluster])
        for member in self.cluster:
            row = rows[member.name]
            self.assertEqual(row["Host"], f"127.0.0.1:{member.port}")
            self.assertEqual(row["Role"], "Leader" if member is self.leader else "Replica")
            self.assertIn(row["State"], ("running", "streaming"))

        # What the members' keys tell is up to a loop_wait old.
        def shown(member, column):
            return next(row for row in self.ctl.rows("list", "lab") if row["Member"] == member.name)[column]
        timeline = str(self.leader.value("SELECT timeline_id FROM pg_control_checkpoint()"))
        for member in self.cluster:
            eventually(f"{member.name} is on timeline {timeline}", lambda m=member: shown(m, "TL") == timeline)
            if member is not self.leader:
                eventually("no lag", lambda m=member: shown(m, self.lag_column) == "0")

    def test_topology_and_version_work(self):
        self.assertIn(f"| + {self.replica.name}", self.ctl("topology", "lab"))
        version = self.ctl("version", "lab")
        for member in self.cluster:
            self.assertRegex(version, rf"(?m)^{member.name}: Patroni [\d.]+ PostgreSQL 1\d\.\d+$")

    def test_dsn_finds_the_leader(self):
        self.assertIn(f"port={self.leader.port}", self.ctl("dsn", "lab"))

    def test_switchover(self):
        with Load(self.cluster) as load:
            out = self.ctl("switchover", "lab", "--leader", self.leader.name, "--candidate", self.replica.name,
                           "--force")
            self.assertIn(f'Successfully switched over to "{self.replica.name}"', out)
            self.assertEqual(self.cluster.wait_whole(), self.replica)
            load.wait_flowing()
        load.expect_never_two_primaries()
        load.expect_nothing_lost()

    def test_failover_to_a_named_member(self):
        out = self.ctl("failover", "lab", "--candidate", self.replica.name, "--force")
        self.assertRegex(out, f'Successfully (failed|switched) over to "{self.replica.name}"')
        self.assertEqual(self.cluster.wait_whole(), self.replica)

    def test_edit_config_reaches_every_server(self):
        out = self.ctl("edit-config", "lab", "-s", "loop_wait=2", "-p", "work_mem=5MB", "--force")
        self.assertIn("+loop_wait: 2", out)
        self.assertIn("+    work_mem: 5MB", out)
        self.assertIn("Configuration changed", out)
        for member in self.cluster:
            eventually(f"{member.name} has it", lambda m=member: m.value("SHOW work_mem") == "5MB")
        self.ctl("edit-config", "lab", "-s", f"loop_wait={self.cluster.timing['loop_wait']}", "-p", "work_mem=null",
                 "--force")
        for member in self.cluster:
            eventually(f"{member.name} has the default", lambda m=member: m.value("SHOW work_mem") == "4MB")
        self.assertIn("use_pg_rewind: true", self.ctl("show-config", "lab"))

    def test_a_setting_that_needs_a_restart_is_shown_as_pending_and_restart_applies_it(self):
        self.ctl("edit-config", "lab", "-p", "max_connections=111", "--force")
        for member in self.cluster:
            eventually(f"{member.name} is pending", lambda m=member: next(
                row for row in self.ctl.rows("list", "lab") if row["Member"] == m.name).get("Pending restart") == "*")
        for member in [*self.cluster.replicas(), self.leader]:  # a standby must never have less than its primary
            started = member.started_at()
            out = self.ctl("restart", "lab", member.name, "--force")
            self.assertIn(f"Success: restart on member {member.name}", out)
            self.assertGreater(member.started_at(), started)
            self.assertEqual(member.value("SHOW max_connections"), "111")
        self.assertEqual(self.cluster.wait_whole(), self.leader)
        eventually("nothing is pending", lambda: "Pending restart" not in self.ctl("list", "lab"))
        self.ctl("edit-config", "lab", "-p", "max_connections=null", "--force")
        for member in [self.leader, *self.cluster.replicas()]:
            # A standby keeps the higher value until it has replayed that its primary has the lower one.
            eventually("the primary's value has arrived", lambda m=member: m is self.leader or
                       m.control("max_connections setting") == "100")
            self.ctl("restart", "lab", member.name, "--force")
        for member in self.cluster:
            eventually(f"{member.name} has the default", lambda m=member: m.value("SHOW max_connections") == "100")

    def test_history(self):
        self.ctl("switchover", "lab", "--leader", self.leader.name, "--candidate", self.replica.name, "--force")
        self.assertEqual(self.cluster.wait_whole(), self.replica)
        timeline = self.replica.value("SELECT timeline_id FROM pg_control_checkpoint()")
        rows = eventually("the switchover is in it", lambda: (
            lambda found: found if found and int(found[-1]["TL"]) == timeline - 1 else None)
            (self.ctl.rows("history", "lab")))
        self.assertEqual(rows[-1]["New Leader"], self.replica.name)
        self.assertEqual(rows[-1]["Reason"], "no recovery target specified")

    def test_reinit_makes_a_new_copy(self):
        server = self.replica.postmaster_pid()
        out = self.ctl("reinit", "lab", self.replica.name, "--force", "--wait")
        self.assertIn(f"Success: reinitialize for member {self.replica.name}", out)
        self.assertIn(f"Reinitialize is completed on: {self.replica.name}", out)
        self.assertEqual(self.cluster.wait_whole(), self.leader)
        self.assertNotEqual(self.replica.postmaster_pid(), server)

    def test_reload(self):
        self.assertIn(f"member {self.replica.name}", self.ctl("reload", "lab", self.replica.name, "--force"))
