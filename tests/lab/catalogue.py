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
    pauses_machine: bool = False  # a frozen machine wakes up: nobody could stop its server in time
    stuck_for: float = 0.0  # seconds for which clients may rightly be without any server at the end
    wal_apart: bool = False  # needs a disk of its own for the WAL
    by_hand: float = 0.0  # somebody makes a second primary: seconds within which it must be ended
    for_peer: bool = True  # false: it is about something that only our agent has


def fault(**options):
    """Registers a function under its own name; its description is the first line of its docstring."""
    def register(function):
        faults[function.__name__] = Fault(function.__name__, function, function.__doc__.splitlines()[0], **options)
        return function
    return register
