"""Faults of the network: at the bridge, so that no host can tell a cut from silence."""
import os
import time

from catalogue import fault
from lib import processes
from network import ETCD_PORTS, POSTGRES_PORT, REST_PORT


def _etcd_leads_elsewhere(trial):
    """So that a cut is about the cluster's leader only: the store's own election would come on top."""
    trial.move_etcd_leader(trial.standby().host)


@fault()
def link_cut(trial):
    """The leader's link is cut, while a writer on its host goes on"""
    _etcd_leads_elsewhere(trial)
    trial.strike()
    trial.lab.network.cut(trial.old.host)
    trial.wait_replaced()
    trial.hold(1)
    trial.lab.network.mend()


@fault()
def link_cut_sending(trial):
    """The leader hears everything and nobody hears it"""
    _etcd_leads_elsewhere(trial)
    trial.strike()
    trial.lab.network.cut_sending(trial.old.host)
    trial.wait_replaced()
    trial.lab.network.mend()


@fault()
def link_cut_receiving(trial):
    """Everybody hears the leader and it hears nobody"""
    _etcd_leads_elsewhere(trial)
    trial.strike()
    trial.lab.network.cut_receiving(trial.old.host)
    trial.wait_replaced()
    trial.lab.network.mend()


@fault()
def cut_from_etcd(trial):
    """The leader's host reaches everything except etcd"""
    _etcd_leads_elsewhere(trial)
    trial.strike()
    trial.lab.network.cut_ports(trial.old.host, ETCD_PORTS)
    trial.wait_replaced()
    trial.lab.network.mend()


@fault()
def cut_from_members(trial):
    """The leader and the other members do not hear each other; etcd and the clients hear all"""
    lab = trial.lab
    trial.strike()
    for member in lab:
        if member is not trial.old:
            lab.network.cut_ports(trial.old.host, [POSTGRES_PORT, REST_PORT], member.host)
    trial.hold(trial.ttl + 2)
    assert lab.wait_leader() is trial.old, "the leadership moved, though the lease was renewed all the time"
    trial.wait_flowing()
    lab.network.mend()


@fault()
def standby_cut(trial):
    """A standby's link is cut for longer than its lease"""
    trial.strike()
    trial.lab.network.cut(trial.standby().host)
    trial.hold(trial.ttl + 2)
    trial.wait_flowing()
    assert trial.lab.wait_leader() is trial.old, "the leadership moved"
    trial.lab.network.mend()


@fault()
def everybody_cut(trial):
    """No host hears another, and all of it heals in one moment"""
    lab = trial.lab
    trial.strike()
    for member in lab:
        lab.network.cut(member.host)
    trial.hold(trial.ttl + 2)
    lab.network.mend()
    trial.wait_flowing()


@fault()
def link_flaps(trial):
    """The leader's link comes and goes, a third of the lease at a time"""
    trial.strike()
    for _ in range(4):
        trial.lab.network.cut(trial.old.host)
        trial.hold(trial.ttl / 3)
        trial.lab.network.mend()
        trial.hold(trial.ttl / 6)
    trial.wait_flowing()


@fault()
def stalls(trial):
    """The leader's link stands still for 300 ms again and again: that is no failure"""
    _etcd_leads_elsewhere(trial)
    trial.strike()
    for _ in range(int(max(10, trial.ttl))):
        trial.lab.network.cut(trial.old.host)
        trial.hold(0.3)
        trial.lab.network.mend()
        trial.hold(0.5)
    trial.wait_flowing()
    assert trial.lab.wait_leader() is trial.old, "the leadership moved"


@fault()
def overload(trial):
    """Four busy processes for each core, and every link stands still for 300 ms in turn: that is no failure"""
    lab, server = trial.lab, trial.old.postmaster_pid()
    for _ in range(4 * os.cpu_count()):
        busy = processes.start(["/bin/sh", "-c", "while :; do :; done"], "/dev/null")
        trial.afterwards(busy.wait)
        trial.afterwards(busy.kill)
    trial.strike()
    end = time.monotonic() + float(os.environ.get("CASTLE_LAB_OVERLOAD", 4 * trial.ttl))
    while time.monotonic() < end:
        for member in lab:
            lab.network.cut(member.host)
            trial.hold(0.3)
            lab.network.mend()
            trial.hold(1)
    changes = [change for change in lab.watch.since(trial.at, lab.key("leader")) if change.value != trial.old.name]
    assert not changes, f"the leadership moved: {changes}"
    assert trial.old.postmaster_pid() == server, "the server was restarted"
    trial.wait_flowing()


@fault()
def slow_and_lossy(trial):
    """Every packet of the leader's host is 40 to 80 ms late and two in a hundred are lost"""
    _etcd_leads_elsewhere(trial)
    trial.strike()
    trial.lab.network.slow(trial.old.host, delay=0.04, jitter=0.04, loss=0.02)
    trial.hold(2 * trial.ttl)
    trial.wait_flowing()
    assert trial.lab.wait_leader() is trial.old, "the leadership moved"
    trial.lab.network.mend()


@fault()
def very_lossy(trial):
    """Three packets in ten of the leader's host are lost: anything may follow but two primaries"""
    trial.strike()
    trial.lab.network.slow(trial.old.host, delay=0.01, loss=0.3)
    trial.hold(2 * trial.ttl)
    trial.lab.network.mend()
    trial.wait_flowing()
