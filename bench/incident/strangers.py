"""The flood of September 2019, as far as it can be reconstructed: who came, how often, in which dialect.

565,000 requests a day from 20,000 addresses are 28 for each, which is no browsing: it is the cadence of a stub that
looks every four hours whether each server of its list is well, used or not. So nearly everybody here is a stub that
probes six times a day with two or three requests on a new connection, and a few hold us for the fastest server and
really ask.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from heapq import merge
from itertools import accumulate
from typing import Final

from bench.callers import Asked, Caller
from bench.names import Popularity
from bench.questions import (
    AAAA,
    NS,
    PROBE_ID,
    A,
    query,
    stub_get_of_2019,
    stub_post_of_2019,
    stub_post_of_today,
)

ADDRESSES: Final = 20_000
REQUESTS: Final = 565_000
"""In one day."""
DAY_SECONDS: Final = 86_400.0
PROBE_PERIOD_SECONDS: Final = 14_400.0
"""`cert_refresh_delay`, 240 minutes by default."""
ADDRESSES_PER_NETWORK: Final = 4
"""So 5,000 different /24s."""
TAIL_SHARE: Final = 0.05
"""Part of all requests that are real questions."""
ASKING_SHARE: Final = 0.05
"""Part of the addresses that ask them: those for whom we are among the fastest servers of the list."""
SESSION_QUESTIONS: Final = 4
"""Real questions over one connection, before the stub's idle connections are taken by other servers."""
RANDOM_LETTERS: Final = 16
_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz"

_ROOT_OF_2019: Final = query("", NS, identifier=PROBE_ID, payload=4096, dnssec=True)


def probe_of_2019(_: random.Random) -> tuple[bytes, ...]:
    """Twice the same constant message."""
    return (stub_post_of_2019(_ROOT_OF_2019),) * 2


def probe_without_post(_: random.Random) -> tuple[bytes, ...]:
    """The same where something on the way breaks POST: after the first failure the stub goes on with GET."""
    return stub_post_of_2019(_ROOT_OF_2019), *(stub_get_of_2019(_ROOT_OF_2019),) * 2


def probe_of_today(rng: random.Random) -> tuple[bytes, ...]:
    """The root's name servers, padded at random, then a name that must not exist and is new each time."""
    root = query("", NS, identifier=PROBE_ID, payload=4096, padding=rng.randbytes(RANDOM_LETTERS))
    label = "".join(rng.choices(_LETTERS, k=RANDOM_LETTERS))
    absent = query(
        f"{label}.test.dnscrypt", NS, identifier=PROBE_ID, payload=4096, padding=rng.randbytes(RANDOM_LETTERS)
    )
    return stub_post_of_today(root), stub_post_of_today(absent)


@dataclass(frozen=True, slots=True)
class Dialect:
    """A kind of stub, and the part of all stubs that are of it."""

    kind: str
    """Under which its requests are counted."""
    share: float
    round: Callable[[random.Random], tuple[bytes, ...]]
    """One look at a server: all its requests, one after the other on one connection."""
    requests: int


DIALECTS: Final = (
    Dialect("probe, 2019", 0.65, probe_of_2019, 2),
    Dialect("probe, 2019 by GET", 0.15, probe_without_post, 3),
    Dialect("probe, today", 0.20, probe_of_today, 2),
)
"""All of 2019's field spoke the first two; the third came in 2020 and is what a list brings now."""
TAIL: Final = "real question"


@dataclass(frozen=True, slots=True)
class Flood:
    """How much of the incident is replayed, and how fast."""

    addresses: int = ADDRESSES
    requests: int = REQUESTS
    day_seconds: float = DAY_SECONDS
    """How long the day takes: less than 86,400 is faster than it was."""
    tail_share: float = TAIL_SHARE
    seed: int = 2019

    @property
    def stubs(self) -> int:
        """Stubs that probe: so many that their rounds and the tail make `requests`; several may share an address."""
        per_stub = DAY_SECONDS / PROBE_PERIOD_SECONDS * sum(one.share * one.requests for one in DIALECTS)
        return round(self.requests * (1 - self.tail_share) / per_stub)


def address_of(number: int) -> str:
    """Return the address of a stranger: four to a /24 of 127.64.0.0/10."""
    network, host = divmod(number, ADDRESSES_PER_NETWORK)
    return f"127.{64 + network // 256}.{network % 256}.{1 + host}"


def strangers(flood: Flood, popularity: Popularity) -> Iterator[Asked]:
    """Yield every request of the day, ordered by when it is due."""
    scale = flood.day_seconds / DAY_SECONDS
    yield from merge(_probes(flood, scale), _tail(flood, scale, popularity), key=lambda asked: asked.due)


def first_stubs(kind: str) -> Iterator[Asked]:
    """Yield one round of a stub of each dialect, at once."""
    rng = random.Random(0)  # noqa: S311 - a replay, the same every time
    for dialect in DIALECTS:
        caller = Caller(address_of(0))
        for request in dialect.round(rng):
            yield Asked(0.0, caller, request, kind)


def _probes(flood: Flood, scale: float) -> Iterator[Asked]:
    rng = random.Random(flood.seed)  # noqa: S311 - a replay, the same every time
    cumulated = list(accumulate(dialect.share for dialect in DIALECTS))
    stubs = sorted(
        (rng.uniform(0, PROBE_PERIOD_SECONDS), number, rng.choices(DIALECTS, cum_weights=cumulated)[0])
        for number in range(flood.stubs)
    )
    for period in range(round(DAY_SECONDS / PROBE_PERIOD_SECONDS)):
        for phase, number, dialect in stubs:
            due = (period * PROBE_PERIOD_SECONDS + phase) * scale
            caller = Caller(address_of(number % flood.addresses))
            for request in dialect.round(rng):
                yield Asked(due, caller, request, dialect.kind)


def _tail(flood: Flood, scale: float, popularity: Popularity) -> Iterator[Asked]:
    rng = random.Random(flood.seed + 1)  # noqa: S311 - a replay, the same every time
    asking = max(1, round(flood.addresses * ASKING_SHARE))
    sessions = round(flood.requests * flood.tail_share / SESSION_QUESTIONS)
    for due in sorted(rng.uniform(0, DAY_SECONDS) for _ in range(sessions)):
        caller = Caller(address_of(rng.randrange(asking) * (flood.addresses // asking)))
        for name in popularity.draw(rng, SESSION_QUESTIONS):
            request = stub_post_of_2019(query(name, rng.choice((A, AAAA)), payload=4096))
            yield Asked(due * scale, caller, request, TAIL)
