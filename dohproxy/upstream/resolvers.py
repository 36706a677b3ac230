"""All resolvers of a service as one, for whoever looks after them: the general one, and one for each route."""

import math
from collections.abc import Callable, Sequence
from contextlib import suppress

from dohproxy.saved import Interruption, Saved, UnfitState, distance, read_moment
from dohproxy.upstream.health.health import UpstreamHealth
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

    def healths(self) -> dict[str, UpstreamHealth]:
        """Return how all upstreams are, by what makes them the same ones elsewhere."""
        found = self._general.healths()
        for resolver in self._others:
            found |= resolver.healths()
        return found

    def wake(self) -> None:
        """There may be more budget than before."""
        for resolver in (self._general, *self._others):
            resolver.wake()

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

    def export_pauses(self, seal: Callable[[str], str], now: float) -> Saved:
        """Return since when which upstreams are left alone, by what `seal` makes of their names: as a reload does, the
        next process knows those whom the operator meant by them, whatever address they have there."""
        return {seal(_pause_of(name)): distance(since, now) for name, since in self.paused(now).items()}

    def restore_pauses(self, saved: Saved, seal: Callable[[str], str], interruption: Interruption, now: float) -> None:
        """Leave those alone that another process has left alone. Of one that there is no more nothing is kept."""
        for one in self.statistics(now).upstreams:
            with suppress(UnfitState):
                since = read_moment(saved, seal(_pause_of(one.name)), interruption)
                if since > -math.inf:
                    self.stay_paused(one.name, min(since, now))

    def pause(self, name: str) -> bool:
        """Leave the upstream of this name alone; False if there is none."""
        found = [resolver.pause(name) for resolver in (self._general, *self._others)]
        return any(found)

    def stay_paused(self, name: str, since: float) -> bool:
        """Leave the upstream of this name alone as it was before; False if there is none."""
        found = [resolver.stay_paused(name, since) for resolver in (self._general, *self._others)]
        return any(found)

    def paused(self, now: float) -> dict[str, float]:
        """Return the names of all upstreams that are left alone, with the moment since which they are."""
        upstreams = self.statistics(now).upstreams
        return {one.name: one.paused_since for one in upstreams if one.paused_since is not None}

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


def _pause_of(name: str) -> str:
    """Return what is sealed for a pause, which is nothing that is sealed for anything else."""
    return f"pause of {name}"
