#!/usr/bin/python3
"""Debian's real patronictl (package patroni, 3.0.2) against our cluster."""
from lib.case import ClusterCase, main
from lib.commands import Commands


class RealPatronictl(Commands, ClusterCase):
    command = ["/usr/bin/patronictl"]
    lag_column = "Lag in MB"


if __name__ == "__main__":
    main()
