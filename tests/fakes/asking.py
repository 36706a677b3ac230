"""What calls back, awaited: for tests that ask and wait."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from dohproxy.outcomes import Priority
from dohproxy.upstream.results import Bug, SendStatus, Unproven
from dohproxy.upstream.sends import Transport, outcome_of
from dohproxy.upstream.upstreams import FIRST, ResolverResult, Upstreams
from dohproxy.wire.answer import Answer
from dohproxy.wire.query import Query


def exchange(
    transport: Transport, query: Query, *, until: float
) -> Coroutine[Any, Any, Answer | Unproven | SendStatus]:
    """Send and wait."""
    return outcome_of(lambda done: transport.send(query, done, until=until))


async def ask(
    upstreams: Upstreams, query: Query, *, deadline: float, patience: float | None = None, priority: Priority = FIRST
) -> ResolverResult:
    """Ask and wait, as a client does: cancelled, it gives up its waiter. Raises what a bug raised."""
    told: asyncio.Future[ResolverResult | Bug] = asyncio.get_running_loop().create_future()
    notify: Callable[[ResolverResult | Bug], None] = told.set_result
    waiter = upstreams.ask(query, notify, deadline=deadline, patience=patience, priority=priority)
    try:
        found = await told
    finally:
        waiter.stop()
    if isinstance(found, Bug):
        raise found.error
    return found
