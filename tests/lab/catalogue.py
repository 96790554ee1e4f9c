"""The list of faults. A fault is a function of a running Trial: it strikes, waits for what must follow while it lasts,
and heals. Whatever comes after it, the cluster being whole above all, the trial looks at."""
from dataclasses import dataclass
from typing import Callable

faults = {}


@dataclass(frozen=True)
class Fault:
    name: str
    function: Callable
    title: str
    heals_within: float = 30.0  # seconds that becoming whole may take beside the lease
    loses_nothing: bool = False  # not one acknowledged row, in asynchronous mode too
    pauses_machine: bool = False  # a frozen machine wakes up: nobody could stop its server in time
    wal_apart: bool = False  # needs a disk of its own for the WAL
    by_hand: float = 0.0  # somebody makes a second primary: seconds from its first acknowledgement until it is ended
    at_most: int = 0  # trials on one cluster, because one more would be another fault; 0: any number
    for_peer: bool = True  # false: it is about something that only our agent has


def chosen(names):
    """The faults that are called so, or begin so; all of them without names."""
    # pylint: disable-next=unused-import,multiple-imports,cyclic-import
    import faults_host, faults_network, faults_store, faults_disk, faults_server  # noqa: E401
    if not names:
        return list(faults.values())
    found = []
    for name in names:
        matching = [faults[name]] if name in faults else [f for key, f in faults.items() if key.startswith(name)]
        if not matching:
            raise SystemExit(f"there is no fault called {name}; see --list")
        found += matching
    return found


def fault(**options):
    """Registers a function under its own name; its description is the first line of its docstring."""
    def register(function):
        faults[function.__name__] = Fault(function.__name__, function, function.__doc__.splitlines()[0], **options)
        return function
    return register
