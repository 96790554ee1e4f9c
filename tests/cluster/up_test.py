#!/usr/bin/env python3
"""`pgcastle up`, `status`, `down`, `watch-writes`: a real cluster from one command, its parts killed, its refusals."""
import os
import pwd
import re
import shutil
import signal
import socket
import stat
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import agents, processes  # noqa: E402
from lib.ports import free_port  # noqa: E402
from lib.waiting import eventually  # noqa: E402

PROGRAM = agents.Castle().program
UP_TIME = 240  # seconds; a loaded machine is slow to run initdb


def free_base():
    """A port base whose ports are all free."""
    for _ in range(100):
        base = free_port()
        try:
            for number in [*range(base + 1, base + 4), *range(base + 21, base + 24), base + 41, base + 42]:
                with socket.socket() as probe:
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    probe.bind(("127.0.0.1", number))
            return base
        except OSError:
            continue
    raise AssertionError("no free ports")


class Place:
    """A directory for a cluster, and the commands on it."""

    def __init__(self, user=None):
        self.root = tempfile.mkdtemp(prefix="castle-up-", dir="/tmp")
        processes.directories.add(self.root)
        os.chmod(self.root, 0o755)
        self.user = user
        if user:
            entry = pwd.getpwnam(user)
            os.chown(self.root, entry.pw_uid, entry.pw_gid)
        self.dir = f"{self.root}/cluster"
        self.base = free_base()

    def command(self, *arguments):
        name, *rest = arguments
        return [PROGRAM, name, "--dir", self.dir, *rest]

    def switch(self):
        if not self.user or os.geteuid() != 0:
            return {}
        entry = pwd.getpwnam(self.user)
        return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": [],
                "env": {**os.environ, "HOME": self.root, "TMPDIR": "/tmp"}, "cwd": "/"}

    def run(self, *arguments, within=60):
        done = processes.run(self.command(*arguments), within, **self.switch())
        done.text = done.stdout + done.stderr
        return done

    def up(self, *arguments):
        return self.run("up", "--port-base", str(self.base), *arguments, within=UP_TIME)

    def running(self):
        """Every process that was started for this directory or works in it."""
        found = {}
        for entry in os.listdir("/proc"):
            if not entry.isdigit() or int(entry) == os.getpid():
                continue
            try:
                works_in = os.readlink(f"/proc/{entry}/cwd")
            except OSError:
                works_in = ""
            line = processes.command_line(int(entry))
            if line and (self.dir in line or works_in.startswith(self.dir)):
                found[int(entry)] = line
        return found

    def pid_of(self, part):
        """As `status` shows it."""
        match = re.search(rf"^  {part} +running, process (\d+)", self.run("status").stdout, re.M)
        return int(match.group(1)) if match else None

    def supervisor(self):
        match = re.search(r"supervisor: process (\d+)", self.run("status").stdout)
        return int(match.group(1)) if match else None

    def postmaster(self, member):
        with open(f"{self.dir}/{member}/data/postmaster.pid", encoding="ascii") as file:
            return int(file.readline())

    def leader(self):
        done = processes.run([PROGRAM, "ctl", "-c", f"{self.dir}/patronictl.yml", "list", "-f", "tsv"])
        for line in done.stdout.splitlines():
            cells = line.split("\t")
            if len(cells) > 3 and cells[3] == "Leader":
                return cells[1]
        return None

    def is_whole(self):
        return self.run("status").returncode == 0

    def wait_whole(self):
        eventually("the cluster is whole", self.is_whole, within=90, poll=0.3)

    def sql(self, text):
        string = re.search(r"psql '(.*)'", self.run("status").stdout).group(1)
        done = processes.run(["psql", "-XAtq", "-c", text, string], **self.switch())
        if done.returncode:
            raise AssertionError(done.stderr)
        return done.stdout.strip()

    def close(self):
        if os.path.exists(f"{self.dir}/castle.json"):
            self.run("down", within=UP_TIME)
        shutil.rmtree(self.root, ignore_errors=True)
        processes.directories.discard(self.root)


