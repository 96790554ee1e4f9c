"""What an agent costs: three members from nothing, memory and processor at rest, health checks a second."""
import os
import sys
import time

from lib import processes


def pids_of(member):
    """The agent with what belongs to it: our fence counts, the server does not."""
    server = member.postmaster_pid()
    below = set(processes.descendants(server)) | {server}
    pids = {member.agent_pid, *processes.descendants(member.agent_pid)} - below
    return pids | ({member.fence_pid()} if member.fence_pid() else set())


def memory(pids, key):
    """In MB, by the name that the kernel gives it."""
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/smaps_rollup", encoding="utf-8") as file:
            total += next(int(line.split()[1]) for line in file if line.startswith(key + ":"))
    return total / 1024


def _processor(pids):
    ticks = 0
    for pid in pids:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            fields = file.read().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def at_rest(cluster, seconds):
    """Resident and proportional memory in MB, and per cent of a processor, of the leader's agent; and what
    all agents together ask of the store, in requests a second."""
    pids = pids_of(cluster.wait_whole())
    before, asked, began = _processor(pids), cluster.etcd.requests(), time.monotonic()
    time.sleep(seconds)  # a measurement, not a wait
    took = time.monotonic() - began
    used, requests_made = _processor(pids) - before, cluster.etcd.requests() - asked
    return memory(pids, "Rss"), memory(pids, "Pss"), used / took * 100, requests_made / took


def requests(program, member, **options):
    """GET /primary by rest_bench on the agent's host: how many a second, and the slowest hundredth in ms."""
    arguments = [text for name, value in options.items() for text in (f"--{name}", str(value))]
    with member.host.inside():
        done = processes.run([program, member.host.address, str(member.api_port), *arguments])
    figures = done.stdout.split()
    assert len(figures) == 4, f"rest_bench: {done.stdout}{done.stderr}"
    assert figures[3] == "0" or not member.kind.is_ours, f"{figures[3]} health checks were not answered"
    if figures[3] != "0":
        print(f"  {figures[3]} of the peer's failed", file=sys.stderr)
    return float(figures[0]), float(figures[2])
