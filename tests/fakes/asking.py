"""What calls back, awaited: for tests that ask and wait."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from dohproxy.outcomes import Priority
from dohproxy.upstream.resolver import FIRST, Found, Resolver
from dohproxy.upstream.results import Bug, Result, Unproven
from dohproxy.upstream.sends import Transport, outcome_of
from dohproxy.wire.answer import Answer
from dohproxy.wire.query import Query


def exchange(transport: Transport, query: Query, *, until: float) -> Coroutine[Any, Any, Answer | Unproven | Result]:
    """Send and wait."""
    return outcome_of(lambda done: transport.send(query, done, until=until))


async def ask(
    resolver: Resolver, query: Query, *, deadline: float, patience: float | None = None, priority: Priority = FIRST
) -> Found:
    """Ask and wait, as a client does: cancelled, it gives up its seat. Raises what a bug raised."""
    told: asyncio.Future[Found | Bug] = asyncio.get_running_loop().create_future()
    tell: Callable[[Found | Bug], None] = told.set_result
    seat = resolver.ask(query, tell, deadline=deadline, patience=patience, priority=priority)
    try:
        found = await told
    finally:
        seat.stop()
    if isinstance(found, Bug):
        raise found.error
    return found
