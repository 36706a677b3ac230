"""One port on several addresses, and the moment when the kernel took a datagram in."""

import socket
import struct
import time
from typing import Final

from tests.e2e.processes import free_port

SO_TIMESTAMPNS: Final = 35
"""asm-generic/socket.h: the kernel notes when a datagram came, so a busy simulator sees no bursts that were none."""
BIND_ATTEMPTS: Final = 20
"""A port that was free a moment ago may be taken when it is bound."""


def bind_all(
    kinds: tuple[socket.SocketKind, ...], addresses: tuple[str, ...]
) -> tuple[int, dict[socket.SocketKind, list[socket.socket]]]:
    """Return a port, and a socket of each kind bound to it on each address."""
    for _ in range(BIND_ATTEMPTS):
        port = free_port()
        bound: dict[socket.SocketKind, list[socket.socket]] = {kind: [] for kind in kinds}
        try:
            for kind in kinds:
                for address in addresses:
                    one = socket.socket(socket.AF_INET, kind)
                    bound[kind].append(one)
                    one.setblocking(False)
                    one.bind((address, port))
        except OSError:
            for one in (one for sockets in bound.values() for one in sockets):
                one.close()
        else:
            return port, bound
    raise RuntimeError("no port is free on every address")


def age_of(control: list[tuple[int, int, bytes]]) -> float:
    """Return how many seconds ago the kernel took a datagram in."""
    for level, kind, value in control:
        if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS:
            seconds, nanoseconds = struct.unpack("qq", value)
            age: float = time.time() - seconds - nanoseconds / 1e9
            return min(max(0.0, age), 1.0)
    return 0.0
