"""A real HAProxy as people set it up in front of such a cluster."""
from . import processes
from .host import Loopback
from .waiting import eventually

CONFIG = """
global
    maxconn 100
defaults
    mode tcp
    retries 2
    timeout client 30m
    timeout connect 4s
    timeout server 30m
    timeout check 2s
listen primary
    bind {address}:{port}
    option httpchk OPTIONS /master
    http-check expect status 200
    default-server {checks} on-marked-down shutdown-sessions
{primary}
listen replicas
    bind {address}:{replica_port}
    option httpchk OPTIONS /replica
    http-check expect status 200
    default-server {checks} on-marked-down shutdown-sessions
{replicas}
"""


class Haproxy:
    def __init__(self, cluster, host=None, ports=(5000, 5001), checks="inter 250ms fall 2 rise 1"):
        self.host = host or Loopback()
        self.port, self.replica_port = (self.host.port(port) for port in ports)
        servers = "\n".join(
            f"    server {member.name} {member.host.address}:{member.port} maxconn 50 check port {member.api_port}"
            for member in cluster)
        self._file = f"{cluster.directory}/haproxy-{self.port}.cfg"
        with open(self._file, "w", encoding="utf-8") as file:
            file.write(CONFIG.format(address=self.host.address, port=self.port, replica_port=self.replica_port,
                                     checks=checks, primary=servers, replicas=servers))
        self._log = f"{cluster.directory}/haproxy-{self.port}.log"
        self._process = None

    def start(self):
        with self.host.inside():
            self._process = processes.start(["/usr/sbin/haproxy", "-db", "-f", self._file], self._log)
        return self

    def stop(self):
        self._process.kill()
        self._process.wait()
        eventually("haproxy has ended", lambda: self._process.poll() is not None)
