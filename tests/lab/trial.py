"""One fault, once: load on a whole cluster, the fault, whole again; then what was seen is judged and measured."""
import re
import statistics
import time
from dataclasses import dataclass, field

import psycopg2

from lib import agents, ledger
from lib.waiting import NotInTime, eventually
from lib.writers import TABLE, FreshWriter, MultiHostWriter, NodeWriter

PAUSE = 0.004  # between two inserts of one writer: seven of them and three servers share the machine's cores
PROMOTED = r"LOG:  archive recovery complete"  # in the log of a server that has begun its timeline
AFTER_THAW = 0.05  # how long the server of a paused machine may go on after it wakes, when nobody could tell it to stop


@dataclass
class Outcome:
    fault: str
    timing: str
    wrong: list = field(default_factory=list)  # what must not be; empty if the trial passed
    gaps: dict = field(default_factory=dict)  # probe: seconds
    phases: dict = field(default_factory=dict)  # what: seconds after the fault
    failed_statements: int = 0
    rows_acknowledged: int = 0
    rows_lost: int = 0
    bytes_lost: int = 0
    bytes_allowed: int = 0
    two_primaries: float = 0.0  # seconds from the first to the last proof
    after_thaw: int = 0  # acknowledgements of a paused machine just after it woke, counted apart
    notes: list = field(default_factory=list)


