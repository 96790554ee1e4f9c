"""Faults of PostgreSQL itself, and of people who start or promote it beside the agent."""
import signal
import threading

from catalogue import fault
from lib import processes
from lib.member import postgres_bin
from lib.waiting import eventually


def _server_process(member, word):
    """The pid of a process of this member's server by its title, or None."""
    server = member.postmaster_pid()
    return next((pid for pid in (processes.descendants(server) if server else [])
                 if word in processes.command_line(pid)), None)


def _change_settings(trial, **settings):
    """Dynamic settings for this trial only."""
    before = {key: None for key in settings}
    _patch(trial, settings)
    trial.afterwards(_patch, trial, before)


def _patch(trial, settings):
    answer = eventually("the settings are changed", lambda: next(
        (done for member in trial.lab if member.runs
         if (done := member.api("PATCH", "/config", settings, timeout=5)).status == 200), None), within=30)
    assert answer.status == 200


@fault(heals_within=60)
def crash_loop(trial):
    """The leader's server dies again and again, as soon as it starts"""
    old, ended = trial.old, threading.Event()

    def kill_again():
        while not ended.is_set():
            pid = old.postmaster_pid()
            if pid:
                processes.send(pid, signal.SIGKILL)
            ended.wait(0.02)
    killer = threading.Thread(target=kill_again, daemon=True)
    trial.afterwards(ended.set)
    trial.strike()
    killer.start()
    trial.wait_replaced(trial.patience + 30)
    ended.set()
    killer.join()


@fault(heals_within=60)
def hung_in_recovery(trial):
    """The leader's server crashes, and its recovery stands still: primary_start_timeout is the deadline"""
    old = trial.old
    _change_settings(trial, primary_start_timeout=10)
    old.sql("CREATE TABLE IF NOT EXISTS heavy (line text)")
    old.sql("CHECKPOINT")
    old.sql("INSERT INTO heavy SELECT repeat(md5(n::text), 20) FROM generate_series(1, 60000) n")
    server = old.postmaster_pid()
    trial.strike()
    processes.send(server, signal.SIGKILL)
    startup = eventually("its recovery runs", lambda: old.postmaster_pid() not in (None, server) and
                         _server_process(old, "startup"), within=30, poll=0.001)
    trial.afterwards(processes.send, startup, signal.SIGCONT)
    processes.send(startup, signal.SIGSTOP)
    trial.wait_replaced(trial.patience + 30)


@fault(heals_within=60)
def promotion_hangs(trial):
    """The member that takes over cannot finish its promotion: another must, after half a minute"""
    lab, stuck = trial.lab, trial.standby()
    _change_settings(trial, primary_start_timeout=30)
    other = next(member for member in lab if member not in (trial.old, stuck))
    trial.move_etcd_leader(other.host)
    startup = _server_process(stuck, "startup")
    for member, priority in ((stuck, 5), (other, 1)):
        member.config["tags"] = {"failover_priority": priority}
        member.write_config()
        processes.send(member.agent_pid, signal.SIGHUP)
        eventually("the tag is known", lambda m=member: lab.etcd.json(lab.key(f"members/{m.name}")).get(
            "tags", {}).get("failover_priority") == m.config["tags"]["failover_priority"], within=30)
        trial.afterwards(_without_tags, member)
    trial.afterwards(processes.send, startup, signal.SIGCONT)
    trial.strike()
    lab.power_off(trial.old)
    processes.send(startup, signal.SIGSTOP)
    eventually("somebody leads and can write", lambda: other.is_primary(), within=2 * trial.patience + 30)
    trial.wait_flowing()
    lab.power_on(trial.old)


def _without_tags(member):
    del member.config["tags"]
    member.write_config()
    processes.send(member.agent_pid, signal.SIGHUP)


@fault(by_hand=0.5)
def promoted_by_hand(trial):
    """Somebody promotes a standby's server beside its agent"""
    standby = trial.standby()
    trial.impostor = standby.name
    trial.strike()
    standby.sql("SELECT pg_promote(wait => false)")
    trial.hold(3)
    trial.wait_flowing()
    assert trial.lab.wait_leader() is trial.old, "the leadership moved"


@fault(by_hand=1.5)
def started_at_boot(trial):
    """The lost machine comes back after the takeover, and its boot script starts the old primary beside the agent"""
    lab, old = trial.lab, trial.old
    trial.move_etcd_leader(trial.standby().host)
    lab.power_off(old)
    trial.wait_replaced()
    trial.impostor = old.name
    with old.host.inside():
        start = [f"{postgres_bin()}/postgres", "-D", old.data]
        trial.strike()
        processes.start_unattended(start, f"{old.directory}/boot.log", processes.owner_name(), cwd=old.directory)
    lab.power_on(old)


@fault(heals_within=60)
def start_by_hand_after_stop(trial):
    """The agent is stopped, somebody starts the standby's server by hand, and then the agent again"""
    standby = trial.standby()
    assert standby.stop() == 0
    with standby.host.inside():
        processes.start_unattended([f"{postgres_bin()}/postgres", "-D", standby.data], f"{standby.directory}/boot.log",
                        processes.owner_name(), cwd=standby.directory)
    eventually("its server runs", lambda: standby.is_primary() is False, within=30)
    server = standby.postmaster_pid()
    trial.strike()
    standby.start()
    trial.lab.wait_whole()
    assert standby.postmaster_pid() == server, "the running server was not adopted but restarted"


@fault()
def backend_killed(trial):
    """A backend of the leader dies of SIGKILL: the server restarts all of them by itself"""
    pid = trial.old.sql("SELECT pid FROM pg_stat_activity WHERE application_name = 'lab client' LIMIT 1")[0][0]
    server = trial.old.postmaster_pid()
    trial.strike()
    processes.send(pid, signal.SIGKILL)
    trial.hold(2)
    trial.wait_flowing()
    assert trial.old.postmaster_pid() == server, "the postmaster was restarted"
    assert trial.lab.wait_leader() is trial.old, "the leadership moved"
