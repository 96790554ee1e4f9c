"""Hosts on a bridge: a network namespace each, with faults of the network at the bridge's ports, where no host can see
them: its own sending always succeeds, and what is cut is simply never heard.

Programs and sockets belong to a host when they are made `inside` it; that is a matter of the thread, so a writer of
this program can live on a host, too. The main program lives on the host `client`.
"""
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time

import sandbox
from lib import processes

BRIDGE = "lab0"
ETCD_PORTS, POSTGRES_PORT, REST_PORT = (2379, 2380), 5432, 8008


def _ip(*lines):
    subprocess.run(["ip", "-batch", "-"], input="\n".join(lines), text=True, check=True)


def _from(host):
    return f'iifname {{ "{host.name}", "{host.name}.b" }}'


def _to(host):
    return f'oifname {{ "{host.name}", "{host.name}.b" }}'


class Network:
    def __init__(self):
        self.hosts = {}
        self._rules = {}
        self._switch = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        self._wires = {}
        _ip(f"link add {BRIDGE} type bridge", f"link set {BRIDGE} up", "link set lo up")

    def add_host(self, name):
        host = Host(self, name, f"10.77.0.{11 + len(self.hosts)}")
        with self.at_switch():
            _ip(f"netns add {name}", f"link add {name} type veth peer name eth0 netns {name}",
                f"link set {name} master {BRIDGE}", f"link set {name} up")
            subprocess.run(["ip", "-n", name, "-batch", "-"], text=True, check=True, input="\n".join(
                [f"addr add {host.address}/24 dev eth0", "link set eth0 up", "link set lo up"]))
        host.open()
        self.hosts[name] = host
        return host

    def close(self):
        """The calling program lives at the switch again; nothing may run on the hosts any more."""
        self.mend()
        sandbox.set_network(self._switch)
        names = list(self.hosts)
        _ip(*(f"link del {name}" for name in names), f"link del {BRIDGE}", *(f"netns del {name}" for name in names))
        for host in self.hosts.values():
            host.close()

    @contextlib.contextmanager
    def at_switch(self):
        with inside(self._switch):
            yield

    # -- cuts, each with a name by which it is mended

    def cut(self, host):
        """Nothing to and from the host."""
        self._put(f"cut {host.name}", [f"{_from(host)} drop", f"{_to(host)} drop"])

    def cut_sending(self, host):
        self._put(f"cut {host.name}", [f"{_from(host)} drop"])

    def cut_receiving(self, host):
        self._put(f"cut {host.name}", [f"{_to(host)} drop"])

    def cut_ports(self, host, ports, other=None):
        """Whatever belongs to services on these ports, here or there; with everybody or with one other host."""
        listed = "{ " + ", ".join(str(port) for port in ports) + " }"
        there, here = (_to(other), _from(other)) if other else ("", "")
        rules = [f"{way} tcp {end} {listed} drop" for end in ("dport", "sport")
                 for way in (f"{_from(host)} {there}", f"{_to(host)} {here}")]
        self._put(f"cut {host.name} {other.name if other else ''}", rules)

    def cut_between(self, host, other):
        self._put(f"cut {host.name} {other.name}", [f"{_from(host)} {_to(other)} drop",
                                                    f"{_from(other)} {_to(host)} drop"])

    def mend(self):
        """Every cut and every slow wire."""
        self._rules.clear()
        self._apply()
        for name in list(self._wires):
            self._end_wire(name)

    def mend_host(self, host):
        self._rules = {key: rules for key, rules in self._rules.items() if key.split()[1] != host.name}
        self._apply()

    def _put(self, key, rules):
        self._rules[key] = rules
        self._apply()

    def _apply(self):
        text = ("add table bridge lab\ndelete table bridge lab\ntable bridge lab { chain forward {\n"
                "type filter hook forward priority 0; policy accept;\n" +
                "\n".join(rule for rules in self._rules.values() for rule in rules) + "\n}\n}\n")
        with self.at_switch():
            subprocess.run(["nft", "-f", "-"], input=text, text=True, check=True)

    # -- slow wires: a program between the host and the bridge, for not every kernel can delay by itself

    def slow(self, host, delay=0.0, jitter=0.0, loss=0.0, seed=1):
        """Each packet from and to the host is late by `delay` and up to `jitter` more seconds, or lost."""
        name = host.name
        self._end_wire(name)
        with self.at_switch():
            _ip(f"link add {name}.a type veth peer name {name}.b", f"link set {name}.b master {BRIDGE}",
                f"link set {name}.a up", f"link set {name}.b up", f"link set {name} nomaster")
            wire = os.path.join(os.path.dirname(os.path.abspath(__file__)), "wire.py")
            self._wires[name] = processes.start(
                [sys.executable, "-B", wire, name, f"{name}.a", str(delay), str(jitter), str(loss), str(seed)],
                f"{sandbox.PLACE}/wire-{name}.log")

    def _end_wire(self, name):
        if name not in self._wires:
            return
        process = self._wires.pop(name)
        process.kill()
        process.wait()
        with self.at_switch():
            _ip(f"link set {name} master {BRIDGE}", f"link del {name}.a")


