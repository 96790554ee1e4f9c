"""A real HAProxy as people set it up in front of such a cluster."""
from . import processes
from .ports import free_port
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
    bind 127.0.0.1:{port}
    option httpchk OPTIONS /master
    http-check expect status 200
    default-server inter 250ms fall 2 rise 1 on-marked-down shutdown-sessions
{primary}
listen replicas
    bind 127.0.0.1:{replica_port}
    option httpchk OPTIONS /replica
    http-check expect status 200
    default-server inter 250ms fall 2 rise 1 on-marked-down shutdown-sessions
{replicas}
"""


class Haproxy:
    def __init__(self, cluster):
        self.port, self.replica_port = free_port(), free_port()
        servers = "\n".join(f"    server {member.name} 127.0.0.1:{member.port} maxconn 50 check port {member.api_port}"
                            for member in cluster)
        self._file = f"{cluster.directory}/haproxy.cfg"
        with open(self._file, "w", encoding="utf-8") as file:
            file.write(CONFIG.format(port=self.port, replica_port=self.replica_port, primary=servers, replicas=servers))
        self._log = f"{cluster.directory}/haproxy.log"
        self._process = None

    def start(self):
        self._process = processes.start(["/usr/sbin/haproxy", "-db", "-f", self._file], self._log)
        return self

    def stop(self):
        self._process.kill()
        self._process.wait()
        eventually("haproxy has ended", lambda: self._process.poll() is not None)
