"""The kinds of agent that can run a member: ours, and the peers that we are compared with and compatible to."""
import os
import pathlib
import time

ROOT = pathlib.Path(__file__).resolve().parents[3]


def log_time(line):
    """The wall clock of a line of an agent's log, in seconds; None for other lines."""
    try:
        return time.mktime(time.strptime(line[:19], "%Y-%m-%d %H:%M:%S")) + int(line[20:23]) / 1000
    except ValueError:
        return None


class Castle:
    """Ours. CASTLE_BIN names the program; without it, the newest build."""
    name = "pgcastle"
    is_ours = True
    noticed = r"investigating|acquir|promot"  # how a log line begins to speak of a lost leader

    def __init__(self):
        found = os.environ.get("CASTLE_BIN")
        if not found:
            builds = [path for path in ROOT.glob("build/*/bin/pgcastle") if path.is_file()]
            if not builds:
                raise SystemExit("no build/*/bin/pgcastle; build first, or set CASTLE_BIN")
            found = max(builds, key=lambda path: path.stat().st_mtime)
        self.program = str(pathlib.Path(found).resolve())

    def command(self, config):
        return [self.program, "agent", config]

    def settings(self, directory):
        return {"castle": {"fence_dir": f"{directory}/run"}}


class Patroni:
    """The peer of Debian 12 (3.0.2), or with PEER_BIN=build/peer/bin the one that tools/get-peer unpacked."""
    name = "patroni"
    is_ours = False
    noticed = r"Got response from|acquired session lock|healthiest|promot"

    def __init__(self, directory=None):
        directory = directory or os.environ.get("PEER_BIN") or "/usr/bin"
        self.program = f"{directory}/patroni"
        if not os.path.exists(self.program):
            raise SystemExit(f"{self.program} is missing; tools/get-peer makes it")

    def command(self, config):
        return [self.program, config]

    def settings(self, _directory):
        return {}


def chosen():
    """CASTLE_LAB_KIND=patroni runs the lab with the peer: the way to tell our mistakes from the lab's."""
    return Patroni() if os.environ.get("CASTLE_LAB_KIND") == "patroni" else Castle()