def text_of(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def show_logs(place):
    logs = f"{place.dir}/log"
    for name in sorted(os.listdir(logs)) if os.path.isdir(logs) else []:
        sys.stderr.write(f"\n==== {name}\n")
        with open(f"{logs}/{name}", encoding="utf-8", errors="replace") as file:
            sys.stderr.write("".join(file.readlines()[-60:]))


class Standing(unittest.TestCase):
    """One cluster for all; each test leaves it whole."""
    place = None

    @classmethod
    def setUpClass(cls):
        cls.place = Place()
        cls.first = cls.place.up()
        if cls.first.returncode:
            show_logs(cls.place)
            cls.place.close()
            raise AssertionError(cls.first.text)

    @classmethod
    def tearDownClass(cls):
        cls.place.close()

    def run(self, result=None):
        before = len(result.failures) + len(result.errors)
        super().run(result)
        if len(result.failures) + len(result.errors) > before:
            show_logs(self.place)

    def tearDown(self):
        self.place.wait_whole()

    def test_tells_progress_table_connection_and_what_to_try(self):
        said = self.first.stdout
        for part in ("etcd", "n1", "n2", "n3"):
            self.assertRegex(said, rf"(?m)^  {part} +[\d.]+ s  ")
        self.assertRegex(said, r"\| Member +\| Host +\| Role +\| State")
        self.assertIn("target_session_attrs=read-write", said)
        self.assertIn(f"http://127.0.0.1:{self.place.base + 21}", said)
        self.assertIn("watch-writes", said)
        self.assertEqual(self.first.stderr, "")

    def test_the_connection_string_finds_the_primary(self):
        self.assertEqual(self.place.sql("SELECT pg_is_in_recovery()"), "f")

    def test_secrets_are_closed_and_all_files_are_in_the_directory(self):
        for folder, _, names in os.walk(self.place.dir):
            for name in names:
                mode = os.lstat(f"{folder}/{name}").st_mode
                if not stat.S_ISLNK(mode):
                    self.assertEqual(mode & 0o077, 0, f"{folder}/{name}")
        self.assertEqual(sorted(os.listdir(self.place.root)), ["cluster"])

    def test_everything_listens_on_loopback_only_and_asks_for_passwords(self):
        with open("/proc/net/tcp", encoding="ascii") as file:
            ports = {}
            for line in file.readlines()[1:]:
                address, state = line.split()[1], line.split()[3]
                if state == "0A":
                    ports[int(address[9:], 16)] = address[:8]
        base = self.place.base
        for port in (base + 1, base + 2, base + 3, base + 21, base + 22, base + 23, base + 41, base + 42):
            self.assertEqual(ports.get(port), "0100007F", port)
        refused = processes.run(["psql", "-w", "-c", "SELECT 1", f"host=127.0.0.1 port={base + 1} user=postgres"],
                                env={**os.environ, "PGPASSFILE": "/dev/null"})
        self.assertNotEqual(refused.returncode, 0)
        refused = processes.run(["etcdctl", f"--endpoints=127.0.0.1:{base + 41}", "get", "", "--prefix"],
                                env={**os.environ, "ETCDCTL_API": "3"})
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("user name is empty", refused.stderr)

    def test_no_password_is_in_a_command_line_or_log(self):
        with open(f"{self.place.dir}/castle.json", encoding="ascii") as file:
            passwords = re.findall(r'":"([A-Za-z0-9]{24})"', file.read())
        self.assertEqual(len(passwords), 5)
        texts = list(self.place.running().values())
        for name in os.listdir(f"{self.place.dir}/log"):
            with open(f"{self.place.dir}/log/{name}", encoding="utf-8", errors="replace") as file:
                texts.append(file.read())
        for password in passwords:
            for text in texts:
                self.assertNotIn(password, text)

    def test_up_on_a_running_cluster_shows_it(self):
        again = self.place.up()
        self.assertEqual(again.returncode, 0, again.text)
        self.assertIn("is running already", again.stdout)
        other = self.place.run("up", "--port-base", str(self.place.base + 1))
        self.assertEqual(other.returncode, 1)
        self.assertIn("--port-base", other.stderr)

    def test_a_killed_agent_comes_back_and_its_server_never_went(self):
        agent, server = self.place.pid_of("n2"), self.place.postmaster("n2")
        os.kill(agent, signal.SIGKILL)
        eventually("another agent", lambda: self.place.pid_of("n2") not in (None, agent))
        self.place.wait_whole()
        self.assertEqual(self.place.postmaster("n2"), server)
        self.assertIn("killed by signal 9", self.place.run("status").stdout)

    def test_a_killed_etcd_comes_back_and_the_primary_stays(self):
        leader = self.place.leader()
        server = self.place.postmaster(leader)
        etcd = self.place.pid_of("etcd")
        os.kill(etcd, signal.SIGKILL)
        eventually("another etcd", lambda: self.place.pid_of("etcd") not in (None, etcd))
        self.place.wait_whole()
        self.assertEqual((self.place.leader(), self.place.postmaster(leader)), (leader, server))

    def test_a_killed_supervisor_harms_nobody_and_up_takes_over(self):
        agents_before = [self.place.pid_of(part) for part in ("etcd", "n1", "n2", "n3")]
        supervisor = self.place.supervisor()
        os.kill(supervisor, signal.SIGKILL)
        eventually("it is gone", lambda: not processes.alive(supervisor))
        status = self.place.run("status")
        self.assertEqual(status.returncode, 3)
        self.assertIn("supervisor of", status.stderr)
        self.assertIn(f"etcd (process {agents_before[0]})", status.stderr)
        again = self.place.up()
        self.assertEqual(again.returncode, 0, again.text)
        self.assertEqual([self.place.pid_of(part) for part in ("etcd", "n1", "n2", "n3")], agents_before)
        # What it took over it also restarts.
        os.kill(agents_before[3], signal.SIGKILL)
        eventually("another agent", lambda: self.place.pid_of("n3") not in (None, agents_before[3]))

    def test_a_client_loses_nothing_when_the_primary_crashes_or_moves(self):
        crash = self.place.run("watch-writes", "--", "kill", "-9", str(self.place.postmaster(self.place.leader())),
                               within=200)
        self.assertEqual(crash.returncode, 0, crash.text)
        self.assertIn("every acknowledged row is there", crash.stdout)
        self.assertRegex(crash.stdout, r"acknowledges again after a gap of \d+ ms")
        self.place.wait_whole()
        before = self.place.leader()
        move = self.place.run("watch-writes", "--", PROGRAM, "ctl", "-c", f"{self.place.dir}/patronictl.yml",
                              "switchover", "--force", within=200)
        self.assertEqual(move.returncode, 0, move.text)
        self.assertRegex(move.stdout, rf"moved {before} -> n[123]")

    def test_down_leaves_nothing_running_and_up_finds_the_data(self):
        self.place.sql("CREATE TABLE kept (word text)")
        self.place.sql("INSERT INTO kept VALUES ('here')")
        leader = self.place.leader()
        down = self.place.run("down", within=UP_TIME)
        self.assertEqual(down.returncode, 0, down.text)
        self.assertEqual(self.place.running(), {})
        self.assertEqual(self.place.run("status").returncode, 3)
        self.assertIn("Nothing", self.place.run("down").stdout)
        again = self.place.up()
        self.assertEqual(again.returncode, 0, again.text)
        self.assertEqual(self.place.sql("SELECT word FROM kept"), "here")
        self.assertEqual(self.place.leader(), leader)  # it was stopped last and has everything
        self.place.sql("DROP TABLE kept")

    def test_down_works_without_a_supervisor(self):
        os.kill(self.place.supervisor(), signal.SIGKILL)
        down = self.place.run("down", within=UP_TIME)
        self.assertEqual(down.returncode, 0, down.text)
        self.assertEqual(self.place.running(), {})
        self.assertEqual(self.place.up().returncode, 0)


class Refusals(unittest.TestCase):
    """One clear line each, and nothing left behind."""

    def setUp(self):
        self.place = Place()
        self.addCleanup(self.place.close)

    def refuse(self, *arguments, says):
        done = self.place.run("up", *arguments, within=60)
        self.assertEqual(done.returncode, 1, done.text)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        for text in says:
            self.assertIn(text, done.stderr)
        self.assertFalse(os.path.exists(self.place.dir))
        self.assertEqual(self.place.running(), {})

    def test_a_taken_port(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", self.place.base + 22))
            taken.listen()
            self.refuse("--port-base", str(self.place.base),
                        says=[f"port {self.place.base + 22}", "REST interface of n2", str(os.getpid()), "--port-base"])

    def test_no_postgresql(self):
        self.refuse("--postgres-bin", "/usr/bin", says=["no program postgres", "--postgres-bin"])

    def test_no_etcd(self):
        self.refuse("--etcd", f"{self.place.root}/etcd", says=["there is no such program", "--etcd"])

    def test_a_directory_of_something_else(self):
        other = f"{self.place.root}/other"
        os.mkdir(other)
        with open(f"{other}/letter", "w", encoding="ascii"):
            pass
        done = processes.run([PROGRAM, "up", "--dir", other])
        self.assertEqual(done.returncode, 1)
        self.assertIn("holds something else (letter)", done.stderr)
        self.assertEqual(os.listdir(other), ["letter"])

    @unittest.skipUnless(os.geteuid() == 0, "only root can make a small file system")
    def test_too_little_disk(self):
        script = 'mount -t tmpfs -o size=50m,mode=755 none "$1" && "$2" up --dir "$1/cluster"; code=$?; ls "$1"; exit $code'
        done = processes.run(["unshare", "--mount", "sh", "-c", script, "sh", self.place.root, PROGRAM])
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        self.assertIn("too little disk space", done.stderr)
        self.assertEqual(done.stdout, "")


class ComingUp(unittest.TestCase):
    def setUp(self):
        self.place = Place()
        self.addCleanup(self.place.close)

    def test_interrupted_it_leaves_nothing_running_and_can_be_resumed(self):
        log = f"{self.place.root}/up.log"
        up = processes.start(self.place.command("up", "--port-base", str(self.place.base), "--nodes", "2"), log)
        eventually("the first member is made", lambda: os.path.exists(f"{self.place.dir}/n1/data") or
                   os.path.exists(f"{self.place.dir}/n2/data"), within=UP_TIME)
        up.send_signal(signal.SIGINT)
        status = up.wait(UP_TIME)
        said = text_of(log)
        self.assertEqual(status, 130, said)
        self.assertIn("go on with: ", said)
        self.assertEqual(self.place.running(), {})
        again = self.place.up()
        if again.returncode:
            show_logs(self.place)
        self.assertEqual(again.returncode, 0, again.text)
        self.assertTrue(self.place.is_whole())

    def test_as_an_ordinary_user_in_the_foreground(self):
        self.place.close()
        self.place = Place("postgres" if os.geteuid() == 0 else None)
        self.addCleanup(self.place.close)
        log = f"{self.place.root}/up.log"
        up = processes.start(
            self.place.command("up", "--port-base", str(self.place.base), "--nodes", "1", "--foreground"), log,
            user=self.place.user, env={"HOME": self.place.root, "TMPDIR": "/tmp"})

        def shown():
            if up.poll() is not None:
                raise SystemExit(f"up has ended: {text_of(log)}")
            return "Stop:" in text_of(log)
        eventually("it is up", shown, within=UP_TIME)
        self.assertEqual(self.place.sql("SELECT 1"), "1")
        for pid, line in self.place.running().items():
            try:
                self.assertNotEqual(os.stat(f"/proc/{pid}").st_uid, 0, line)
            except FileNotFoundError:
                pass  # it has ended since
        up.send_signal(signal.SIGTERM)
        self.assertEqual(up.wait(UP_TIME), 0, text_of(log))
        self.assertEqual(self.place.running(), {})


if __name__ == "__main__":
    processes.become_subreaper(1500)
    unittest.main(verbosity=2)
