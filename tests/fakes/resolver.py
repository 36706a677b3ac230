"""The upstreams as the walk sees them, without any: what they say is a function of the question."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from dohproxy.upstream.resolver import FIRST, Learn, Resolver, UpstreamFailure
from dohproxy.verdict import Priority, Purpose
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


class FakeResolver(Resolver):
    """Answers what `script` says: an answer, a failure, an exception to raise, or None where patience runs out.

    Like the real one it calls `learn` before it returns an answer or a failure. While `gate` is cleared, everybody
    waits.
    """

    def __init__(self, learn: Learn, script: Script) -> None:
        self.asked: list[Asked] = []
        self.refreshed: list[tuple[Query, Purpose]] = []
        self.refresh_deadlines: list[float] = []
        self.has_room = True
        self.scarcity = 0.0
        self.script = script
        self.gate = asyncio.Event()
        self.gate.set()
        self._tell = learn

    async def ask(
        self, query: Query, *, deadline: float, patience: float | None = None, priority: Priority = FIRST
    ) -> Answer | UpstreamFailure | None:
        self.asked.append(Asked(query, deadline, patience, priority))
        await self.gate.wait()
        found = self.script(query)
        if isinstance(found, Exception):
            raise found
        if found is not None:
            self._tell(query, found)
        return found

    def refresh(self, query: Query, *, deadline: float, purpose: Purpose) -> bool:
        if self.has_room:
            self.refreshed.append((query, purpose))
            self.refresh_deadlines.append(deadline)
        return self.has_room

    def pressure(self, now: float) -> float:
        return self.scarcity
