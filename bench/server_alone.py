"""The floor for a server crash: PostgreSQL by itself, killed and started again at once by a loop, with the same client."""
import os
import shutil
import threading
import time

import psycopg2

from lib import ledger, processes
from lib.member import PASSWORD, SUPERUSER, postgres_bin
from lib.waiting import eventually
from lib.writers import TABLE, MultiHostWriter

PORT = 5999


def _flowing(writer):
    before = len(writer.acks)
    eventually("the client writes", lambda: len(writer.acks) > before + 50, within=60)


def gaps(directory, address, rounds):
    """Seconds without an acknowledged write, one a crash."""
    os.mkdir(directory)
    processes.give_to_owner(directory)
    password_file, log, owner = f"{directory}/password", f"{directory}/log", processes.owner_name()
    with open(password_file, "w", encoding="utf-8") as file:
        file.write(PASSWORD)
    processes.give_to_owner(password_file)
    data, found = f"{directory}/data", []
    initdb = processes.start([f"{postgres_bin()}/initdb", "-D", data, "-U", SUPERUSER, "-A", "md5", "--locale=C", "-k",
                              f"--pwfile={password_file}"], log, owner)
    assert initdb.wait() == 0, log
    with open(f"{data}/pg_hba.conf", "a", encoding="utf-8") as file:
        file.write(f"host all all {address}/32 md5\n")

    def start():
        return processes.start([f"{postgres_bin()}/postgres", "-D", data, "-p", str(PORT), "-c",
                                f"listen_addresses={address}", "-c", f"unix_socket_directories={directory}", "-c",
                                "shared_buffers=16MB"], log, owner)
    server, ended = start(), threading.Event()

    def keep():
        nonlocal server
        while not ended.is_set():
            server.wait()
            if not ended.is_set():
                # What is left of the old server holds its shared memory for some milliseconds more.
                while any("postgres" in processes.command_line(pid) for pid in processes.descendants(os.getpid())):
                    time.sleep(0.001)
                server = start()
    keeper = threading.Thread(target=keep, daemon=True)
    keeper.start()
    dsn = f"host={address} port={PORT} dbname=postgres connect_timeout=2"
    eventually("the server alone", lambda: _table(dsn), within=30)
    writer = MultiHostWriter(dsn).start()
    for _ in range(rounds):
        _flowing(writer)
        began = time.monotonic()
        server.kill()
        _flowing(writer)
        found.append(ledger.longest_gap(writer.acks, began, writer.acks[-1].acked))
    writer.stop()
    ended.set()
    server.kill()
    keeper.join()
    shutil.rmtree(directory)
    return found


def _table(dsn):
    connection = psycopg2.connect(dsn, user=SUPERUSER, password=PASSWORD)
    connection.autocommit = True
    connection.cursor().execute(TABLE)
    connection.close()
    return True
