"""What one node has learnt of an upstream and all go by: that it bans us, that it does so no more, that it throttles.

An upstream that is not reached is no news: that may be one node's way to it. Who is the most careful wins where it is
about how much is asked; where it is about a ban, whoever has seen it last.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from dohproxy.saved import Interruption, Saved, read_dict
from dohproxy.upstream.budget.queries import Budget
from dohproxy.upstream.health.health import UpstreamHealth

MOST_BYTES: Final = 4_096
"""Of one piece of news; it has some 300."""

_Mark = tuple[object, ...]
"""What tells two standings apart."""


class StandingExchange:
    """Notices what is new here, and takes in what is new elsewhere. `seal` makes digests of names."""

    def __init__(self, seal: Callable[[str], str]) -> None:
        self._seal = seal
        self._told: dict[str, _Mark] = {}
        self._under_way: dict[str, _Mark] = {}
        self._wanted: dict[str, None] = {}
        self._allowed: set[str] = set()
        self._budgets: dict[str, Budget] = {}
        self._healths: dict[str, UpstreamHealth] = {}

    def look(self, budgets: Mapping[str, Budget], healths: Mapping[str, UpstreamHealth]) -> None:
        """Go by these from now on, as they are called at all nodes."""
        self._budgets = {self._seal(f"budget {name}"): budget for name, budget in budgets.items()}
        self._healths = {self._seal(f"upstream {name}"): health for name, health in healths.items()}
        for digest, health in self._healths.items():
            health.may_probe_for_all = lambda digest=digest: self._may_probe(digest)  # type: ignore[misc]

    def news(self, now: float) -> tuple[tuple[str, str], ...]:
        """Return what has changed here since `told`, by digests."""
        standings: dict[str, Saved] = {digest: {"aimd": one.aimd.export(now)} for digest, one in self._halved(now)}
        for digest, health in self._healths.items():
            standings[digest] = {"ban": health.export_ban(now) if health.is_banned else None}
        marks = {digest: self._mark(digest) for digest in standings}
        self._under_way = {
            digest: mark for digest, mark in marks.items() if mark != self._told.get(digest, self._quiet(digest))
        }
        return tuple((digest, json.dumps(standings[digest])) for digest in self._under_way)

    def told(self, news: Iterable[tuple[str, str]]) -> None:
        """What was new, or some of it, has arrived."""
        for digest, _ in news:
            self._told[digest] = self._under_way[digest]

    def forget(self) -> None:
        """The store has forgotten everything: all is new again."""
        self._told.clear()
        self._allowed.clear()

    def learn(self, news: Iterable[tuple[str, str, float]], now: float) -> None:
        """Take in what others have told, so many seconds ago. What is unfit is left out."""
        for digest, text, age in news:
            try:
                self._learn(digest, text, Interruption(now - age), now)
            except (AttributeError, KeyError, TypeError, ValueError, RecursionError):
                continue
            self._told[digest] = self._mark(digest)

    def probes(self) -> tuple[str, ...]:
        """Return which upstreams are to be probed by one node."""
        return tuple(self._wanted)

    def allow(self, asked: Iterable[str], allowed: Iterable[bool]) -> None:
        """Take in which of those that were asked for this node may probe."""
        for digest, is_allowed in zip(asked, allowed, strict=False):
            self._wanted.pop(digest, None)
            if is_allowed:
                self._allowed.add(digest)

    def allow_all(self) -> None:
        """There is no store: each node finds out by itself."""
        self._allowed.update(self._wanted)
        self._wanted.clear()

    def _may_probe(self, digest: str) -> bool:
        if digest in self._allowed:
            self._allowed.remove(digest)
            return True
        self._wanted[digest] = None
        return False

    def _learn(self, digest: str, text: str, interruption: Interruption, now: float) -> None:
        if len(text) > MOST_BYTES:
            return
        told: Saved = json.loads(text)
        budget, health = self._budgets.get(digest), self._healths.get(digest)
        if budget is not None:
            budget.halve_as(read_dict(told, "aimd"), interruption, now)
        elif health is not None and told["ban"] is None:
            health.learn_end_of_ban(now)
        elif health is not None:
            health.learn_ban(read_dict(told, "ban"), interruption, now)

    def _halved(self, now: float) -> list[tuple[str, Budget]]:
        return [(digest, budget) for digest, budget in self._budgets.items() if budget.aimd.is_held_back(now)]

    def _mark(self, digest: str) -> _Mark:
        health = self._healths.get(digest)
        if health is not None:
            return (health.is_banned, health.breaker.openings if health.is_banned else 0)
        return ("halved", self._budgets[digest].aimd.halvings) if digest in self._budgets else ()

    def _quiet(self, digest: str) -> _Mark:
        """Return what need not be told."""
        return (False, 0) if digest in self._healths else ("halved", 0)
