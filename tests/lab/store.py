"""An etcd of one member on every host, and what happens in it, with the time at which it was seen."""
import base64
import http.client
import json
import os
import shutil
import signal
import threading
import time
from collections import namedtuple

from lib import processes, rest
from lib.etcd import Etcd
from lib.waiting import eventually

# One change of a key below the cluster's prefix; `value` is None for a key that is gone.
Change = namedtuple("Change", "at key value revision")


class EtcdMember(Etcd):
    patience = 1.5

    def status(self):
        """What it says of itself, or None."""
        try:
            answer = rest.call(self.port, "POST", "/v3/maintenance/status", {}, timeout=1, address=self.host.address)
            return answer.json() if answer.status == 200 else None
        except (OSError, ValueError, http.client.HTTPException):
            return None

    def leads(self):
        status = self.status()
        return bool(status) and status.get("leader") == status["header"]["member_id"]


class EtcdCluster:
    """Speaks as lib.etcd.Etcd does, through whichever member answers."""

    def __init__(self, hosts):
        self.members = [EtcdMember(host.directory, host, f"e-{host.name}") for host in hosts]
        self._first = 0

    def __getitem__(self, host):
        return next(member for member in self.members if member.host is host)

    @property
    def endpoints(self):
        return [member.endpoint for member in self.members]

    @property
    def processes(self):
        return [member.process for member in self.members]

    def start(self):
        for member in self.members:
            member.begin(self.members)
        for member in self.members:
            member.wait_healthy(30)

    def start_member(self, member):
        """Again, with the data that it has."""
        if not member.runs:
            member.begin(self.members)

    def leader(self):
        return next((member for member in self.members if member.leads()), None)

    def wait_leader(self, other_than=None, within=30):
        return eventually("etcd has a leader", lambda: next(
            (member for member in self.members if member is not other_than and member.leads()), None), within)

    def move_leader(self, member):
        """Makes this member the leader."""
        if member.leads():
            return
        leader, wanted = self.wait_leader(), int(member.status()["header"]["member_id"])
        leader.ctl("move-leader", f"{wanted:x}")
        eventually(f"{member.name} leads", member.leads, within=10)

    def _through_any(self, ask):
        last = None
        for turn in range(len(self.members)):
            index = (self._first + turn) % len(self.members)
            try:
                answer = ask(self.members[index])
                self._first = index
                return answer
            except (OSError, AssertionError, http.client.HTTPException) as error:
                last = error
        raise OSError(f"no etcd answers: {last}")

    def get(self, key):
        return self._through_any(lambda member: member.get(key))

    def keys(self, prefix):
        return self._through_any(lambda member: member.keys(prefix))

    def json(self, key):
        return self._through_any(lambda member: member.json(key))

    def requests(self):
        return sum(member.requests() for member in self.members if member.runs)

    def put(self, key, value):
        self._through_any(lambda member: member.put(key, value))

    def delete(self, key):
        self._through_any(lambda member: member.delete(key))

    def revoke(self, key):
        self._through_any(lambda member: member.revoke(key))

    # -- a new store in place of the old

    def stop(self):
        for member in self.members:
            if member.runs:
                processes.send(member.process.pid, signal.SIGCONT)
                member.kill()

    def snapshot(self, file):
        member = self.wait_leader()
        assert member.ctl("snapshot", "save", file) is not None, "etcdctl snapshot save"

    def replace(self, file=None):
        """All members stop, and a store that was restored from a snapshot, or an empty one, takes their addresses."""
        self.stop()
        listed = ",".join(f"{member.name}={member.peer_url}" for member in self.members)
        for member in self.members:
            shutil.rmtree(member.data)
            if file:
                done = processes.run(["etcdctl", "snapshot", "restore", file, "--name", member.name, "--data-dir",
                                      member.data, "--initial-cluster", listed, "--initial-cluster-token", "restored",
                                      "--initial-advertise-peer-urls", member.peer_url],
                                     env={"ETCDCTL_API": "3", "PATH": os.environ["PATH"]})
                assert done.returncode == 0, done.stderr
        token = [] if file else ["--initial-cluster-token", f"new-{time.monotonic_ns()}"]
        for member in self.members:
            member.begin(self.members, *token)
        for member in self.members:
            member.wait_healthy(30)


class Watch:
    """Collects the changes below a prefix through every member, each at the time when the first of them told."""

    def __init__(self, etcd, prefix):
        self.changes = []
        self._prefix, self._seen, self._lock = prefix, set(), threading.Lock()
        self._end = threading.Event()
        began = time.monotonic()
        self.changes += [Change(began, key, etcd.get(key), 0) for key in etcd.keys(prefix)]
        for member in etcd.members:
            threading.Thread(target=self._run, args=(member,), daemon=True).start()

    def stop(self):
        self._end.set()

    def since(self, at, key=None):
        with self._lock:
            return [change for change in self.changes if change.at >= at and (key is None or change.key == key)]

    def last_value(self, key, before):
        """What stood there at a time, as far as the watch has seen it."""
        with self._lock:
            found = [change.value for change in self.changes if change.key == key and change.at <= before]
        return found[-1] if found else None

    def _run(self, member):
        while not self._end.is_set():
            connection = http.client.HTTPConnection(member.host.address, member.port, timeout=4)
            try:
                end = self._prefix[:-1] + chr(ord(self._prefix[-1]) + 1)
                request = {"create_request": {"key": base64.b64encode(self._prefix.encode()).decode(),
                                              "range_end": base64.b64encode(end.encode()).decode()}}
                connection.request("POST", "/v3/watch", json.dumps(request))
                answer = connection.getresponse()
                while not self._end.is_set():
                    line = answer.readline()
                    if not line:
                        break
                    self._note(json.loads(line).get("result", {}).get("events", []))
            except (OSError, ValueError, http.client.HTTPException):
                self._end.wait(0.05)
            finally:
                connection.close()

    def _note(self, events):
        now = time.monotonic()
        with self._lock:
            for event in events:
                item = event["kv"]
                key, revision = base64.b64decode(item["key"]).decode(), int(item["mod_revision"])
                gone = event.get("type") == "DELETE"
                value = None if gone else base64.b64decode(item.get("value", "")).decode()
                if (key, revision, value) not in self._seen:
                    self._seen.add((key, revision, value))
                    self.changes.append(Change(now, key, value, revision))
