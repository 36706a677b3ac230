"""Sockets that listen: TCP over both families, and Unix sockets for a front proxy on the same machine."""

import contextlib
import errno
import os
import socket
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Final

from dohproxy.config import AddressUnavailable, ConfigError, ListenAddress, Problem
from dohproxy.config.permissions import LOW_PORTS, first_free_port

BACKLOG: Final = 1_024
"""Connections the kernel holds for us; Linux cuts it to net.core.somaxconn (4,096)."""


DEFER_SECONDS: Final = 2
"""How long the kernel keeps a connection on which nothing has come to itself. Clients of all our protocols speak first;
who only connects holds none of our slots until then, and costs no turn of the event loop."""

_PASSING: Final = frozenset({errno.EADDRINUSE, errno.EADDRNOTAVAIL})
"""What may be over without anybody's doing: the last process ends, an interface gets its address."""


def open_listener(address: ListenAddress, *, key: str = "server.listen", shares_port: bool = False) -> socket.socket:
    """Return a bound, listening, non-blocking socket; `shares_port`: others of the same user may listen there too, and
    each gets a part of the connections.

    Raises ConfigError, naming the configuration's `key`, if the address cannot be had, and AddressUnavailable, which is
    one, if it may be had a little later.
    """
    family = socket.AF_UNIX if address.kind == "unix" else socket.AF_INET6 if ":" in address.host else socket.AF_INET
    opened = socket.socket(family, socket.SOCK_STREAM)
    try:
        if address.kind == "unix":
            _bind_unix(opened, Path(address.path))
        else:
            if shares_port:
                opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            _bind_tcp(opened, address)
        opened.listen(BACKLOG)
    except OSError as error:
        opened.close()
        reason = os.strerror(error.errno) if error.errno else str(error)
        problem = Problem(key, f"cannot listen on {address}: {reason}; {_remedy(address, error.errno)}")
        kind = AddressUnavailable if error.errno in _PASSING else ConfigError
        raise kind((problem,)) from None
    opened.setblocking(False)
    return opened


def take_over(inherited: socket.socket) -> socket.socket:
    """Give a socket that somebody else has bound and keeps what `open_listener` gives its own; return it.

    Where it is bound, and whether it takes IPv4 too, was decided when it was bound.
    """
    # To listen once more changes nothing but the length of the queue.
    inherited.listen(BACKLOG)
    inherited.setblocking(False)
    return inherited


def defer_accepting(listening: socket.socket) -> None:
    """Have connections wait in the kernel until their first byte is there, for a moment; no more on a Unix socket or
    where the kernel cannot."""
    if listening.family != socket.AF_UNIX and hasattr(socket, "TCP_DEFER_ACCEPT"):
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, DEFER_SECONDS)


def remover_of_file(opened: socket.socket) -> Callable[[], None]:
    """Return what takes away the file of a listening Unix socket; of a TCP socket it takes nothing away.

    A file that is no longer this socket's stays: a successor may have put its own in this place meanwhile.
    """
    name = opened.getsockname() if opened.family == socket.AF_UNIX else ""
    file = Path(name)
    own = _identity(file) if name else None

    def remove() -> None:
        if own is not None and _identity(file) == own:
            with contextlib.suppress(OSError):
                file.unlink()

    return remove


def _identity(file: Path) -> tuple[int, int, int] | None:
    """Tell one file from another of the same name; None if there is none."""
    try:
        found = file.lstat()
    except OSError:
        return None
    # The number alone may be given to the next file at once.
    return found.st_dev, found.st_ino, found.st_mtime_ns


def _remedy(address: ListenAddress, number: int | None) -> str:
    """Return what to do when an address cannot be had."""
    if address.kind == "unix":
        return "name a file that is free, in a directory that this user may write to"
    if number == errno.EADDRNOTAVAIL:
        return "no interface of this machine has that address (yet): see ip address, or listen on all of its family"
    if number in {errno.EACCES, errno.EPERM}:
        return LOW_PORTS.format(first=first_free_port())
    return "choose a free address and port"


def _bind_tcp(opened: socket.socket, address: ListenAddress) -> None:
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if opened.family == socket.AF_INET6:
        # [::] means IPv6 alone; IPv4 has a listener of its own, and so have its clients' addresses a plain form.
        opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    opened.bind((address.host, address.port))


def _bind_unix(opened: socket.socket, path: Path) -> None:
    """Bind a Unix socket, in place of one that a dead process left behind."""
    with contextlib.suppress(FileNotFoundError):
        if stat.S_ISSOCK(path.stat().st_mode) and _is_abandoned(path):
            path.unlink()
    opened.bind(str(path))
    # The front proxy runs under another user of the same group; the directory decides who gets here at all.
    path.chmod(0o660)


def _is_abandoned(path: Path) -> bool:
    """Tell whether nobody listens any more behind a Unix socket's file."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        return probe.connect_ex(str(path)) == errno.ECONNREFUSED
