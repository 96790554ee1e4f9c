"""Faults of the store: etcd's members killed and frozen, its quorum lost, its data old or new."""
import os
import signal

import sandbox
from catalogue import fault
from lib import processes
from lib.waiting import eventually


def _freeze(trial, member):
    trial.afterwards(member.thaw)
    member.freeze()


@fault()
def etcd_leader_killed(trial):
    """etcd's leader is killed, the cluster's leader lives on another host"""
    etcd = trial.lab.etcd
    trial.move_etcd_leader(trial.standby().host)
    leader = etcd.wait_leader()
    trial.afterwards(etcd.start_member, leader)
    trial.strike()
    leader.kill()
    etcd.wait_leader(other_than=leader)
    trial.hold(trial.ttl)
    trial.wait_flowing()
    assert trial.lab.wait_leader() is trial.old, "the leadership moved"


@fault()
def etcd_leader_frozen(trial):
    """etcd's leader stands still: its connections are open, and nothing comes"""
    etcd = trial.lab.etcd
    trial.move_etcd_leader(trial.standby().host)
    leader = etcd.wait_leader()
    trial.strike()
    _freeze(trial, leader)
    etcd.wait_leader(other_than=leader)
    trial.hold(trial.ttl)
    trial.wait_flowing()
    assert trial.lab.wait_leader() is trial.old, "the leadership moved"


@fault()
def etcd_leader_frozen_beside(trial):
    """etcd's leader stands still, on the host of the cluster's leader"""
    etcd = trial.lab.etcd
    trial.move_etcd_leader(trial.old.host)
    trial.strike()
    _freeze(trial, etcd[trial.old.host])
    etcd.wait_leader(other_than=etcd[trial.old.host])
    trial.hold(trial.ttl)
    trial.wait_flowing()
    assert trial.lab.wait_leader() is trial.old, "the leadership moved"


@fault()
def etcd_member_frozen(trial):
    """A member of etcd that leads nothing stands still: no gap"""
    etcd = trial.lab.etcd
    trial.move_etcd_leader(trial.old.host)
    frozen = etcd[trial.standby().host]
    trial.strike()
    _freeze(trial, frozen)
    trial.hold(trial.ttl)
    trial.wait_flowing()
    assert trial.lab.wait_leader() is trial.old, "the leadership moved"


@fault()
def etcd_leader_disk_frozen(trial):
    """The disk of etcd's leader hangs: it goes on answering from memory what its successor does not know"""
    etcd = trial.lab.etcd
    member = etcd[trial.standby().host]
    _onto_a_disk(trial, member)
    trial.move_etcd_leader(member.host)
    trial.afterwards(_thaw_disk, member.data)
    trial.strike()
    subdue = processes.run(["fsfreeze", "--freeze", member.data])
    assert subdue.returncode == 0, subdue.stderr
    trial.hold(2 * trial.ttl)
    trial.wait_flowing()


def _thaw_disk(path):
    processes.run(["fsfreeze", "--unfreeze", path])


def _onto_a_disk(trial, member):
    """A file system of its own for its data, from a file of this machine; undone at the end of the trial."""
    image, aside = f"{sandbox.PLACE}/{member.name}.disk", f"{member.data}.aside"
    member.kill()
    os.rename(member.data, aside)
    os.mkdir(member.data)
    with open(image, "wb") as file:
        file.truncate(300 << 20)
    for command in (["mkfs.ext4", "-q", "-F", image], ["mount", "-o", "loop", image, member.data],
                    ["cp", "-a", f"{aside}/.", member.data]):
        done = processes.run(command)
        assert done.returncode == 0, done.stderr
    member.begin(trial.lab.etcd.members)
    member.wait_healthy()

    def back():
        member.kill()
        done = processes.run(["cp", "-a", "--no-target-directory", member.data, f"{aside}.new"])
        assert done.returncode == 0, done.stderr
        processes.run(["umount", member.data])
        os.rmdir(member.data)
        os.rename(f"{aside}.new", member.data)
        processes.run(["rm", "-rf", aside, image, f"{member.data}/lost+found"])
        member.begin(trial.lab.etcd.members)
        member.wait_healthy()
    trial.afterwards(back)


