"""Processes of a test: everything that the lab starts, and everything those start, ends with the test program.

The test program makes itself the subreaper: a server whose agent was killed becomes its child, not init's. So "all
our processes" is the tree below this program, whatever was killed in between, and nothing else is ever signalled.
"""
import atexit
import ctypes
import os
import pwd
import shutil
import signal
import subprocess
import threading
import time

PR_SET_CHILD_SUBREAPER = 36

directories = set()  # what to remove when the test program is ended from outside
_known = set()  # children that a Popen object waits for
_dead_since = {}  # adopted or unknown children that wait for being reaped
_lock = threading.Lock()


def owner_name():
    """PostgreSQL refuses root: as root, servers run as the user postgres; otherwise all runs as who we are."""
    return "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name


def give_to_owner(path):
    if os.geteuid() == 0:
        entry = pwd.getpwnam(owner_name())
        os.chown(path, entry.pw_uid, entry.pw_gid)


def start_unattended(*arguments, **options):
    """One that nobody waits for, as those whose parent has ended: when it dies, it is gone."""
    process = start(*arguments, **options)
    with _lock:
        _known.discard(process.pid)
    return process


def start(argv, log, user=None, env=None, cwd="/"):
    """Starts a program with both outputs appended to the file `log`; `user` other than ours needs root."""
    switch = {}
    if user and os.geteuid() == 0 and user != "root":
        entry = pwd.getpwnam(user)
        switch = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    full_env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "HOME": cwd, "TMPDIR": cwd, **(env or {})}
    with open(log, "ab", buffering=0) as out, _lock:
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=full_env, cwd=cwd,
                                   start_new_session=True, **switch)
        _known.add(process.pid)
    return process


def run(argv, within=60, **options):
    """Runs a program to its end and collects what it says. (subprocess.run would lose the status to our reaper.)"""
    with _lock:
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   text=True, **options)
        _known.add(process.pid)
    try:
        out, err = process.communicate(timeout=within)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        raise AssertionError(f"not within {within} s: {' '.join(argv)}; it said: {out}{err}") from None
    finally:
        _known.discard(process.pid)
    return subprocess.CompletedProcess(argv, process.returncode, out, err)


def started_at(pid):
    """When it was started, on the monotonic clock; the kernel counts in hundredths of a second."""
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        ticks = int(file.read().rpartition(")")[2].split()[19])
    since_boot = ticks / os.sysconf("SC_CLK_TCK")
    return since_boot - time.clock_gettime(time.CLOCK_BOOTTIME) + time.monotonic()


def send(pid, number):
    """Signals one process; False if it is gone."""
    try:
        os.kill(pid, number)
        return True
    except ProcessLookupError:
        return False


def _stat(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return None
    return fields[0], int(fields[1])  # state, parent


def parent_of(pid):
    found = _stat(pid)
    return found[1] if found else None


def state(pid):
    """The letter of /proc; X for one that is gone."""
    found = _stat(pid)
    return found[0] if found else "X"


def alive(pid):
    return state(pid) not in "ZX"


def command_line(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""


def _children():
    tree = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            found = _stat(entry)
            if found:
                tree.setdefault(found[1], []).append((int(entry), found[0]))
    return tree


def descendants(root):
    """All living processes below `root`, parents first."""
    tree, result, queue = _children(), [], [root]
    while queue:
        for pid, state in tree.get(queue.pop(0), []):
            queue.append(pid)
            if state not in "ZX":
                result.append(pid)
    return result


def kill_all_ours():
    """Ends the whole tree below this program. Stopped processes die of SIGKILL, too."""
    for _ in range(100):
        left = descendants(os.getpid())
        if not left:
            return
        for pid in left:
            send(pid, signal.SIGKILL)
        reap()
        time.sleep(0.02)


def reap(older_than=0.0):
    """Waits for adopted children that died, so that they do not look alive to those who ask for their pid. A child of
    subprocess.run is dead for a moment, too, before its status is fetched: the background leaves it that time."""
    me = os.getpid()
    with _lock:
        try:
            if os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
                return
        except ChildProcessError:
            return
        dead = {pid for pid, state in _children().get(me, []) if state == "Z" and pid not in _known}
        now = time.monotonic()
        for pid in set(_dead_since) - dead:
            del _dead_since[pid]
        for pid in dead:
            if now - _dead_since.setdefault(pid, now) < older_than:
                continue
            try:
                os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                pass


def _reaper():
    while True:
        reap(older_than=0.5)
        time.sleep(0.05)


def become_subreaper(time_limit):
    """To be called once. After `time_limit` seconds the test program gives up by itself and cleans up, before the
    runner would kill it and leave servers behind."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    threading.Thread(target=_reaper, daemon=True).start()
    atexit.register(kill_all_ours)

    def over(number, _frame):
        reason = "its time limit is over" if number == signal.SIGALRM else f"signal {number}"
        os.write(2, f"\n==== the lab ends: {reason}\n".encode())
        kill_all_ours()
        for directory in directories:
            shutil.rmtree(directory, ignore_errors=True)
        os._exit(1)  # an exception would be taken for a failure of the test at hand, and the next would begin

    for number in (signal.SIGALRM, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, over)
    signal.alarm(time_limit)
