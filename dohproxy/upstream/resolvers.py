"""All resolvers of a service as one, for whoever looks after them: the general one, and one for each route."""

from collections.abc import Callable, Sequence

from dohproxy.saved import Interruption, Saved
from dohproxy.upstream.resolver import Resolver
from dohproxy.upstream.statistics import ResolverStatistics, UpstreamStatistics, together


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

    def export(self, seal: Callable[[str], str], now: float) -> Saved:
        """Return what is known of all upstreams beside their budgets."""
        saved = self._general.export(seal, now)
        for resolver in self._others:
            saved |= resolver.export(seal, now)
        return saved

    def restore(self, saved: Saved, seal: Callable[[str], str], interruption: Interruption) -> int:
        """Let all upstreams go on with what another process has exported; return how many do."""
        return sum(one.restore(saved, seal, interruption) for one in (self._general, *self._others))

    def pause(self, name: str) -> bool:
        """Leave the upstream of this name alone; False if there is none."""
        found = [resolver.pause(name) for resolver in (self._general, *self._others)]
        return any(found)

    def resume(self, name: str) -> bool:
        """Ask the upstream of this name again; False if there is none."""
        found = [resolver.resume(name) for resolver in (self._general, *self._others)]
        return any(found)

    def colleagues(self, name: str, now: float) -> list[tuple[UpstreamStatistics, ...]]:
        """Return those that are asked about the same names as the upstream of this name, itself included: once for
        each route that has it."""
        every = [resolver.statistics(now).upstreams for resolver in (self._general, *self._others)]
        return [upstreams for upstreams in every if any(one.name == name for one in upstreams)]

    async def close(self) -> None:
        """End all fetches and probes, and close all connections."""
        for resolver in (self._general, *self._others):
            await resolver.close()
