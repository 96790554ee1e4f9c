#!/usr/bin/python3
"""What people get wrong: each has a clear message with the way out, and damages nothing."""
import os
import shutil
import signal
import subprocess

from lib import agents, processes
from lib.case import ClusterCase, main
from lib.ctl import Ctl
from lib.member import Member
from lib.waiting import eventually


def line_of(file, text):
    with open(file, encoding="utf-8") as lines:
        return next(number for number, line in enumerate(lines, 1) if text in line)


def fingerprint(directory):
    """Names, sizes and times of all files: nothing was touched if it stays the same."""
    found = {}
    for folder, _, names in os.walk(directory):
        for name in names:
            info = os.stat(os.path.join(folder, name))
            found[os.path.join(folder, name)] = (info.st_size, info.st_mtime_ns, info.st_ino)
    return found


class Mistakes(ClusterCase):
    options = {"members": 2, "scope": "mistakes"}

    def setUp(self):
        super().setUp()
        self.leader = self.cluster.wait_whole()
        self.replica = self.cluster.replicas()[0]

    def another(self, label, **changes):
        """A member that does not belong to the cluster's list; it is ended and removed after the test."""
        if os.path.exists(f"{self.cluster.directory}/{label}"):
            shutil.rmtree(f"{self.cluster.directory}/{label}")
        member = Member(self.cluster, label, self.cluster.kind)
        self.cluster.strangers.append(member)
        member.config.update(changes)
        member.write_config()
        self.addCleanup(self.end, member)
        return member

    @staticmethod
    def end(member):
        if member.runs:
            member.stop()
        for pid in processes.descendants(os.getpid()):
            if member.data in processes.command_line(pid):
                processes.send(pid, 9)

    def expect_end(self, member, status, *texts, within=30):
        try:
            self.assertEqual(member.process.wait(within), status, member.log_text())
        except subprocess.TimeoutExpired:
            self.fail(f"it goes on instead of ending with {status}:\n{member.log_text()[-3000:]}")
        for text in texts:
            self.assertRegex(member.log_text(), text)

    # -- the configuration file

    def test_a_bad_value_is_a_warning_with_its_line_and_the_agent_starts(self):
        replica = self.replica
        replica.config["postgresql"]["pg_ctl_timeout"] = "soon"
        replica.config["restapi"]["request_queue_size"] = "many"
        replica.write_config()
        self.addCleanup(replica.write_config)
        self.addCleanup(replica.config["postgresql"].pop, "pg_ctl_timeout")
        self.addCleanup(replica.config["restapi"].pop, "request_queue_size")
        self.assertEqual(replica.stop(), 0)
        mark = replica.log_mark()
        replica.start()
        self.cluster.wait_whole()
        for key in ("pg_ctl_timeout", "request_queue_size"):
            self.assertRegex(replica.log_text(mark),
                             rf"(?m)WARNING.*patroni\.yml:{line_of(replica.file, key)}\b.*{key}")

    def validate(self, member, status):
        done = subprocess.run([agents.Castle().program, "--validate-config", "-i", member.file], capture_output=True,
                              text=True, check=False, timeout=30)
        self.assertEqual(done.returncode, status, done.stderr)
        return done.stderr

    def test_validate_config_accepts_a_good_file_in_silence(self):
        member = self.another("fine")
        member.config["restapi"]["connect_address"] = f"10.11.12.13:{member.api_port}"
        member.config["postgresql"]["connect_address"] = f"10.11.12.13:{member.port}"
        member.config["bootstrap"]["dcs"].update(ttl=30, loop_wait=10, retry_timeout=10)
        member.write_config()
        self.assertEqual(self.validate(member, 0), "")

    def test_validate_config_names_every_mistake_with_file_and_line(self):
        member = self.another("wrong")
        member.config["postgresql"]["connect_address"] = f"10.11.12.13:{member.port}"
        member.config["postgresql"]["pg_ctl_timeout"] = "soon"
        member.config["restapi"]["verify_client"] = "sometimes"
        member.config["restapi"]["connect_address"] = f"localhost:{member.api_port}"
        member.config["bootstrap"]["dcs"]["ttl"] = "never"
        member.config["castle"]["fense"] = True
        member.config["tags"] = {"nofailover": True, "failover_priority": 2}
        member.write_config()
        out = self.validate(member, 1)
        for key in ("pg_ctl_timeout", "verify_client", "connect_address: localhost", "ttl", "fense"):
            self.assertRegex(out, rf"patroni\.yml:{line_of(member.file, key)}\b.*{key.split(':')[0]}")
        self.assertIn("failover_priority", out)

    def test_broken_yaml_names_the_line(self):
        member = self.another("broken")
        with open(member.file, "a", encoding="utf-8") as file:
            file.write("restapi: [1, 2\n")
        self.assertRegex(self.validate(member, 1), r"patroni\.yml:\d+")
        member.start()
        self.expect_end(member, 1, r"patroni\.yml:\d+")

    def test_an_unknown_key_in_our_own_section_is_an_error_with_a_suggestion(self):
        member = self.another("unknown")
        member.config["castle"]["fense"] = True
        member.write_config()
        member.start()
        self.expect_end(member, 1, rf"patroni\.yml:{line_of(member.file, 'fense')}\b.*castle\.fense.*fence")
        self.assertFalse(os.path.exists(member.data))

    def test_a_missing_or_empty_file_is_told_in_one_line(self):
        program = agents.Castle().program
        empty = f"{self.cluster.directory}/empty.yml"
        with open(empty, "w", encoding="utf-8"):
            pass
        for path in (f"{self.cluster.directory}/nosuch.yml", empty):
            done = subprocess.run([program, "agent", path], capture_output=True, text=True, check=False, timeout=30)
            self.assertEqual(done.returncode, 1)
            self.assertIn(path, done.stdout + done.stderr)

    # -- who one is

    def test_a_second_agent_of_the_same_name_is_refused(self):
        twin = self.another("twin", name=self.leader.name)
        before = self.leader.postmaster_pid()
        twin.start()
        self.expect_end(twin, 1, rf"(?m)^.{{24}}CRITICAL: Can't start; there is already a node named '{self.leader.name}' "
                                 r"running$")
        self.assertFalse(os.path.exists(twin.data), "it ended before it touched anything")
        self.assertEqual(self.cluster.wait_whole(), self.leader)
        self.assertEqual(self.leader.postmaster_pid(), before)

    def test_a_second_agent_on_the_same_directory_is_refused(self):
        twin = self.another("twin-directory")
        twin.config["postgresql"]["data_dir"] = self.leader.data
        twin.write_config()
        before = self.leader.postmaster_pid()
        twin.start()
        self.expect_end(twin, 1, rf"CRITICAL: {self.leader.data} belongs to another agent")
        self.assertEqual(self.leader.postmaster_pid(), before)
        self.assertEqual(self.cluster.wait_whole(), self.leader)

    def test_a_data_directory_of_another_cluster_is_refused_and_left_alone(self):
        stranger = self.another("stranger", scope="elsewhere")
        stranger.start()
        eventually("the other cluster is there", lambda: stranger.status("/primary") == 200 and stranger.is_primary())
        self.assertEqual(stranger.stop(), 0)
        before = fingerprint(stranger.data)
        stranger.config["scope"] = self.cluster.scope
        stranger.write_config()
        stranger.start()
        self.expect_end(stranger, 1, "system ID mismatch, node stranger belongs to a different cluster")
        self.assertIsNone(stranger.postmaster_pid())
        after = fingerprint(stranger.data)
        changed = {os.path.relpath(path, stranger.data) for path in before if after.get(path) != before[path]}
        self.assertFalse({path for path in changed if not path.endswith((".conf", "patroni.dynamic.json"))}, changed)

    # -- passwords

    def locked_out(self):
        """A new member that cannot copy the leader, and whose file has been corrected since."""
        member = self.another("locked-out")
        right = member.config["postgresql"]["authentication"]["replication"]["password"]
        member.config["postgresql"]["authentication"]["replication"]["password"] = "wrong-one"
        member.write_config()
        member.start()
        eventually("it says so", lambda: 'password authentication failed for user "replicator"' in member.log_text(),
                   within=30)
        self.assertTrue(member.runs)
        self.assertNotIn("wrong-one", member.log_text())
        member.config["postgresql"]["authentication"]["replication"]["password"] = right
        member.write_config()
        return member

    def test_a_corrected_replication_password_reaches_the_next_copy_by_a_reload_over_rest(self):
        member = self.locked_out()
        self.assertEqual(member.api("POST", "/reload", {}).status, 202)
        member.wait_streaming_from(self.leader, within=60)

    def test_a_corrected_replication_password_reaches_the_next_copy_by_a_signal(self):
        member = self.locked_out()
        processes.send(member.agent_pid, signal.SIGHUP)
        member.wait_streaming_from(self.leader, within=60)

    def test_a_corrected_replication_password_reaches_the_next_copy_by_the_command_line(self):
        member = self.locked_out()
        Ctl(self.cluster, [agents.Castle().program])("reload", self.cluster.scope, member.name, "--force")
        member.wait_streaming_from(self.leader, within=60)

    def test_a_wrong_superuser_password_is_told_and_harms_nobody(self):
        replica = self.replica
        authentication = replica.config["postgresql"]["authentication"]["superuser"]
        right = authentication["password"]

        def mend():
            authentication["password"] = right
            replica.write_config()
            if replica.runs:
                replica.stop()
            replica.start()
        self.addCleanup(mend)
        self.assertEqual(replica.stop(), 0)
        authentication["password"] = "not-the-one"
        replica.write_config()
        mark = replica.log_mark()
        replica.start()
        eventually("it says so", lambda: 'password authentication failed for user "postgres"' in replica.log_text(mark),
                   within=30)
        self.assertEqual(self.cluster.leader(), self.leader)
        self.assertNotIn("not-the-one", replica.log_text(mark))

    # -- PostgreSQL

    def test_a_missing_postgresql_is_told_with_the_way_out(self):
        member = self.another("no-server")
        member.config["postgresql"]["bin_dir"] = "/nonexistent/bin"
        member.write_config()
        member.start()
        eventually("it says so", lambda: "/nonexistent/bin" in member.log_text() and "bin_dir" in member.log_text(),
                   within=30)
        self.assertFalse(os.path.exists(member.data))

    def test_a_data_directory_of_another_major_version_is_refused_and_left_alone(self):
        replica = self.replica
        self.assertEqual(replica.stop(), 0)
        version = f"{replica.data}/PG_VERSION"
        with open(version, encoding="utf-8") as file:
            right = file.read()

        def write(text):
            with open(version, "w", encoding="utf-8") as file:
                file.write(text)

        def mend():
            if replica.runs:
                replica.stop()
            write(right)
            replica.start()
        self.addCleanup(mend)
        control = fingerprint(f"{replica.data}/global")
        for other in ("13", "11", "9.6"):  # supported, and long gone
            write(f"{other}\n")
            mark = replica.log_mark()
            replica.start()
            self.assertEqual(replica.process.wait(30), 1)
            self.assertRegex(replica.log_text(mark), rf"CRITICAL: .*{replica.data}.* PostgreSQL {other.split('.', 1)[0]}, "
                                                     rf".* version {right.strip()}; correct postgresql\.bin_dir")
        self.assertEqual(fingerprint(f"{replica.data}/global"), control)
        self.assertEqual(self.cluster.leader(), self.leader)

    def test_a_leader_restarted_before_its_standbys_leaves_none_behind(self):
        # A standby whose settings are lower than its primary's must not replay further.
        leader, replica = self.leader, self.replica

        def set_and_restart(value):
            answer = leader.api("PATCH", "/config", {"postgresql": {"parameters": {"max_connections": value}}})
            self.assertEqual(answer.status, 200, answer)
            for member in (leader, replica):
                eventually("it is pending", lambda m=member: m.api("GET", "/patroni").json().get("pending_restart"))
            self.assertEqual(leader.api("POST", "/restart", {}, timeout=60).status, 200)
        mark = replica.log_mark()
        set_and_restart(150)
        eventually("the standby has it, too", lambda: replica.value("SHOW max_connections") == "150", within=30)
        replica.wait_streaming_from(leader)
        if leader.value("SHOW server_version_num") >= "140000":
            self.assertIn("[resuming_replay]", replica.log_text(mark))
        self.assertNotIn("pending_restart", replica.api("GET", "/patroni").json())
        set_and_restart(None)
        eventually("the primary's value has arrived", lambda: replica.control("max_connections setting") == "100")
        self.assertEqual(replica.api("POST", "/restart", {}, timeout=60).status, 200)
        self.assertEqual(replica.value("SHOW max_connections"), "100")

    def test_a_directory_with_files_of_others_is_told_once_and_left_alone(self):
        member = self.another("occupied")
        os.mkdir(member.data)
        with open(f"{member.data}/thesis.txt", "w", encoding="utf-8") as file:
            file.write("the only copy")
        before = fingerprint(member.data)
        member.start()
        eventually("some cycles have passed", lambda: member.log_text().count("Lock owner:") > 4, within=30)
        told = [line for line in member.log_text().splitlines() if "data directory is not usable" in line]
        self.assertEqual(len(told), 1, told)
        self.assertRegex(told[0], rf" ERROR: .*{member.data} is not empty and .*postgresql\.data_dir, or empty this one")
        self.assertEqual(fingerprint(member.data), before)

    def test_a_server_that_does_not_accept_its_configuration_gives_up_the_leadership(self):
        cluster, old = self.cluster, self.leader
        with open(f"{old.data}/postgresql.auto.conf", "a", encoding="utf-8") as file:
            file.write("foo = 'bar'\n")

        def mend():
            path = f"{old.data}/postgresql.auto.conf"
            with open(path, encoding="utf-8") as file:
                lines = [line for line in file if not line.startswith("foo")]
            with open(path, "w", encoding="utf-8") as file:
                file.writelines(lines)
        self.addCleanup(mend)
        processes.send(old.postmaster_pid(), 9)
        cluster.wait_leader(within=30, other_than=old)
        self.assertIn('unrecognized configuration parameter "foo"', old.log_text())


if __name__ == "__main__":
    main()
