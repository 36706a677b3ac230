"""Question by question: each node has a cache, and behind them is the store, or none."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Final

from bench.cluster.crowd import TYPES, Crowd

RESTART_SECONDS: Final = 60.0
"""What is looked at after a node has begun anew."""
_MOST_TYPES: Final = 128
_GOLDEN: Final = (5**0.5 - 1) / 2


@dataclass(slots=True)
class Counts:
    """What came where, from the end of the warm-up on."""

    questions: int = 0
    lookups: int = 0
    upstream: int = 0
    after_restart: int = 0
    """Queries to the upstream within RESTART_SECONDS of a node's beginning anew, by that node."""


@dataclass(slots=True)
class Cluster:
    """Nodes with their caches: until when each holds an answer to a question."""

    nodes: int
    has_store: bool
    seed: int = 2019
    counts: Counts = field(default_factory=Counts)
    _caches: list[dict[int, float]] = field(default_factory=list)
    _store: dict[int, float] = field(default_factory=dict)

    def run(self, crowd: Crowd, warm_up: float, seconds: float, *, restarts_at: float | None = None) -> Counts:
        """Let the crowd ask for so long; at `restarts_at` seconds after the warm-up the first node loses its cache."""
        rng = random.Random(self.seed)  # noqa: S311 - the same run each time
        self._caches = [{} for _ in range(self.nodes)]
        draw = _Questions(crowd, rng)
        now, end = 0.0, warm_up + seconds
        restart = None if restarts_at is None else warm_up + restarts_at
        is_restarted = False
        while True:
            now += rng.expovariate(crowd.questions_per_second)
            if now >= end:
                return self.counts
            if restart is not None and not is_restarted and now >= restart:
                is_restarted = True
                self._caches[0].clear()
            node = rng.randrange(self.nodes)
            question, ttl = draw.next()
            is_watched = restart is not None and node == 0 and restart <= now < restart + RESTART_SECONDS
            self._ask(node, question, ttl, now, is_counted=now >= warm_up, is_watched=is_watched)

    def _ask(self, node: int, question: int, ttl: float, now: float, *, is_counted: bool, is_watched: bool) -> None:
        counts = self.counts
        counts.questions += is_counted
        cache = self._caches[node]
        if cache.get(question, 0.0) > now:
            return
        counts.lookups += is_counted
        if self.has_store:
            until = self._store.get(question, 0.0)
            if until > now:
                cache[question] = until
                return
            self._store[question] = now + ttl
        counts.upstream += is_counted
        counts.after_restart += is_watched
        cache[question] = now + ttl


class _Questions:
    """Draws questions: a number for each, and how long its answer holds."""

    def __init__(self, crowd: Crowd, rng: random.Random) -> None:
        self._rng = rng
        self._names = range(crowd.names)
        self._weights = list(accumulate(1 / rank**crowd.zipf for rank in range(1, crowd.names + 1)))
        self._ttls = _stretched(crowd.ttls)
        self._types = _stretched(TYPES)

    def next(self) -> tuple[int, float]:
        """Return one."""
        [name] = self._rng.choices(self._names, cum_weights=self._weights)
        question = name * _MOST_TYPES + self._rng.choice(self._types)
        # By formula each question has a little of every TTL; here each has one, and the golden ratio spreads them.
        return question, self._ttls[int(question * _GOLDEN % 1.0 * len(self._ttls))]


def _stretched(parts: Sequence[tuple[int, float]]) -> list[int]:
    """Return each value as often as its part of a hundred says."""
    return [value for value, share in parts for _ in range(round(100 * share))]
