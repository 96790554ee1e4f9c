"""Free ports on loopback, below the range from which the kernel gives ports to clients."""
import os
import socket

_next = 21000 + (os.getpid() * 37) % 9000


def free_port():
    global _next
    while True:
        _next = _next + 1 if _next < 31900 else 21000
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", _next))
                return _next
            except OSError:
                pass
