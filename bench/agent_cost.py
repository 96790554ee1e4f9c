"""What an agent costs: three members from nothing, memory and processor at rest, health checks a second."""
import os
import socket
import statistics
import threading
import time

from lib import processes


def pids_of(member):
    """The agent with what belongs to it: our fence counts, the server does not."""
    server = member.postmaster_pid()
    below = set(processes.descendants(server)) | {server}
    pids = {member.agent_pid, *processes.descendants(member.agent_pid)} - below
    return pids | ({member.fence_pid()} if member.fence_pid() else set())


def _memory(pids, key):
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
    """Resident and proportional memory in MB, and per cent of a processor, of the leader's agent."""
    pids = pids_of(cluster.wait_whole())
    before, began = _processor(pids), time.monotonic()
    time.sleep(seconds)  # a measurement, not a wait
    used = (_processor(pids) - before) / (time.monotonic() - began) * 100
    return _memory(pids, "Rss"), _memory(pids, "Pss"), used


def requests(member, seconds, clients, kept):
    """GET /primary: how many a second, and the slowest hundredth in ms; with a new connection for each or kept ones."""
    request = b"GET /primary HTTP/1.1\r\nHost: x\r\n" + (b"" if kept else b"Connection: close\r\n") + b"\r\n"
    counts, latencies = [0] * clients, []

    def one(index):
        end = time.monotonic() + seconds
        connection = None
        while time.monotonic() < end:
            began = time.monotonic()
            if connection is None:
                connection = socket.create_connection((member.host.address, member.api_port))
            connection.sendall(request)
            answer = connection.recv(65536)
            if kept:
                head, _, body = answer.partition(b"\r\n\r\n")
                length = int(next(line for line in head.lower().split(b"\r\n")
                                  if line.startswith(b"content-length:")).split(b":")[1])
                while len(body) < length:
                    body += connection.recv(65536)
            else:
                while answer:
                    answer = connection.recv(65536)
                connection.close()
                connection = None
            counts[index] += 1
            latencies.append(time.monotonic() - began)
    threads = [threading.Thread(target=one, args=(index,)) for index in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / seconds, statistics.quantiles(latencies, n=100)[98] * 1000
