"""All resolvers of a service as one, for whoever looks after them: the general one, and one for each route."""

from collections.abc import Sequence

from dohproxy.upstream.resolver import Resolver
from dohproxy.upstream.statistics import ResolverStatistics, together


class Resolvers:
    """Does to each what is to be done to all."""

    def __init__(self, general: Resolver, others: Sequence[Resolver] = ()) -> None:
        self._general = general
        self._others = tuple(others)

    def begin_slowly(self) -> None:
        """Let all budgets grow from a small part to the whole."""
        for resolver in (self._general, *self._others):
            resolver.begin_slowly()

    def tick(self) -> None:
        """Look after all upstreams; to be called once a second."""
        for resolver in (self._general, *self._others):
            resolver.tick()

    def statistics(self, now: float) -> ResolverStatistics:
        """Return a snapshot of all together at `now`."""
        return together(self._general.statistics(now), [one.statistics(now) for one in self._others])

    async def close(self) -> None:
        """End all fetches and probes, and close all connections."""
        for resolver in (self._general, *self._others):
            await resolver.close()
