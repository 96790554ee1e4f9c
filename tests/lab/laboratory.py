"""A cluster of tests/cluster, on hosts of its own: each with an etcd member, an agent, a fence and a PostgreSQL, and a
host for the clients, with two HAProxy in front of the cluster."""
import os

import sandbox
from lib import processes
from lib.cluster import Cluster
from lib.haproxy import Haproxy
from network import Network
from store import EtcdCluster, Watch

DISKS = {"": "300m", "disk": "1200m", "wal": "500m"}  # below a host's folder: its own files, data, WAL if apart
PARAMETERS = {"shared_buffers": "16MB", "max_wal_size": "128MB", "min_wal_size": "48MB", "wal_keep_size": "64MB"}

# As our users have it in their haproxy.cfg, and as short as one would dare.
CUSTOMARY, TUNED = "inter 3s fall 3 rise 2", "inter 1s fall 2 rise 1"

# A client that means to notice that its server is gone, rather than wait for the kernel's quarter of an hour.
PATIENCE = "connect_timeout=2 tcp_user_timeout=1100 keepalives_idle=1 keepalives_interval=1 keepalives_count=2"


class Laboratory(Cluster):
    def __init__(self, kind, members=3, timing=None, wal_apart=False):
        self.network = Network()
        super().__init__(kind, members, timing=timing, parameters=PARAMETERS)
        if wal_apart:
            for member in self.members:
                place = f"{self.wal_disk(member)}/pg_wal"
                member.config["bootstrap"]["initdb"].append({"waldir": place})
                member.config["postgresql"]["basebackup"] = [{"waldir": place}]
                member.write_config()
        self.client_host = self.network.add_host("client")
        self.client_host.live_here()
        self.proxies = {
            "haproxy": Haproxy(self, self.client_host, (5000, 5001), CUSTOMARY),
            "haproxy tuned": Haproxy(self, self.client_host, (5002, 5003), TUNED),
        }
        self.watch = None

    def make_directory(self):
        return sandbox.PLACE

    def make_host(self, name):
        host = self.network.add_host(name)
        for folder, size in DISKS.items():
            path = f"{host.directory}/{folder}".rstrip("/")
            os.makedirs(path, exist_ok=True)
            sandbox.mount("lab", path, "tmpfs", options=f"mode=755,size={size}")
            processes.give_to_owner(path)
        return host

    def make_etcd(self):
        return EtcdCluster(list(self.hosts.values()))

    def start(self, within=120.0):
        super().start(within)
        for proxy in self.proxies.values():
            proxy.start()
        self.watch = Watch(self.etcd, f"/service/{self.scope}/")
        return self

    def close(self):
        if self.watch:
            self.watch.stop()
        processes.kill_all_ours()
        self.network.close()

    def dsn(self, proxy):
        return f"host={proxy.host.address} port={proxy.port} dbname=postgres {PATIENCE}"

    def multi_host(self):
        return f"{super().multi_host()} {PATIENCE}"

    @staticmethod
    def data_disk(member):
        return f"{member.host.directory}/disk"

    @staticmethod
    def wal_disk(member):
        return f"{member.host.directory}/wal"

    def on(self, host):
        """The member that lives there."""
        return next(member for member in self.members if member.host is host)

    # -- a whole host

    def power_off(self, member):
        member.host.power_off()
        member.process.wait()
        self.etcd[member.host].process.wait()

    def power_on(self, member):
        """The machine is back: the network, etcd, and the agent, which finds its server dead."""
        member.host.power_on()
        self.etcd.start_member(self.etcd[member.host])
        member.start()
