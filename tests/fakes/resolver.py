"""The upstreams as the walk sees them, without any: what they say is a function of the question."""

from collections.abc import Callable
from dataclasses import dataclass

from dohproxy.outcomes import Priority, Purpose
from dohproxy.upstream.flight import Waiter
from dohproxy.upstream.resolver import Learn
from dohproxy.upstream.results import Bug, UpstreamFailure
from dohproxy.upstream.statistics import Foreseen
from dohproxy.upstream.upstreams import FIRST, ResolverResult
from dohproxy.wire.answer import Answer
from dohproxy.wire.query import Query

Script = Callable[[Query], Answer | UpstreamFailure | Exception | None]


@dataclass(frozen=True, slots=True)
class Asked:
    """One question that came to the upstreams."""

    query: Query
    deadline: float
    patience: float | None
    priority: Priority


class FakeResolver:
    """Tells at once what `script` says: an answer, a failure, an exception that is a bug, None where patience runs out.

    Like the real one it calls `learn` before it tells an answer or a failure. While it `is_silent`, everybody waits.
    """

    def __init__(self, learn: Learn, script: Script) -> None:
        self.asked: list[Asked] = []
        self.refreshed: list[tuple[Query, Purpose]] = []
        self.refresh_deadlines: list[float] = []
        self.has_room = True
        self.scarcity = 0.0
        self.foreseen = Foreseen(is_under_way=False, upstream="ns0", budget_left=7.0, waits=0.0)
        self.script = script
        self.is_silent = False
        self.waiting: list[Callable[[ResolverResult | Bug], None]] = []
        """Whom nobody has told anything."""
        self.learn = learn

    def ask(
        self,
        query: Query,
        notify: Callable[[ResolverResult | Bug], None],
        *,
        deadline: float,
        patience: float | None = None,
        priority: Priority = FIRST,
    ) -> Waiter[ResolverResult]:
        self.asked.append(Asked(query, deadline, patience, priority))
        if self.is_silent:
            self.waiting.append(notify)
        else:
            found = self.script(query)
            if found is not None and not isinstance(found, Exception):
                self.learn(query, found)
            notify(Bug(found) if isinstance(found, Exception) else found)
        return Waiter(notify, until=deadline, late=None)

    def refresh(self, query: Query, *, deadline: float, purpose: Purpose) -> bool:
        if self.has_room:
            self.refreshed.append((query, purpose))
            self.refresh_deadlines.append(deadline)
        return self.has_room

    def pressure(self, now: float) -> float:
        return self.scarcity

    def foresee(self, query: Query) -> Foreseen:
        return self.foreseen
