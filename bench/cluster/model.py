"""Caches by formula.

Questions for one name come at random, `r` a second, and an answer holds `T` seconds. One cache asks the upstream once
in T + 1/r seconds: it holds the answer for T and waits 1/r for the next question. n nodes that are alone do so each
with r/n. With a store behind them it is one cache again towards the upstream. In such a time one node asks the store
for the upstream, and each of the others once if somebody asks it while the answer holds: 1 - exp(-rT/n) of them.
"""

import math
from dataclasses import dataclass
from typing import Final

from bench.cluster.crowd import Crowd

LEASES_PER_SECOND: Final = 1.0
"""Of each node (`sharing/lease_keeper.py`)."""
EVENT_READS_PER_SECOND: Final = 25.0
"""Of each node: whether there is anything new in the streams, in its box, of the others (docs/nodes.md)."""


@dataclass(frozen=True, slots=True)
class Load:
    """What comes where, a second."""

    questions: float
    alone: float
    """Queries to the upstream if every node has but its own cache."""
    shared: float
    """Queries to the upstream with one cache behind the caches."""
    lookups: float
    """What nodes ask the store for."""

    @property
    def share_answered_by_store(self) -> float:
        """Of all misses, those that the store answers."""
        return 1 - self.shared / self.lookups if self.lookups else 0.0

    def operations(self, nodes: int) -> float:
        """All that is asked of the store a second: a lookup, its question lease and the answer's storing for what the
        store did not have, leases and events."""
        return self.lookups + 2 * self.shared + nodes * (LEASES_PER_SECOND + EVENT_READS_PER_SECOND)


def load_of(crowd: Crowd, nodes: int) -> Load:
    """Return what comes where."""
    alone = shared = lookups = 0.0
    for kind in crowd.kinds():
        rate, ttl = kind.per_second, kind.ttl
        each = rate / nodes
        alone += kind.count * nodes * each / (1 + each * ttl)
        period = ttl + 1 / rate
        shared += kind.count / period
        lookups += kind.count * (1 + (nodes - 1) * -math.expm1(-each * ttl)) / period
    return Load(crowd.questions_per_second, alone, shared, lookups)


def entries_held(crowd: Crowd) -> float:
    """Return how many answers are fresh at any time, and so how many the store holds."""
    return sum(kind.count * kind.ttl / (kind.ttl + 1 / kind.per_second) for kind in crowd.kinds())
