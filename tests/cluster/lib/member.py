"""One member of a cluster: its configuration file, its agent, and ways to look at its server."""
import glob
import os
import re
import signal
import subprocess

import psycopg2
import yaml

from . import processes, rest
from .host import Loopback
from .waiting import eventually

SUPERUSER, PASSWORD = "postgres", "super-Secret 1"
COMPLAINT = re.compile(r"please report it as a BUG|(ERROR|WARNING): \w+Sanitizer|: runtime error: ")


def postgres_bin():
    found = os.environ.get("CASTLE_PG_BIN") or max(glob.glob("/usr/lib/postgresql/*/bin"), default=None)
    if not found:
        raise SystemExit("no PostgreSQL below /usr/lib/postgresql; set CASTLE_PG_BIN")
    return found


class Member:
    def __init__(self, cluster, name, kind, user=None, host=None):
        self.cluster, self.name, self.kind = cluster, name, kind
        self.host = host or Loopback()
        # Agents of ours run as root where the tests do; the peer has no way to run its server as somebody else.
        self.user = user or (None if kind.is_ours else processes.owner_name())
        self.directory = f"{cluster.directory}/{name}"
        os.makedirs(self.directory, 0o755, exist_ok=True)
        processes.give_to_owner(self.directory)
        self.data = f"{self.host.disk(self.directory)}/data"
        self.file = f"{self.directory}/patroni.yml"
        self.log = f"{self.directory}/agent.log"
        self.port, self.api_port = self.host.port(5432), self.host.port(8008)
        self.process = None
        self.config = self._config()
        self.write_config()

    # -- configuration

    def _config(self):
        cluster, address = self.cluster, self.host.address
        return {
            "scope": cluster.scope,
            "name": self.name,
            "restapi": {"listen": f"{address}:{self.api_port}", "connect_address": f"{address}:{self.api_port}"},
            "etcd3": {"hosts": cluster.etcd.endpoints},
            "bootstrap": {
                "dcs": {**cluster.timing, "postgresql": {"use_pg_rewind": True, "parameters": cluster.parameters}},
                "initdb": [{"encoding": "UTF8"}, {"locale": "C"}, {"auth": "md5"}, "data-checksums"],
                "pg_hba": [f"host all all {self.host.neighbours} md5",
                           f"host replication replicator {self.host.neighbours} md5"],
            },
            "postgresql": {
                "listen": f"{address}:{self.port}",
                "connect_address": f"{address}:{self.port}",
                "data_dir": self.data,
                "bin_dir": postgres_bin(),
                "pgpass": f"{self.directory}/pgpass",
                "authentication": {
                    "superuser": {"username": SUPERUSER, "password": PASSWORD},
                    "replication": {"username": "replicator", "password": "repl:Secret\\2"},
                    "rewind": {"username": "rewinder", "password": "rewind Secret'3"},
                },
                "parameters": {"unix_socket_directories": self.directory},
            },
            "watchdog": {"mode": "off"},  # several members on one machine, and perhaps a real device
            **self.kind.settings(self.directory),
        }

    def write_config(self):
        with open(self.file, "w", encoding="utf-8") as file:
            yaml.safe_dump(self.config, file, sort_keys=False)
        os.chmod(self.file, 0o644)

    # -- the agent

    def start(self, env=None):
        assert self.process is None or self.process.poll() is not None, f"{self.name} runs already"
        with self.host.inside():
            self.process = processes.start(self.kind.command(self.file), self.log, self.user, env, self.directory)
        return self

    def become(self, kind):
        """The next agent is of that kind, with the same file but for our own section."""
        self.kind = kind
        self.config.update(kind.settings(self.directory))
        self.write_config()
        return self

    @property
    def agent_pid(self):
        return self.process.pid

    @property
    def runs(self):
        return self.process is not None and self.process.poll() is None

    def stop(self, within=60.0):
        """A clean stop, as a service manager asks for it. Returns the exit status."""
        processes.send(self.process.pid, signal.SIGTERM)
        try:
            return self.process.wait(within)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the agent of {self.name} did not end within {within:g} s of SIGTERM") from None

    def kill_agent(self):
        self.process.kill()
        self.process.wait()

    def freeze_agent(self):
        processes.send(self.process.pid, signal.SIGSTOP)

    def thaw_agent(self):
        processes.send(self.process.pid, signal.SIGCONT)

    def log_text(self, since=0):
        with open(self.log, encoding="utf-8", errors="replace") as file:
            file.seek(since)
            return file.read()

    def complaints(self, since=0):
        """What an agent or a fence says only if it is wrong itself: sanitizers write there, and let it go on."""
        return [line for line in self.log_text(since).splitlines() if COMPLAINT.search(line)]

    def log_mark(self):
        return os.path.getsize(self.log)

    # -- the server

    def postmaster_pid(self):
        """From the server's own file; None when there is none or that process is dead."""
        try:
            with open(f"{self.data}/postmaster.pid", encoding="utf-8") as file:
                pid = int(file.readline())
        except (OSError, ValueError):
            return None
        return pid if processes.alive(pid) else None

    def fence_pid(self):
        """The parent of the postmaster, if that is our fence."""
        postmaster = self.postmaster_pid()
        parent = processes.parent_of(postmaster) if postmaster else None
        return parent if parent and "pgcastle-fence" in processes.command_line(parent) else None

    def connect(self, autocommit=True, **options):
        connection = psycopg2.connect(host=self.host.address, port=self.port, user=SUPERUSER, password=PASSWORD,
                                      dbname="postgres", connect_timeout=5, application_name="lab", **options)
        connection.autocommit = autocommit
        return connection

    def sql(self, query, parameters=None):
        """All rows; a connection of its own, so that nobody has to care what happened to the last."""
        connection = self.connect()
        try:
            with connection.cursor() as cursor:
                cursor.execute(query, parameters)
                return cursor.fetchall() if cursor.description else None
        finally:
            connection.close()

    def value(self, query, parameters=None):
        return self.sql(query, parameters)[0][0]

    def is_primary(self):
        """True, False, or None if the server does not answer."""
        try:
            return not self.value("SELECT pg_is_in_recovery()")
        except psycopg2.Error:
            return None

    def started_at(self):
        return self.value("SELECT pg_postmaster_start_time()")

    def control(self, label):
        out = subprocess.run([f"{postgres_bin()}/pg_controldata", self.data], capture_output=True, text=True,
                             check=True, env={"LC_ALL": "C"}).stdout
        return re.search(rf"^{re.escape(label)}:\s*(.*)$", out, re.M).group(1)

    # -- its REST interface

    def api(self, method, path, body=None, **options):
        return rest.call(self.api_port, method, path, body, address=self.host.address, **options)

    def status(self, path):
        try:
            return self.api("GET", path, timeout=5).status
        except OSError:
            return None

    def wait_streaming_from(self, leader, within=60.0):
        eventually(f"{self.name} streams from {leader.name}", lambda: self.streams_from(leader), within)

    def streams_from(self, leader):
        timeline = leader.value("SELECT ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int")
        rows = self.sql("SELECT received_tli, status, conninfo FROM pg_stat_wal_receiver")
        if not rows or rows[0][:2] != (timeline, "streaming"):
            return False
        # Not by the client library: it may be older than the server, and not know all that stands there.
        upstream = dict(re.findall(r"(\w+)=('[^']*'|\S*)", rows[0][2]))
        return (upstream["host"], upstream["port"]) == (leader.host.address, str(leader.port))
