"""Who asks: the mix of September 2019, as many times over as is wanted.

Of 565,000 requests of strangers a day 95 % are probes, which are answered here and never leave the machine; the rest,
and what members ask, are questions whose names have the popularity of `bench.names`. How many names there are decides
more than anything else, and nobody knows it of a crowd that has not come: so all is shown for few and for many.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from bench.incident.strangers import DAY_SECONDS, REQUESTS, TAIL_SHARE
from bench.names import ZIPF_EXPONENT

MEMBERS_REQUESTS: Final = 60_000
"""In one day, before the strangers came."""
FEW_NAMES: Final = 10_000
"""People of one association who browse (`bench.names`)."""
MANY_NAMES: Final = 1_000_000
"""Strangers from everywhere, each with names of his own."""
TYPES: Final = ((1, 0.5), (28, 0.3), (65, 0.2))
"""A, AAAA and HTTPS, and their parts of all questions, as browsers ask."""
TTLS: Final = ((60, 0.35), (300, 0.40), (3_600, 0.20), (86_400, 0.05))
"""Seconds that an answer holds here, with the floor of 60, and the parts of all names. Content networks have 20 to 300,
and most others an hour: an assumption, and the tables say how much it matters."""
SHORT_TTLS: Final = ((60, 0.35), (300, 0.40), (3_600, 0.25))
"""The same without those that hold for a day, which no simulation of some hours sees come and go."""
ALONE: Final = 2_000
"""The most popular names, each counted for itself; beyond them ranks are taken together."""
STEP: Final = 1.02
"""The width of such a group: all in it are asked within 2 % as often."""


@dataclass(frozen=True, slots=True)
class Kind:
    """Questions that are alike."""

    count: float
    """How many different ones there are."""
    per_second: float
    """How often each of them is asked by all clients together."""
    ttl: float


@dataclass(frozen=True, slots=True)
class Crowd:
    """Everybody, `scale` times as many as in 2019."""

    scale: float
    names: int = MANY_NAMES
    zipf: float = ZIPF_EXPONENT
    ttls: tuple[tuple[int, float], ...] = TTLS

    @property
    def requests_per_second(self) -> float:
        """All requests, probes among them."""
        return self.scale * (REQUESTS + MEMBERS_REQUESTS) / DAY_SECONDS

    @property
    def questions_per_second(self) -> float:
        """Those that the service does not answer out of itself."""
        return self.scale * (REQUESTS * TAIL_SHARE + MEMBERS_REQUESTS) / DAY_SECONDS

    def kinds(self) -> Iterator[Kind]:
        """Yield all questions, alike ones together."""
        total = sum(count / rank**self.zipf for rank, count in _ranks(self.names))
        for rank, count in _ranks(self.names):
            per_second = self.questions_per_second / (rank**self.zipf * total)
            for _, part in TYPES:
                for ttl, share in self.ttls:
                    yield Kind(count * share, per_second * part, ttl)


def _ranks(names: int) -> Iterator[tuple[float, int]]:
    """Yield ranks, and how many names each stands for."""
    alone = min(ALONE, names)
    for rank in range(1, alone + 1):
        yield float(rank), 1
    edges = [alone]
    while edges[-1] < names:
        edges.append(min(names, int(edges[-1] * STEP) + 1))
    for first, last in pairwise(edges):
        yield (first + 1 + last) / 2, last - first
