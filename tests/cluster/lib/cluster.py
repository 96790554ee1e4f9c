"""A whole real cluster on loopback: one etcd, members with their agents, in a directory of its own."""
import os
import shutil
import tempfile
import time

from . import processes
from .etcd import Etcd
from .host import Loopback
from .member import Member
from .waiting import eventually

# What the tests use: as short as the contract lets members with a fence go, so that a test of a lapsed lease is quick.
SHORT = {"ttl": 6, "loop_wait": 1, "retry_timeout": 2, "maximum_lag_on_failover": 1048576}
# The least that the peer accepts.
SHORT_PEER = {"ttl": 20, "loop_wait": 1, "retry_timeout": 3, "maximum_lag_on_failover": 1048576}


def roomy_place():
    """Memory, if there is plenty: no test cuts the power of the machine, and a busy disk makes everything slow."""
    memory = "/dev/shm"
    try:
        room = os.statvfs(memory)
        if "TMPDIR" not in os.environ and room.f_bavail * room.f_frsize > 4 << 30 and os.access(memory, os.W_OK):
            return memory
    except OSError:
        pass
    return None  # the usual temporary directory


class Cluster:
    def __init__(self, kind, members=3, scope="lab", timing=None, user=None, parameters=None):
        self.kind, self.scope = kind, scope
        self.timing = timing or (SHORT if kind.is_ours else SHORT_PEER)
        self.parameters = parameters or {"shared_buffers": "16MB"}
        self.directory = self.make_directory()
        names = [f"n{number}" for number in range(1, members + 1)]
        self.hosts = {name: self.make_host(name) for name in names}
        self.etcd = self.make_etcd()
        self.strangers = []  # members that a test adds and that do not count for the cluster to be whole
        self.members = [Member(self, name, kind, user, self.hosts[name]) for name in names]

    # -- where it runs; tests/lab has other answers

    def make_directory(self):
        directory = tempfile.mkdtemp(prefix="castle-lab-", dir=roomy_place())
        processes.directories.add(directory)
        os.chmod(directory, 0o755)
        processes.give_to_owner(directory)
        return directory

    def make_host(self, _name):
        return Loopback()

    def make_etcd(self):
        return Etcd(self.directory)

    def __iter__(self):
        return iter(self.members)

    def __getitem__(self, name):
        return next(member for member in self.members if member.name == name)

    def key(self, name):
        return f"/service/{self.scope}/{name}"

    def start(self, within=120.0):
        self.etcd.start()
        for member in self.members:
            member.start()
        self.wait_whole(within)
        return self

    def close(self):
        """Ends every process of this cluster, whatever state it is in, and removes its files."""
        processes.kill_all_ours()
        for process in [*self.etcd.processes, *(member.process for member in [*self.members, *self.strangers])]:
            if process:
                process.wait()
        if not os.environ.get("CASTLE_LAB_KEEP"):
            shutil.rmtree(self.directory, ignore_errors=True)

    # -- who leads

    def leader(self):
        """The member that the store names and whose server is writable; None while there is no such."""
        name = self.etcd.get(self.key("leader"))
        member = next((m for m in self.members if m.name == name), None)
        return member if member and member.is_primary() else None

    def wait_leader(self, within=60.0, other_than=None):
        def found():
            leader = self.leader()
            return leader if leader and leader is not other_than else None
        return eventually("a leader" + (f" other than {other_than.name}" if other_than else ""), found, within)

    def replicas(self):
        leader = self.wait_leader()
        return [member for member in self.members if member is not leader and member.runs]

    def whole(self):
        """One leader, everybody else with a running agent streams from it on its timeline, and all of them say so."""
        leader = self.leader()
        if not leader or not leader.runs:
            return None
        assert leader.status("/primary") == 200, f"{leader.name} does not answer 200 to /primary"
        for member in self.members:
            if member is leader or not member.runs:
                continue
            assert member.streams_from(leader), f"{member.name} does not stream from {leader.name}"
            assert member.status("/replica") == 200, f"{member.name} does not answer 200 to /replica"
            assert member.status("/primary") == 503, f"{member.name} does not answer 503 to /primary"
        return leader

    def wait_whole(self, within=90.0):
        """The cluster heals itself, without a human: waits for it, and returns the leader."""
        until = time.monotonic() + within
        eventually("the cluster is whole", self.whole, within)
        # A standby that has only just begun to stream lags by a segment: nobody could take over yet. And after a network
        # was silent TCP may send again only when as much time has passed once more (RFC 6298, 5.5).
        return self.wait_caught_up(max(30.0, until - time.monotonic()))

    def wait_caught_up(self, within=30.0):
        """Every replica has replayed what the leader has written so far."""
        leader = self.wait_leader()
        position = leader.value("SELECT pg_current_wal_flush_lsn()::text")
        for member in self.replicas():
            eventually(f"{member.name} replayed {position}", lambda m=member: m.value(
                "SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", (position,)), within)
        return leader

    # -- connection strings

    def multi_host(self):
        hosts = ",".join(member.host.address for member in self.members)
        ports = ",".join(str(member.port) for member in self.members)
        return f"host={hosts} port={ports} dbname=postgres target_session_attrs=read-write connect_timeout=2"
