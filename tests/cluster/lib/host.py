"""Where a member runs. Here: on this machine's loopback, on ports that were free; `tests/lab` has hosts with a network
of their own. A host has an address, gives out ports, and `inside` is the context in which to start its programs."""
import contextlib

from .ports import free_port


class Loopback:
    address = "127.0.0.1"
    neighbours = "127.0.0.1/32"  # from where the other members come

    @staticmethod
    def port(_usual):
        return free_port()

    @staticmethod
    def disk(directory):
        """Where the server's data go, for a member whose files are in `directory`."""
        return directory

    @staticmethod
    def inside():
        return contextlib.nullcontext()