@contextlib.contextmanager
def inside(descriptor):
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        sandbox.set_network(descriptor)
        yield
    finally:
        sandbox.set_network(before)
        os.close(before)


class Host:
    """One machine, as far as the network is concerned; its files are below `directory`, a disk of its own."""
    neighbours = "10.77.0.0/24"

    def __init__(self, network, name, address):
        self.network, self.name, self.address = network, name, address
        self.directory = f"{sandbox.PLACE}/{name}"
        self._descriptor = self._identity = None

    def open(self):
        self._descriptor = os.open(f"/run/netns/{self.name}", os.O_RDONLY)
        self._identity = os.fstat(self._descriptor).st_ino
        os.mkdir(self.directory, 0o755)

    def close(self):
        os.close(self._descriptor)
        sandbox.unmount_below(self.directory)
        shutil.rmtree(self.directory)

    @staticmethod
    def disk(directory):
        return f"{directory}/disk"

    @staticmethod
    def port(usual):
        return usual

    def inside(self):
        return inside(self._descriptor)

    def live_here(self):
        """Makes this host the one of the calling program."""
        sandbox.set_network(self._descriptor)

    # -- all that runs on it

    def pids(self):
        me, found = os.getpid(), []
        for entry in os.listdir("/proc"):
            if not entry.isdigit() or int(entry) == me:
                continue
            try:
                if os.stat(f"/proc/{entry}/ns/net").st_ino == self._identity and processes.alive(int(entry)):
                    found.append(int(entry))
            except OSError:
                pass  # it has ended
        return found

    def freeze(self):
        """A paused machine: nothing runs, and nothing is acknowledged by its network either."""
        self.network.cut(self)
        self._until_none(signal.SIGSTOP, lambda pid: processes.state(pid) not in "Tt")

    def thaw(self):
        for pid in self.pids():
            processes.send(pid, signal.SIGCONT)
        self.network.mend_host(self)

    def power_off(self):
        """Nobody is told: the network is gone before the first process ends."""
        self.network.cut(self)
        self.kill_all()

    def kill_all(self):
        """Everything on the host dies at once; its kernel lives on and closes the connections."""
        self._until_none(signal.SIGSTOP, lambda pid: processes.state(pid) not in "Tt")
        self._until_none(signal.SIGKILL, lambda pid: True)

    def power_on(self):
        self.network.mend_host(self)

    def _until_none(self, number, concerned):
        deadline = time.monotonic() + 20
        while True:
            left = [pid for pid in self.pids() if concerned(pid)]
            if not left:
                return
            assert time.monotonic() < deadline, f"{self.name}: signal {number} does not reach {left}"
            for pid in left:
                processes.send(pid, number)
            processes.reap()