@fault()
def etcd_quorum_lost(trial):
    """Two of three etcd members are killed: the leader must step down, and lead again when they are back"""
    etcd = trial.lab.etcd
    lost = etcd.members[:len(etcd.members) // 2 + 1]
    trial.strike()
    for member in lost:
        member.kill()
        trial.afterwards(etcd.start_member, member)
    trial.wait_demoted()
    trial.hold(2)
    for member in lost:
        etcd.start_member(member)
    trial.wait_flowing()


@fault()
def etcd_all_frozen(trial):
    """All of etcd stands still with open connections, for longer than the lease"""
    etcd = trial.lab.etcd
    trial.strike()
    for member in etcd.members:
        _freeze(trial, member)
    trial.wait_demoted()
    for member in etcd.members:
        member.thaw()
    trial.wait_flowing()


@fault()
def etcd_all_killed(trial):
    """All members of etcd are killed, and come back with their data"""
    etcd = trial.lab.etcd
    trial.strike()
    for member in etcd.members:
        member.kill()
        trial.afterwards(etcd.start_member, member)
    trial.wait_demoted()
    for member in etcd.members:
        etcd.start_member(member)
    trial.wait_flowing()


@fault()
def etcd_restarted_briefly(trial):
    """All members of etcd are killed and started again at once"""
    etcd = trial.lab.etcd
    trial.strike()
    for member in etcd.members:
        member.kill()
    for member in etcd.members:
        etcd.start_member(member)
    trial.hold(2)
    trial.wait_flowing()


@fault(heals_within=60)
def etcd_restored(trial):
    """etcd is restored from a snapshot that knows another leader"""
    lab = trial.lab
    file = f"{sandbox.PLACE}/snapshot"
    if os.path.exists(file):
        os.unlink(file)
    lab.etcd.snapshot(file)
    answer = trial.old.api("POST", "/switchover", {"leader": trial.old.name})
    assert answer.status == 200, answer
    lab.wait_whole()
    trial.strike()
    lab.etcd.replace(file)
    trial.wait_flowing(trial.patience + 30)


@fault(heals_within=60)
def etcd_emptied(trial):
    """etcd is replaced by a new cluster without any data"""
    trial.strike()
    trial.lab.etcd.replace()
    trial.wait_flowing(trial.patience + 30)


@fault()
def leader_key_deleted(trial):
    """Somebody deletes the leader key by hand"""
    trial.strike()
    trial.lab.etcd.delete(trial.lab.key("leader"))
    eventually("there is a leader key again", lambda: trial.lab.etcd.get(trial.lab.key("leader")), within=trial.patience)
    trial.wait_flowing()


@fault()
def all_keys_deleted(trial):
    """Somebody deletes everything that the cluster has in the store"""
    trial.strike()
    for key in trial.lab.etcd.keys(f"/service/{trial.lab.scope}/"):
        trial.lab.etcd.delete(key)
    trial.wait_flowing(trial.patience + 30)


@fault()
def lease_revoked(trial):
    """Somebody revokes the leader's lease by hand"""
    trial.strike()
    trial.lab.etcd.revoke(trial.lab.key("leader"))
    trial.wait_flowing()


@fault(for_peer=False)
def lease_revoked_beside_a_frozen_agent(trial):
    """Somebody revokes the leader's lease while its agent stands still: its server goes on until its deadline"""
    trial.afterwards(trial.old.thaw_agent)
    trial.old.freeze_agent()
    trial.strike()
    trial.lab.etcd.revoke(trial.lab.key("leader"))
    trial.wait_replaced()
    trial.hold(1)
    trial.thawed()
