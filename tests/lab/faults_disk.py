"""Faults of disks: full, read-only, and copies that are interrupted on the way."""
import os
import random
import shutil
import signal

import psycopg2

import sandbox
from catalogue import fault
from lib import processes
from lib.waiting import eventually

CHANCE = random.Random(1)


def _fill(trial, disk):
    """Takes all the room that is left, until `_empty`."""
    file = f"{disk}/fill"
    trial.afterwards(_empty, disk)
    descriptor = os.open(file, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC)
    try:
        size = 0
        for step in (64 << 20, 1 << 20, 4096):
            while True:
                try:
                    os.posix_fallocate(descriptor, size, step)
                    size += step
                except OSError:
                    break
    finally:
        os.close(descriptor)


def _empty(disk):
    if os.path.exists(f"{disk}/fill"):
        os.unlink(f"{disk}/fill")


def _write_much(trial):
    """WAL, and nothing but WAL: more than the server has files for in reserve."""
    try:
        for _ in range(40):
            trial.old.sql("SELECT pg_logical_emit_message(false, 'lab', repeat('x', 8000000))")
    except psycopg2.Error:
        pass  # what happens to the server is what the trial is about


@fault(heals_within=60)
def disk_full(trial):
    """The disk of the leader's data and WAL is full"""
    disk = trial.lab.data_disk(trial.old)
    trial.strike()
    _fill(trial, disk)
    _write_much(trial)
    trial.wait_replaced(trial.patience + 30)
    _empty(disk)


@fault(heals_within=60, wal_apart=True)
def disk_full_wal(trial):
    """The disk of the leader's WAL is full"""
    disk = trial.lab.wal_disk(trial.old)
    trial.strike()
    _fill(trial, disk)
    _write_much(trial)
    trial.wait_replaced(trial.patience + 30)
    _empty(disk)


@fault(heals_within=60, wal_apart=True)
def disk_full_data(trial):
    """The disk of the leader's data is full, its WAL has room: statements fail, and nothing else breaks"""
    disk = trial.lab.data_disk(trial.old)
    trial.strike()
    _fill(trial, disk)
    _write_much(trial)
    trial.hold(trial.ttl)
    _empty(disk)
    trial.wait_flowing()


@fault(heals_within=60)
def disk_full_clone(trial):
    """The disk of a new standby is too small for its copy, until there is room"""
    standby = trial.standby()
    disk = trial.lab.data_disk(standby)
    assert standby.stop() == 0
    shutil.rmtree(standby.data)
    trial.strike()
    _fill(trial, disk)
    mark = standby.log_mark()
    standby.start()
    eventually("the copy has failed", lambda: "No space left" in standby.log_text(mark), within=30)
    trial.hold(2)
    _empty(disk)


@fault(heals_within=60)
def standby_disk_full(trial):
    """The disk of a standby is full: the leader does not mind"""
    standby = trial.standby()
    disk = trial.lab.data_disk(standby)
    trial.strike()
    _fill(trial, disk)
    _write_much(trial)
    trial.hold(trial.ttl)
    # A server without room for its caches refuses every new client after login, and libpq then asks no other host.
    trial.wait_flowing_on(trial.old)
    assert trial.lab.wait_leader() is trial.old, "the leadership moved"
    _empty(disk)


def _read_only(disk, yes):
    flags = sandbox.MS_REMOUNT | (sandbox.MS_RDONLY if yes else 0)
    sandbox.mount("lab", disk, "tmpfs", flags)


@fault(heals_within=60)
def disk_read_only(trial):
    """The leader's server crashes and its disk is read-only from then on"""
    old, disk = trial.old, trial.lab.data_disk(trial.old)
    trial.afterwards(_read_only, disk, False)
    trial.afterwards(old.thaw_agent)
    trial.strike()
    old.freeze_agent()  # for an instant: so that nothing is written while the disk changes
    server, fence = old.postmaster_pid(), old.fence_pid()
    below = processes.descendants(server)
    for pid in [fence, server, *below]:
        if pid:
            processes.send(pid, signal.SIGKILL)
    eventually("the server is gone", lambda: not any(processes.alive(pid) for pid in [server, *below]), within=10)
    _read_only(disk, True)
    old.thaw_agent()
    trial.wait_replaced(trial.patience + 30)
    _read_only(disk, False)


def _power_fails_during(trial, member, word, within=60):
    """Cuts the power of a member's host while a program with this name works on its data, at any point of it."""
    def found():
        return any(word in (line := processes.command_line(pid)) and member.data in line for pid in member.host.pids())
    eventually(f"{word} runs on {member.name}", found, within, poll=0.001)
    trial.hold(CHANCE.choice((0.0, 0.01, 0.03, 0.1, 0.2)))
    trial.lab.power_off(member)
    trial.lab.power_on(member)


@fault(heals_within=90)
def clone_interrupted(trial):
    """The power fails three times while a new standby is copied"""
    standby = trial.standby()
    assert standby.stop() == 0
    shutil.rmtree(standby.data)
    trial.strike()
    standby.start()
    for _ in range(3):
        _power_fails_during(trial, standby, "pg_basebackup")
    trial.wait_flowing()


@fault(heals_within=90)
def rewind_interrupted(trial):
    """The power fails twice while the old leader is rewound"""
    old, lab = trial.old, trial.lab
    trial.move_etcd_leader(trial.standby().host)
    _write_much(trial)
    lab.wait_caught_up()  # a standby beyond maximum_lag_on_failover does not take over, and must not
    trial.strike()
    lab.network.cut(old.host)  # its writer goes on: what it acknowledges now is to be rewound
    trial.wait_replaced()
    lab.power_off(old)
    lab.power_on(old)
    for _ in range(2):
        _power_fails_during(trial, old, "pg_rewind")


@fault(heals_within=90)
def source_lost_during_clone(trial):
    """The leader's machine dies while a new standby is copied from it"""
    standby, lab = trial.standby(), trial.lab
    trial.move_etcd_leader(next(m for m in lab if m not in (standby, trial.old)).host)
    assert standby.stop() == 0
    shutil.rmtree(standby.data)
    standby.start()
    eventually("pg_basebackup runs", lambda: any("pg_basebackup" in processes.command_line(pid)
                                                 for pid in standby.host.pids()), within=30, poll=0.002)
    trial.strike()
    lab.power_off(trial.old)
    trial.wait_replaced()
    lab.power_on(trial.old)
