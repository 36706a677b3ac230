"""What the kernel holds for clients: bounded while they are connected, and nothing afterwards.

Left to itself, Linux takes megabytes of answers for a client that does not read before it says that it is enough, and
keeps them for minutes after the connection has been closed. No limit of ours sees any of that.
"""

import contextlib
import fcntl
import socket
import struct
import termios
from typing import Any, Final

SEND_BYTES: Final = 65_536
"""SO_SNDBUF, for one connection: the largest answer that DNS has. Linux books twice as much, for its own structures."""
UNSENT_BYTES: Final = 16_384
"""TCP_NOTSENT_LOWAT: of that, what the network is not ready for yet; the rest waits here, where it is counted. Ordinary
answers are smaller and never notice."""
MOST_LEFT_BYTES: Final = 4_096
"""Unacknowledged at the end of a connection, for the kernel to see to: several ordinary answers to a client that sends
nothing more. Who leaves more behind does not read."""
_RESET: Final = struct.pack("ii", 1, 0)
_LEFT: Final = struct.pack("i", 0)


def bound_sending(listening: socket.socket, seconds: float) -> None:
    """Bound what the kernel holds for each connection that will be accepted here, which inherits it all; who
    acknowledges nothing, or takes nothing, for so many seconds is cut by the kernel, closed or not.

    A Unix socket's other end is a front proxy, which reads.
    """
    if listening.family == socket.AF_UNIX:
        return
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BYTES)
    # Linux alone has these.
    for name, value in (("TCP_USER_TIMEOUT", int(seconds * 1000)), ("TCP_NOTSENT_LOWAT", UNSENT_BYTES)):
        if hasattr(socket, name):
            listening.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def reset_on_close(connected: Any) -> None:
    """Have the kernel throw away what it holds when this socket is closed, and tell the peer so (RST)."""
    with contextlib.suppress(OSError):  # It has gone already, and its buffers with it.
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)


def kernel_bytes(connected: socket.socket) -> int:
    """Return how many bytes the kernel holds that the peer has not acknowledged; 0 where that cannot be known."""
    try:
        return int(struct.unpack("i", fcntl.ioctl(connected, termios.TIOCOUTQ, _LEFT))[0])
    except (OSError, ValueError):  # ValueError: it is closed.
        return 0


def cut(transport: Any) -> None:
    """Abort a transport of any event loop, so that nothing is left of it."""
    reset_on_close(transport.get_extra_info("socket"))
    transport.abort()
