"""What the acknowledged inserts of a run prove. Pure: it sees lists of writers.Ack and nothing else."""
from collections import namedtuple

# `ack` was given by a second primary: `after` seconds too late, for `first` had been acknowledged elsewhere.
Double = namedtuple("Double", "ack first after")


def doubles(direct):
    """The acknowledgements of writers that are connected to one server each, which prove two primaries.

    Every timeline is written by one server, and once a newer one has been, the older is never written again. An insert
    that was on its way while the other server began to acknowledge may have been committed before: it is excused.
    """
    firsts, writer_of, found = {}, {}, []
    for ack in sorted(direct, key=lambda ack: ack.acked):
        firsts.setdefault(ack.timeline, ack)
        writer_of.setdefault(ack.timeline, ack)
    for ack in sorted(direct, key=lambda ack: ack.acked):
        other = writer_of[ack.timeline]
        newer = [first for timeline, first in firsts.items() if timeline > ack.timeline and ack.sent > first.acked]
        if ack.node != other.node:
            found.append(Double(ack, other, ack.acked - other.acked))
        elif newer:
            first = min(newer, key=lambda first: first.acked)
            found.append(Double(ack, first, ack.sent - first.acked))
    return found


def longest_gap(acks, since, until):
    """The longest time without an acknowledgement, in seconds."""
    times = [since, *sorted(ack.acked for ack in acks if since <= ack.acked <= until), until]
    return max(later - earlier for earlier, later in zip(times, times[1:]))
