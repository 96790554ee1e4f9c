"""A real etcd: of one node here; tests/lab makes a cluster of several."""
import base64
import json
import signal
import subprocess

from . import processes, rest
from .host import Loopback
from .waiting import eventually


class Etcd:
    patience = 5  # seconds for an answer

    def __init__(self, directory, host=None, name="lab"):
        self.host, self.name = host or Loopback(), name
        self.port, self._peer_port = self.host.port(2379), self.host.port(2380)
        self.data = f"{directory}/etcd"
        self._directory = directory
        self.log = f"{directory}/etcd.log"
        self.process = None

    @property
    def endpoint(self):
        return f"{self.host.address}:{self.port}"

    @property
    def endpoints(self):
        return [self.endpoint]

    @property
    def peer_url(self):
        return f"http://{self.host.address}:{self._peer_port}"

    @property
    def processes(self):
        return [self.process]

    def start(self):
        self.begin([self])
        self.wait_healthy()

    def begin(self, members, *options):
        """Starts the process as one of `members`, and does not wait for it."""
        url, peer = f"http://{self.endpoint}", self.peer_url
        with self.host.inside():
            self.process = processes.start(
                ["etcd", "--name", self.name, "--data-dir", self.data, "--listen-client-urls", url,
                 "--advertise-client-urls", url, "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
                 "--initial-cluster", ",".join(f"{member.name}={member.peer_url}" for member in members),
                 "--log-level", "warn", *options],
                self.log, env={"ETCD_ENABLE_V2": "false"}, cwd=self._directory)

    def wait_healthy(self, within=20):
        eventually("etcd answers", lambda: self.ctl("endpoint", "health") is not None, within)

    @property
    def runs(self):
        return self.process is not None and self.process.poll() is None

    def kill(self):
        self.process.kill()
        self.process.wait()

    def freeze(self):
        processes.send(self.process.pid, signal.SIGSTOP)

    def thaw(self):
        processes.send(self.process.pid, signal.SIGCONT)

    def ctl(self, *arguments):
        done = subprocess.run(["etcdctl", f"--endpoints={self.endpoint}", "--command-timeout=3s", *arguments],
                              env={"ETCDCTL_API": "3", "PATH": "/usr/bin:/bin"}, capture_output=True, text=True,
                              check=False, timeout=10)
        return done.stdout if done.returncode == 0 else None

    def requests(self):
        """What it was asked since it began: calls, and messages of open streams (keep-alives, watches)."""
        answer = rest.call(self.port, "GET", "/metrics", timeout=self.patience, address=self.host.address)
        return sum(float(line.split()[-1]) for line in answer.text.splitlines()
                   if line.startswith("grpc_server_msg_received_total"))

    def _range(self, key, end=None):
        """By the JSON gateway: tests look often, and etcdctl costs a process each time."""
        request = {"key": base64.b64encode(key.encode()).decode()}
        if end:
            request["range_end"] = base64.b64encode(end.encode()).decode()
        answer = rest.call(self.port, "POST", "/v3/kv/range", request, timeout=self.patience, address=self.host.address)
        if answer.status != 200:
            raise OSError(f"etcd answered {answer}")
        return answer.json().get("kvs", [])

    def get(self, key):
        """The value, or None without such a key."""
        found = self._range(key)
        return base64.b64decode(found[0].get("value", "")).decode() if found else None

    def keys(self, prefix):
        found = self._range(prefix, prefix[:-1] + chr(ord(prefix[-1]) + 1))
        return [base64.b64decode(item["key"]).decode() for item in found]

    def json(self, key):
        text = self.get(key)
        return json.loads(text) if text else None

    def put(self, key, value):
        assert self.ctl("put", key, value) is not None, f"cannot write {key}"

    def delete(self, key):
        assert self.ctl("del", key) is not None, f"cannot delete {key}"

    def revoke(self, key):
        """Ends the lease that keeps this key: every key of that lease vanishes in one revision."""
        lease = f"{int(self._range(key)[0]['lease']):x}"
        assert self.ctl("lease", "revoke", lease) is not None, f"cannot revoke {lease}"
