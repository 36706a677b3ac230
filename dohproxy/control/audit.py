"""The audit log: one line for each command that may change something, and who gave it.

No client's address and no name that was asked for stands in it, as in all of the log. A name that is flushed is the
operator's own input; but mostly it is one that a member has complained about, it would be the only name in the whole
log, and the log is copied and kept where the cache is not. So it is told that there was one, and not which.
"""

import logging
import socket
import struct
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import structlog

LOGGER: Final = "dohproxy.audit"
_CREDENTIALS: Final = struct.Struct("3i")
"""struct ucred of unix(7): pid, uid, gid."""

# Whatever level the log has: that is one of the things that a command changes.
logging.getLogger(LOGGER).setLevel(logging.INFO)
_log = structlog.get_logger(LOGGER)


@dataclass(frozen=True, slots=True)
class Peer:
    """Who gave a command, as the kernel says it."""

    uid: int
    pid: int


@dataclass(frozen=True, slots=True)
class Login:
    """Who gave a command at the loopback listener: nobody but who logged in there with that number, which the log has
    where that was."""

    login: int


@dataclass(frozen=True, slots=True)
class Node:
    """Who gave a command at another node, whose log has who that was."""

    node: str


Giver = Peer | Login | Node


def peer_of(connected: Any) -> Peer | None:
    """Return who is at the other end of a Unix socket; None where nobody can say."""
    if connected is None or connected.family != socket.AF_UNIX:
        return None
    try:
        pid, uid, _ = _CREDENTIALS.unpack(
            connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        )
    except (AttributeError, OSError):
        return None
    return Peer(uid, pid)


Noting = Callable[[str, Mapping[str, Any], Giver | None, str], None]
"""As `note`."""


def note(command: str, arguments: Mapping[str, Any], giver: Giver | None, result: str) -> None:
    """Write the line. `arguments` are those that may be written down, `result` is "done", "refused" or "bug"; "begun"
    of what changes nothing and takes a while."""
    who = {} if giver is None else asdict(giver)
    _log.info("a command was carried out" if result in ("done", "begun") else "a command was not carried out",
              command=command, arguments=dict(arguments), result=result, **who)  # fmt: skip


def note_of_others(command: str, arguments: Mapping[str, Any], giver: Giver | None, result: str) -> None:
    """Write the line if another node has given the command: what a supervisor gives its workers it has written down."""
    if isinstance(giver, Node):
        note(command, arguments, giver, result)
