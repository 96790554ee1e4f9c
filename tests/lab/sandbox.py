"""A machine within the machine: the lab's program starts itself again with process, network, mount and IPC namespaces
of its own. Nothing of it is seen outside, several stand side by side, and the kernel itself removes all of it when the
program ends, however it ends: processes, networks, mounted disks, shared memory and files.

Needs root. What is missing is said, and then the lab is skipped.
"""
import ctypes
import os
import shutil
import signal
import subprocess
import sys
import time

CLONE_NEWNS, CLONE_NEWIPC, CLONE_NEWPID, CLONE_NEWNET = 0x20000, 0x8000000, 0x20000000, 0x40000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_REMOUNT, MS_REC, MS_PRIVATE = 1, 2, 4, 32, 0x4000, 1 << 18
MNT_DETACH = 2
PR_SET_PDEATHSIG = 1
SKIPPED = 77  # the exit status that the test runner takes for "skipped"
CORNER = "castle-lab-"
PLACE = "/run/lab"  # all files of the lab; below it one folder a host

_libc = ctypes.CDLL(None, use_errno=True)


def _checked(result, doing):
    if result != 0:
        raise OSError(ctypes.get_errno(), f"{doing}: {os.strerror(ctypes.get_errno())}")


def mount(source, target, kind, flags=0, options=""):
    _checked(_libc.mount(source.encode(), target.encode(), kind.encode(), flags, options.encode()), f"mount {target}")


def unmount_below(path):
    """Everything that is mounted there or below."""
    with open("/proc/self/mounts", encoding="utf-8") as file:
        targets = [line.split()[1] for line in file]
    for target in reversed(targets):
        if target == path or target.startswith(path + "/"):
            _checked(_libc.umount2(target.encode(), MNT_DETACH), f"umount {target}")


def set_network(descriptor):
    """Moves the calling thread, and what it starts, to that network namespace."""
    _checked(_libc.setns(descriptor, CLONE_NEWNET), "setns")


def _missing():
    if os.geteuid() != 0:
        return "only root can make hosts with networks of their own"
    absent = [name for name in ("ip", "nft", "haproxy", "etcd", "etcdctl") if not shutil.which(name)]
    if absent:
        return f"not installed: {', '.join(absent)} (tools/install-deps test)"
    return None


def _skip(reason):
    print(f"SKIPPED: no lab on this machine: {reason}", file=sys.stderr, flush=True)
    sys.exit(SKIPPED)


def enter():
    """Returns in the inner program only; the outer one waits for it and ends with its status."""
    reason = _missing()
    if reason:
        _skip(reason)
    if _libc.unshare(CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWPID | CLONE_NEWNET) != 0:
        _skip(f"the kernel grants no namespaces: {os.strerror(ctypes.get_errno())}")
    corner = _own_corner()
    child = os.fork()
    if child == 0:
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        _furnish()
        return
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal tells the inner program as well
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _frame: os.kill(child, number))
    _, status = os.waitpid(child, 0)
    if corner:
        _write(f"{os.path.dirname(corner)}/cgroup.procs", str(os.getpid()))
        _remove_corner(corner)
    os._exit(os.waitstatus_to_exitcode(status) & 0xff)


def _own_corner():
    """A control group for all of the lab, below our own; fences make theirs in it. No namespace removes what a killed
    fence leaves behind, so the outer program does, or the next that finds it without its owner."""
    with open("/proc/mounts", encoding="utf-8") as file:
        mounts = [fields[1] for fields in map(str.split, file) if fields[2] == "cgroup2"]
    with open("/proc/self/cgroup", encoding="utf-8") as file:
        own = next((line[3:].strip() for line in file if line.startswith("0::")), None)
    if not mounts or own is None:
        return None
    parent = mounts[0] + own.rstrip("/")
    try:
        for name in os.listdir(parent):
            owner = name.removeprefix(CORNER)
            if owner != name and not os.path.exists(f"/proc/{owner}"):
                _remove_corner(f"{parent}/{name}")
        corner = f"{parent}/{CORNER}{os.getpid()}"
        os.mkdir(corner)
        _write(f"{corner}/cgroup.procs", str(os.getpid()))
        return corner
    except OSError:
        return None  # fences do without, too


def _remove_corner(path):
    for folder, _, _ in os.walk(path, topdown=False):
        for _ in range(100):  # what was killed is not gone at once
            try:
                os.rmdir(folder)
                break
            except OSError:
                time.sleep(0.02)


def _write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def _furnish():
    mount("none", "/", "", MS_REC | MS_PRIVATE)
    mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV)
    mount("lab", "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777")
    mount("lab", "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755")
    os.mkdir(PLACE, 0o755)
    os.mkdir("/run/netns", 0o755)
    # Tables of neighbours and the like are this machine's, not the host's that is simulated: no packet leaves.
    if subprocess.run(["nft", "add", "table", "bridge", "lab"], capture_output=True, check=False).returncode != 0:
        _skip("this kernel has no packet filter for bridges")
