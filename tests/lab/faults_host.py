"""Faults of programs and of whole hosts: killed, frozen, without power. And the planned moves, to compare with."""
import signal

from catalogue import fault
from lib import processes
from lib.waiting import eventually


@fault(loses_nothing=True)
def switchover(trial):
    """An operator moves the leadership"""
    old = trial.old
    trial.strike()
    answer = old.api("POST", "/switchover", {"leader": old.name})
    assert answer.status == 200, answer
    trial.wait_replaced()


@fault(loses_nothing=True)
def agent_stopped(trial):
    """The leader's agent is stopped as a service is, and started again later"""
    trial.strike()
    status = trial.old.stop()
    assert status == 0, f"the agent ended with {status}"
    trial.wait_replaced()
    trial.old.start()


@fault(loses_nothing=True, at_most=2)  # the third in a row is a crash loop: the leader looks for somebody to hand over to
def postmaster_killed(trial):
    """The leader's server crashes"""
    pid = trial.old.postmaster_pid()
    trial.strike()
    processes.send(pid, signal.SIGKILL)
    eventually("the old postmaster is gone", lambda: not processes.alive(pid), within=10)
    trial.wait_flowing()
    if trial.lab.wait_leader() is trial.old:
        trial.phase("server launched", processes.started_at(trial.old.postmaster_pid()))
        trial.phase_logged("server ready", trial.old, r"LOG:  database system is ready to accept connections")


@fault(loses_nothing=True)
def agent_killed(trial):
    """The leader's agent is killed and stays away for longer than its lease"""
    trial.strike()
    trial.old.kill_agent()
    trial.wait_replaced()
    trial.old.start()


@fault()
def agent_killed_briefly(trial):
    """The leader's agent is killed and started again at once: nobody notices"""
    server = trial.old.postmaster_pid()
    trial.strike()
    trial.old.kill_agent()
    trial.old.start()
    trial.hold(trial.ttl + 1)
    assert trial.lab.wait_leader() is trial.old, "the leadership moved"
    assert trial.old.postmaster_pid() == server, "the server was restarted"


@fault(for_peer=False)
def fence_killed(trial):
    """The guard of the leader's server is killed"""
    fence = trial.old.fence_pid()
    assert fence, "there is no fence"
    trial.strike()
    processes.send(fence, signal.SIGKILL)
    eventually("the fence is gone", lambda: not processes.alive(fence), within=10)
    trial.wait_flowing()


@fault(for_peer=False)
def agent_and_fence_killed(trial):
    """Agent and guard of the leader's server are killed in the same moment"""
    fence = trial.old.fence_pid()
    trial.strike()
    processes.send(fence, signal.SIGKILL)
    trial.old.kill_agent()
    trial.wait_replaced()
    trial.old.start()


@fault()
def host_killed(trial):
    """Every process on the leader's host is killed, etcd too; its kernel lives and closes the connections"""
    old, etcd = trial.old, trial.lab.etcd[trial.old.host]
    trial.strike()
    old.host.kill_all()
    old.process.wait()
    etcd.process.wait()
    trial.wait_replaced()
    trial.lab.power_on(old)


@fault()
def host_lost(trial):
    """The leader's machine loses its power, etcd's leader lives elsewhere"""
    _lose_host(trial, etcd_leader_too=False)


@fault()
def host_lost_with_etcd_leader(trial):
    """The leader's machine loses its power, and etcd's leader was on it"""
    _lose_host(trial, etcd_leader_too=True)


def _lose_host(trial, etcd_leader_too):
    lab, old = trial.lab, trial.old
    trial.move_etcd_leader(old.host if etcd_leader_too else trial.standby().host)
    trial.strike()
    lab.power_off(old)
    trial.wait_replaced()
    lab.power_on(old)


@fault()
def standby_host_lost(trial):
    """A standby's machine loses its power"""
    standby = trial.standby()
    trial.strike()
    trial.lab.power_off(standby)
    trial.hold(trial.ttl + 1)
    trial.wait_flowing()
    assert trial.lab.wait_leader() is trial.old, "the leadership moved"
    trial.lab.power_on(standby)


@fault()
def all_hosts_lost(trial):
    """Every machine loses its power in the same second, and all come back"""
    lab = trial.lab
    trial.strike()
    for member in lab:
        lab.power_off(member)
    for member in lab:
        lab.power_on(member)
    trial.wait_flowing(trial.patience + 60)


@fault(loses_nothing=True)
def agent_frozen(trial):
    """The leader's agent stands still for longer than its lease"""
    trial.afterwards(trial.old.thaw_agent)
    trial.strike()
    trial.old.freeze_agent()
    trial.wait_replaced()
    trial.hold(1)
    trial.thawed()


@fault(for_peer=False)
def fence_frozen(trial):
    """The guard of the leader's server stands still for longer than the lease"""
    fence = trial.old.fence_pid()
    trial.afterwards(processes.send, fence, signal.SIGCONT)
    trial.strike()
    processes.send(fence, signal.SIGSTOP)
    trial.hold(trial.ttl + 2)
    trial.wait_flowing()
    trial.thawed()


@fault(pauses_machine=True)
def host_frozen(trial):
    """The leader's machine is paused for longer than its lease, and goes on"""
    trial.afterwards(trial.old.host.thaw)
    trial.strike()
    trial.old.host.freeze()
    trial.wait_replaced()
    trial.hold(1)
    trial.thawed()


@fault(pauses_machine=True)
def host_frozen_briefly(trial):
    """The leader's machine is paused for a third of its lease"""
    trial.afterwards(trial.old.host.thaw)
    trial.strike()
    trial.old.host.freeze()
    trial.hold(trial.ttl / 3)
    trial.thawed()
    trial.old.host.thaw()
    trial.wait_flowing()
    assert trial.lab.wait_leader() is trial.old, "the leadership moved"


@fault()
def standby_host_frozen(trial):
    """A standby's machine is paused for longer than its lease"""
    standby = trial.standby()
    trial.afterwards(standby.host.thaw)
    trial.strike()
    standby.host.freeze()
    trial.hold(trial.ttl + 2)
    trial.wait_flowing()
    assert trial.lab.wait_leader() is trial.old, "the leadership moved"