class Trial:
    """What a fault has at hand. `old` is the leader at the beginning."""

    def __init__(self, lab, fault, quick=False):
        """`quick` leaves it open how long the slowest clients would have needed."""
        self.lab, self.fault, self.quick = lab, fault, quick
        self.outcome = Outcome(fault.name, ",".join(str(lab.timing[key]) for key in
                                                    ("ttl", "loop_wait", "retry_timeout")))
        self.old = None
        self.began = self.at = self.thawed_at = self.ended = None
        self.impostor = None  # the name of a member whose server somebody else makes a primary
        self._marks = {}
        self._clean_ups = []

    # -- for faults

    def strike(self):
        """The fault is in: times count from here, from the last call if there are several."""
        self.at = time.monotonic()

    def thawed(self):
        self.thawed_at = time.monotonic()

    def phase(self, what, at):
        self.outcome.phases[what] = at - self.at

    def phase_logged(self, what, member, pattern):
        """When the log of that member's agent and its server first said so after the fault, by the log's own clock."""
        struck = time.time() - (time.monotonic() - self.at)
        for line in member.log_text(self._marks[member.name]).splitlines():
            if re.search(pattern, line):
                at = agents.log_time(line)
                if at and at >= struck:
                    self.outcome.phases[what] = at - struck
                    return

    def note(self, text):
        self.outcome.notes.append(text)

    def afterwards(self, call, *arguments):
        """Done at the end whatever happens, the last first: a fault that is still in must not outlive its trial."""
        self._clean_ups.append((call, arguments))

    @property
    def ttl(self):
        return self.lab.timing["ttl"]

    @property
    def patience(self):
        """How long a cluster that has lost its leader may take to have another, everything included."""
        return self.ttl + 2 * self.lab.timing["loop_wait"] + self.lab.timing["retry_timeout"] + 30

    def move_etcd_leader(self, host):
        """A new leader of etcd prolongs every lease at once: waits until the usual renewals have followed."""
        etcd = self.lab.etcd
        if not etcd[host].leads():
            etcd.move_leader(etcd[host])
            self.hold(self.lab.timing["loop_wait"] + 1)

    def wait_replaced(self, within=None):
        """Another leads, and the clients write again."""
        new = self.lab.wait_leader(within or self.patience, other_than=self.old)
        self.wait_flowing()
        return new

    def wait_flowing(self, within=None):
        """Clients that connect now can write."""
        before = len(self.fresh.acks)
        eventually("a new client can write", lambda: len(self.fresh.acks) > before + 5, within or self.patience)

    def wait_flowing_on(self, member, within=None):
        """The client on that member's own host can write."""
        writer = next(writer for writer in self.nodes if writer.name == member.name)
        before = len(writer.acks)
        eventually(f"{member.name} acknowledges", lambda: len(writer.acks) > before + 5, within or self.patience)

    def wait_demoted(self, within=None):
        eventually(f"{self.old.name} is no primary any more", lambda: self.old.is_primary() is not True,
                   within or self.patience)

    def hold(self, seconds):
        """The fault itself lasts a time."""
        time.sleep(seconds)

    def standby(self):
        return next(member for member in self.lab.members if member is not self.old)

    # -- the run

    def run(self):
        lab = self.lab
        self.old = lab.wait_whole()
        self.old.sql(TABLE)
        self.old.sql("TRUNCATE lab")
        lab.wait_caught_up()
        self._start_probes()
        try:
            self.wait_flowing()
            if not self.quick:
                self._wait_for_clients()
            self.began = self.at = time.monotonic()
            self._marks = {member.name: member.log_mark() for member in lab}
            self._attempt()
            if not self.quick:
                self._wait_for_clients()
        finally:
            self.ended = time.monotonic()
            lab.network.mend()
            for writer in self.writers:
                writer.stop()
        self._judge()
        return self.outcome

    def _attempt(self):
        lab, wrong = self.lab, self.outcome.wrong
        try:
            try:
                self.fault.function(self)
            finally:
                while self._clean_ups:
                    call, arguments = self._clean_ups.pop()
                    call(*arguments)
            healed = time.monotonic()
            for member in lab.members:
                if not member.runs:
                    wrong.append(f"the agent of {member.name} ended with {member.process.poll()}")
            lab.wait_whole(self.patience + self.fault.heals_within)
            self.outcome.phases["whole after the end of the fault"] = time.monotonic() - healed
            self.wait_flowing()
        except (NotInTime, AssertionError, OSError, psycopg2.Error) as error:
            wrong.append(f"{type(error).__name__}: {error}")
        for member in lab.members:
            wrong += [f"{member.name}: {text}" for text in member.complaints(self._marks[member.name])]

    def _wait_for_clients(self):
        """Until each of them writes again, so that its gap has an end; a slow proxy is not the cluster's fault."""
        before = {writer.name: len(writer.acks) for writer in self.clients}
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            if all(len(writer.acks) > before[writer.name] for writer in self.clients):
                return
            time.sleep(0.05)

    def _start_probes(self):
        lab = self.lab
        self.nodes = [NodeWriter(member) for member in lab]
        self.kept = MultiHostWriter(lab.multi_host(), "kept")
        self.fresh = FreshWriter(lab.multi_host(), "fresh")
        self.clients = [self.kept, self.fresh]
        for name, proxy in lab.proxies.items():
            self.clients += [MultiHostWriter(lab.dsn(proxy), f"kept, {name}"),
                             FreshWriter(lab.dsn(proxy), f"fresh, {name}")]
        self.writers = [*self.nodes, *self.clients]
        for writer in self.writers:
            writer.pause = PAUSE
            writer.start()

    # -- the verdict

    def _judge(self):
        outcome, wrong = self.outcome, self.outcome.wrong
        direct = [ack for writer in self.nodes for ack in writer.acks]
        acks = [ack for writer in self.writers for ack in writer.acks]
        self._judge_doubles(direct)
        outcome.gaps["any"] = ledger.longest_gap(acks, self.at, self.ended)
        for writer in self.clients:
            outcome.gaps[writer.name] = ledger.longest_gap(writer.acks, self.at, self.ended)
            last = max((ack.acked for ack in writer.acks), default=self.began)
            if self.ended - last > 5:
                outcome.notes.append(f"{writer.name}: nothing in its last {self.ended - last:.0f} s")
        outcome.failed_statements = sum(1 for at, _ in self.kept.errors if at >= self.began)
        outcome.rows_acknowledged = len(acks)
        self._measure_phases(direct)
        try:
            self._judge_losses(acks)
        except (NotInTime, psycopg2.Error, OSError) as error:
            wrong.append(f"the rows could not be counted: {error}")

    def _by_hand(self, ack):
        return ack.node == self.impostor and ack.acked >= self.at

    def _judge_doubles(self, direct):
        outcome = self.outcome
        if self.impostor:
            own = [ack for ack in direct if self._by_hand(ack)]
            direct = [ack for ack in direct if not self._by_hand(ack)]
            first = min((ack.acked for ack in own), default=self.at)
            last = max((ack.acked for ack in own), default=first)
            outcome.notes.append(f"the server that somebody made a primary acknowledged {len(own)} inserts, from "
                                 f"{(first - self.at) * 1000:.0f} to {(last - self.at) * 1000:.0f} ms after that")
            if last - first > self.fault.by_hand:
                outcome.wrong.append(f"it was ended {last - first:.3f} s after the first of them only")
        found = ledger.doubles(direct)
        if self.thawed_at:
            excused = [double for double in found if self.fault.pauses_machine
                       and self.thawed_at <= double.ack.acked <= self.thawed_at + AFTER_THAW]
            outcome.after_thaw = len(excused)
            found = [double for double in found if double not in excused]
        if found:
            times = [double.ack.acked for double in found]
            outcome.two_primaries = max(times) - min(times)
            first = min(found, key=lambda double: double.ack.acked)
            outcome.wrong.append(
                f"two primaries: {len(found)} acknowledgements in {outcome.two_primaries:.3f} s; the first by "
                f"{first.ack.node} on timeline {first.ack.timeline}, {first.after * 1000:.1f} ms after "
                f"{first.first.node} had acknowledged on timeline {first.first.timeline}"
                + (f", {(first.ack.acked - self.thawed_at) * 1000:.1f} ms after the thaw" if self.thawed_at else ""))

    def _judge_losses(self, acks):
        lab, outcome = self.lab, self.outcome
        leader = lab.wait_leader()
        there = {row[0] for row in leader.sql("SELECT id FROM lab")}
        lost = [ack for ack in acks if ack.id not in there]
        switches = history(leader)
        if self.impostor:  # what it acknowledged, to whomever, was never the cluster's
            theirs = {ack.timeline for ack in acks if self._by_hand(ack)}
            lost = [ack for ack in lost if ack.acked < self.at or
                    ack.timeline not in theirs and ack.timeline in switches]
        outcome.rows_lost = len(lost)
        if not lost:
            return
        if self.fault.loses_nothing:
            outcome.wrong.append(f"{len(lost)} acknowledged rows are lost")
        for timeline in {ack.timeline for ack in lost}:
            end = max(ack.position for ack in acks if ack.timeline == timeline)
            if timeline not in switches:
                outcome.wrong.append(f"rows of timeline {timeline} are lost, and the history does not say where it ended")
                continue
            published = self._published_before(self._taken_over_at())
            outcome.bytes_lost += max(0, end - switches[timeline])
            outcome.bytes_allowed += lab.timing["maximum_lag_on_failover"] + max(0, end - published)
        if outcome.bytes_lost > outcome.bytes_allowed:
            outcome.wrong.append(f"{outcome.bytes_lost} bytes lost, more than {outcome.bytes_allowed}")

    def _taken_over_at(self):
        changes = self.lab.watch.since(self.began, self.lab.key("leader"))
        return next((change.at for change in changes if change.value not in (None, self.old.name)), time.monotonic())

    def _published_before(self, at):
        """The last position that the leader had told the store."""
        text = self.lab.watch.last_value(self.lab.key("status"), at)
        found = re.search(r'"optime":\s*(\d+)', text or "")
        return int(found.group(1)) if found else 0

    def _measure_phases(self, direct):
        lab = self.lab
        changes = lab.watch.since(self.at, lab.key("leader"))
        free = next((change for change in changes if change.value is None), None)
        taken = next((change for change in changes if change.value not in (None, self.old.name)), None)
        if free:
            self.phase("lock free", free.at)
        if taken:
            self.phase("lock taken", taken.at)
            new = next((member for member in lab if member.name == taken.value), None)
            if new:
                self.phase_logged("noticed", new, lab.kind.noticed)
                self.phase_logged("promoted", new, PROMOTED)
            first = min((ack.acked for ack in direct if ack.node == taken.value and ack.acked >= self.at), default=None)
            if first:
                self.phase("first write", first)


def history(member):
    """Timeline: the position at which it ended, from the newest history file of the member's server."""
    found = {}
    files = member.sql("SELECT pg_read_file('pg_wal/' || name) FROM pg_ls_dir('pg_wal') AS name "
                       "WHERE name LIKE '%.history' ORDER BY name")
    for (text,) in files:
        for line in text.splitlines():
            parts = line.split()
            if len(parts) >= 2 and parts[0].isdigit():
                high, _, low = parts[1].partition("/")
                found[int(parts[0])] = (int(high, 16) << 32) + int(low, 16)
    return found


def median(values):
    values = [value for value in values if value is not None]
    return statistics.median(values) if values else None
