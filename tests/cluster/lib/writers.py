"""Clients that write and remember what was acknowledged, and when.

A NodeWriter is connected directly to one server, from the host of that server, and never asks who leads: it is how two
writable servers would be seen. A MultiHostWriter is an application's client: a kept connection, that finds the primary
again when it breaks. A FreshWriter is one that connects anew for every statement.
"""
import threading
import time
from collections import namedtuple

import psycopg2

from .host import Loopback
from .ledger import doubles, longest_gap
from .member import PASSWORD, SUPERUSER

# One acknowledged insert: `sent` and `acked` on the monotonic clock, and the server's own word on its timeline and on
# the end of its WAL when the row was in (the commit itself follows).
Ack = namedtuple("Ack", "id node timeline sent acked position")

TABLE = "CREATE TABLE IF NOT EXISTS lab (id bigint PRIMARY KEY, written_by text NOT NULL)"
INSERT = """INSERT INTO lab VALUES (%s, %s)
            RETURNING ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int,
                      (pg_current_wal_insert_lsn() - '0/0')::bigint"""
QUIET = "-c log_min_messages=panic"  # hundreds of refusals a second would bury the server log
PAUSE = 0.002  # between two inserts: three writers and three servers share the machine's cores

_ids = iter(range(1, 1 << 62))
_ids_lock = threading.Lock()


def _next_id():
    with _ids_lock:
        return next(_ids)


class _Writer:
    pause = PAUSE

    def __init__(self, name, host=None):
        self.name = name
        self.host = host or Loopback()
        self.acks, self.errors = [], []
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._connection = None

    def start(self):
        self._thread.start()
        return self

    def stop(self):
        self._end.set()
        self._thread.join(15)
        assert not self._thread.is_alive(), f"writer {self.name} hangs"

    def _connect(self):
        raise NotImplementedError

    def _run(self):
        with self.host.inside():
            while not self._end.is_set():
                try:
                    if self._connection is None:
                        self._connection = self._connect()
                        self._connection.autocommit = True
                    self._insert()
                    self._after()
                    time.sleep(self.pause)
                except psycopg2.Error as error:
                    self._failed(error)
            self._drop()

    def _after(self):
        """What follows an acknowledged insert."""

    def _insert(self):
        number = _next_id()
        with self._connection.cursor() as cursor:
            sent = time.monotonic()
            cursor.execute(INSERT, (number, self.name))
            acked = time.monotonic()
            timeline, position = cursor.fetchone()
            self.acks.append(Ack(number, self.name, timeline, sent, acked, position))

    def _failed(self, error):
        self.errors.append((time.monotonic(), str(error).strip()))
        if self._connection is not None and (self._connection.closed or not self._refused(error)):
            self._drop()
        time.sleep(0.005)

    @staticmethod
    def _refused(error):
        """A standby says no; the connection is good and is kept."""
        return error.pgcode in ("25006", "55000")  # read-only transaction, recovery is in progress

    def _drop(self):
        try:
            if self._connection is not None:
                self._connection.close()
        except psycopg2.Error:
            pass
        self._connection = None


class NodeWriter(_Writer):
    def __init__(self, member):
        super().__init__(member.name, member.host)
        self._member = member

    def _connect(self):
        return psycopg2.connect(host=self._member.host.address, port=self._member.port, user=SUPERUSER, password=PASSWORD,
                                dbname="postgres", connect_timeout=3, application_name="lab writer", options=QUIET)


class MultiHostWriter(_Writer):
    def __init__(self, dsn, name="client", host=None):
        super().__init__(name, host)
        self._dsn = dsn

    @staticmethod
    def _refused(error):
        return False  # a client that is told "read-only" looks for the primary

    def _connect(self):
        return psycopg2.connect(self._dsn, user=SUPERUSER, password=PASSWORD, application_name="lab client", options=QUIET)

    def longest_gap(self, since, until=None):
        """The longest time without an acknowledged insert, in seconds; `since` is a time on the monotonic clock."""
        return longest_gap(list(self.acks), since, until or time.monotonic())


class FreshWriter(MultiHostWriter):
    """A connection for each statement."""

    def _after(self):
        self._drop()


class Load:
    """One writer on every node, and one client; use it as a context around what is done to the cluster."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.nodes = [NodeWriter(member) for member in cluster]
        self.client = MultiHostWriter(cluster.multi_host())
        self.writers = [*self.nodes, self.client]

    def __enter__(self):
        self.cluster.wait_leader().sql(TABLE)
        self.began = time.monotonic()
        for writer in self.writers:
            writer.start()
        self.wait_flowing()
        return self

    def __exit__(self, *_):
        for writer in self.writers:
            writer.stop()

    def wait_flowing(self, within=60.0):
        """The client has written something since now."""
        before = len(self.client.acks)
        deadline = time.monotonic() + within
        while len(self.client.acks) < before + 20:
            if time.monotonic() > deadline:
                last = self.client.errors[-1:]
                raise AssertionError(f"the client could not write for {within:g} s; last error: {last}")
            time.sleep(0.02)

    # -- the ledger

    def acks(self):
        return sorted((ack for writer in self.writers for ack in writer.acks), key=lambda ack: ack.acked)

    def expect_never_two_primaries(self):
        """Every timeline was written by one server, and once a newer one was, the older never again."""
        found = doubles([ack for writer in self.nodes for ack in writer.acks])
        if found:
            double = found[0]
            raise AssertionError(
                f"two writable servers: {double.ack.node} accepted {double.ack.id} on timeline {double.ack.timeline} "
                f"{double.after * 1000:.1f} ms after {double.first.node} had accepted {double.first.id} on timeline "
                f"{double.first.timeline}, and {len(found) - 1} more")

    def lost(self):
        """The acknowledged rows that the present primary does not have."""
        acks = self.acks()
        there = {row[0] for row in self.cluster.wait_leader().sql("SELECT id FROM lab")}
        return [ack for ack in acks if ack.id not in there]

    def expect_nothing_lost(self):
        lost = self.lost()
        assert not lost, f"{len(lost)} acknowledged rows are lost, of {len(self.acks())}; the first: {lost[0]}"
