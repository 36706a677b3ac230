"""What the walk asks of the upstreams, whoever stands behind it: `Resolver` in the service, a stand-in in tests."""

from collections.abc import Callable
from typing import Final, Protocol

from dohproxy.outcomes import Priority, Purpose
from dohproxy.upstream.results import Bug, UpstreamFailure
from dohproxy.upstream.sends import Stoppable
from dohproxy.upstream.statistics import Foreseen
from dohproxy.wire.answer import Answer
from dohproxy.wire.query import Query

ResolverResult = Answer | UpstreamFailure | None
"""What who asked is told; None: to give what is in the cache by now, be it stale, or a failure to be remembered."""

FIRST: Final = Priority(0, (), 0.0)
"""For a question that nobody else's has to go before."""


class Upstreams(Protocol):
    """The upstreams of one route. A class that names this one as its base is called without a detour when compiled; any
    other one with these methods does as well."""

    def ask(
        self,
        query: Query,
        notify: Callable[[ResolverResult | Bug], None],
        *,
        deadline: float,
        patience: float | None = None,
        priority: Priority = FIRST,
    ) -> Stoppable:
        """Find an answer. `notify` is called with what was found, once, perhaps before this returns; not if what is
        returned is stopped first. It is told None if nothing came within `patience` seconds, and if what was found
        is in the cache already."""

    def refresh(self, query: Query, *, deadline: float, purpose: Purpose) -> bool:
        """Start to ask with nobody waiting, if there is room for that; tell whether it was done."""

    def pressure(self, now: float) -> float:
        """Return how scarce sends are: 0.0 with half a burst left somewhere, 1.0 when nobody can be asked."""

    def foresee(self, query: Query) -> Foreseen:
        """Return who would be asked now if somebody asked, and start nothing."""
