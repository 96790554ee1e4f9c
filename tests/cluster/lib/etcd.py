"""A real etcd of one node."""
import base64
import json
import signal
import subprocess

from . import processes, rest
from .ports import free_port
from .waiting import eventually


class Etcd:
    def __init__(self, directory):
        self.port = free_port()
        self._peer_port = free_port()
        self._directory = directory
        self.log = f"{directory}/etcd.log"
        self.process = None

    @property
    def endpoint(self):
        return f"127.0.0.1:{self.port}"

    def start(self):
        url, peer = f"http://{self.endpoint}", f"http://127.0.0.1:{self._peer_port}"
        self.process = processes.start(
            ["etcd", "--name", "lab", "--data-dir", f"{self._directory}/etcd", "--listen-client-urls", url,
             "--advertise-client-urls", url, "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
             "--initial-cluster", f"lab={peer}", "--log-level", "warn"],
            self.log, env={"ETCD_ENABLE_V2": "false"}, cwd=self._directory)
        eventually("etcd answers", lambda: self._ctl("endpoint", "health") is not None, within=20)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def freeze(self):
        processes.send(self.process.pid, signal.SIGSTOP)

    def thaw(self):
        processes.send(self.process.pid, signal.SIGCONT)

    def _ctl(self, *arguments):
        done = subprocess.run(["etcdctl", f"--endpoints={self.endpoint}", "--command-timeout=3s", *arguments],
                              env={"ETCDCTL_API": "3", "PATH": "/usr/bin:/bin"}, capture_output=True, text=True,
                              check=False, timeout=10)
        return done.stdout if done.returncode == 0 else None

    def _range(self, key, end=None):
        """By the JSON gateway: tests look often, and etcdctl costs a process each time."""
        request = {"key": base64.b64encode(key.encode()).decode()}
        if end:
            request["range_end"] = base64.b64encode(end.encode()).decode()
        answer = rest.call(self.port, "POST", "/v3/kv/range", request, timeout=5)
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
        assert self._ctl("put", key, value) is not None, f"cannot write {key}"

    def delete(self, key):
        assert self._ctl("del", key) is not None, f"cannot delete {key}"
