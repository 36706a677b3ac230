"""Who asks most, and about what, while somebody looks: in a fixed number of counters, in memory alone.

Networks and domains are counted from the moment at which a first viewer comes until the last one has gone; then all of
it is thrown away. Nothing of it is in the log, the metrics or any file. While nobody looks a request costs one look at
whether somebody does.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Protocol

from dohproxy.outcomes import Client, Reason
from dohproxy.parsed_request import ParsedRequest
from dohproxy.policy.identity import IPV4_BYTES, PREFIX_BYTES, owner
from dohproxy.policy.space_saving import Counted, SpaceSaving

MOST_COUNTERS: Final = 1_000
"""Of one sketch, some 0.5 MB with their reasons: whoever has more than a thousandth of all requests is in it."""
MOST_VIEWERS: Final = 5
"""At once: whoever is on duty, and a few who help."""
NO_ADDRESS: Final = b""
"""The key of all clients without an address, which come over a Unix socket."""
NOT_READ: Final = b""
"""The key of all requests whose name was not read, as they were turned away before."""
NOWHERE: Final = b"\xff"
"""The key of all names under no top-level domain; no name on the wire begins like this."""

Watch = Callable[[Client, ParsedRequest | None, Reason], None]


class By(StrEnum):
    """What is counted."""

    NETWORK = "network"
    """IPv4 /24 and IPv6 /56, as limits have them; and within each the host that asks most, if one does most of it."""
    DOMAIN = "domain"
    """What a single limit holds for (`policy.domains`)."""


class TooManyViewers(Exception):
    """As many look as may."""


class Watched(Protocol):
    """Where all requests end."""

    def be_watched(self, watch: Watch | None) -> None:
        """Tell `watch` how each request ends from now on; None if nobody looks any more."""


@dataclass(slots=True)
class Note:
    """What is noted of one key beside its count."""

    reasons: Counter[Reason]
    """How its requests ended."""
    host: bytes = b""
    """The candidate for who asks more than half of it (R. Boyer and J. Moore, "MJRTY", 1981)."""
    votes: int = 0
    seen: int = 0
    """What the candidate has asked since it is one: it has asked at least so much."""


@dataclass(slots=True)
class _Window:
    """What is counted in one way, and for how many."""

    sketch: SpaceSaving
    since: float
    viewers: int = 0


@dataclass(frozen=True, slots=True)
class Look:
    """What there was to see."""

    total: int
    """All requests since `since`."""
    since: float
    """Monotonic instant at which the first viewer came."""
    top: tuple[Counted, ...]
    """Each with a `Note`."""


class TopTalkers:
    """The sketches of those who look, and nothing while nobody does."""

    def __init__(self, watched: Watched, domain_of: Callable[[bytes], bytes]) -> None:
        """`domain_of` returns the lower-case wire name of the domain to which one belongs, b"" if it is under no
        top-level domain."""
        self._watched = watched
        self._domain_of = domain_of
        self._windows: dict[By, _Window] = {}

    @property
    def viewers(self) -> int:
        """How many look."""
        return sum(window.viewers for window in self._windows.values())

    @contextmanager
    def looking(self, by: By, now: float) -> Iterator[Callable[[int], Look]]:
        """Count while the context lasts; it gives what returns so many of the first. Raises TooManyViewers."""
        if self.viewers >= MOST_VIEWERS:
            raise TooManyViewers
        window = self._windows.setdefault(by, _Window(SpaceSaving(MOST_COUNTERS), now))
        window.viewers += 1
        self._watched.be_watched(self._note)
        try:
            yield lambda most: Look(window.sketch.total, window.since, tuple(window.sketch.top(most)))
        finally:
            window.viewers -= 1
            if not window.viewers:
                del self._windows[by]
            if not self._windows:
                self._watched.be_watched(None)

    def _note(self, client: Client, parsed: ParsedRequest | None, reason: Reason) -> None:
        """Count one request."""
        networks, domains = self._windows.get(By.NETWORK), self._windows.get(By.DOMAIN)
        if networks is not None:
            host, network = _places(client)
            _vote(_noted(networks.sketch, network, reason), host)
        if domains is not None:
            query = None if parsed is None else parsed.query
            domain = NOT_READ if query is None else self._domain_of(query.qname) or NOWHERE
            _noted(domains.sketch, domain, reason)


def _places(client: Client) -> tuple[bytes, bytes]:
    """Return the keys of a client's host and network."""
    held_by = owner(client.address)
    if not held_by:
        return NO_ADDRESS, NO_ADDRESS
    host, network, *_ = PREFIX_BYTES[len(held_by)]
    return held_by[:host], held_by[:network]


def _vote(note: Note, host: bytes) -> None:
    if note.host == host:
        note.votes += 1
        note.seen += 1
    elif note.votes:
        note.votes -= 1
    else:
        note.host, note.votes, note.seen = host, 1, 1


def _noted(sketch: SpaceSaving, key: bytes, reason: Reason) -> Note:
    counted = sketch.add(key)
    note: Any = counted.note
    if note is None:
        note = counted.note = Note(Counter())
    note.reasons[reason] += 1
    found: Note = note
    return found


def network_of(key: bytes) -> tuple[bytes, int]:
    """Return the packed address and the bits of a network's or a host's key."""
    size = IPV4_BYTES if len(key) <= IPV4_BYTES else 16
    return key + bytes(size - len(key)), 8 * len(key)
