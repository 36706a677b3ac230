"""The clients of a swarm, what they ask, and what has become of it."""

import socket
from array import array
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Final

GOOD_RCODES: Final = frozenset({0, 3})
RCODES: Final = {1: "formerr", 2: "servfail", 4: "notimp", 5: "refused"}


class Tally:
    """What became of the requests of one kind."""

    def __init__(self) -> None:
        self.results: Counter[str] = Counter()
        """"answered" (NOERROR or NXDOMAIN), an rcode, "429" and its like, "lost", "timeout", "no connection"."""
        self.latencies = array("d")
        """Seconds from the moment a request was due to its last byte, of those that were answered."""

    @property
    def asked(self) -> int:
        """All requests that have ended."""
        return self.results.total()

    @property
    def success(self) -> float:
        """The share that was answered; 1.0 where nothing was asked."""
        return self.results["answered"] / self.asked if self.asked else 1.0

    def percentile(self, share: float) -> float:
        """Return the latency in seconds that this share of the answers did not exceed; 0.0 without answers."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


@dataclass(slots=True, eq=False)
class Caller:
    """One client: an address, and how it uses connections."""

    address: str
    most: int = 1
    """Connections at once; further requests wait for one of them."""
    keeps: bool = False
    """Leaves its connections open when nothing is left to ask."""
    open: int = 0
    idle: "list[Line]" = field(default_factory=list)
    waiting: "deque[Asked]" = field(default_factory=deque)


@dataclass(slots=True, eq=False)
class Asked:
    """One request of the plan."""

    due: float
    """Seconds since the start of the plan."""
    caller: Caller
    request: bytes
    kind: str
    """Under which it is counted."""
    again: bool = False
    """It had to be sent again because a kept connection had been closed meanwhile, as browsers do."""
    line: "Line | None" = None
    """Where it was sent."""


class Line:
    """One connection of a caller."""

    __slots__ = ("asked", "buffer", "caller", "is_ready", "served", "socket")

    def __init__(self, caller: Caller, opened: socket.socket) -> None:
        self.caller = caller
        self.socket = opened
        self.asked: Asked | None = None
        self.buffer = b""
        self.is_ready = False
        self.served = 0


def result_of(head: bytes, body: bytes) -> str:
    """Return one word for a response; a stale answer is an answer."""
    status = head[9:12].decode("ascii", "replace")
    if status != "200":
        return status
    if len(body) < 12:
        return "no message"
    rcode = body[3] & 0x0F
    return "answered" if rcode in GOOD_RCODES else RCODES.get(rcode, f"rcode {rcode}")
