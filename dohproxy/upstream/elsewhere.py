"""Who may know an answer already and is asked before any upstream is, and the fetch that begins when that was in vain.

    begin ── look ──┬── KNOWN                    who waits is told to give what the cache has; no upstream is asked
                    ├── KEPT, somebody waits     the same: it is good enough while the upstreams are short of breath
                    ├── KEPT, STALE              the fetch begins, and nobody waits longer for it than beside a stale
                    │                            answer of our own
                    └── NOTHING                  the fetch begins, as it does at once where nobody is to be asked

It lies within the flight of its question, so equal questions look once. Until the look is over no budget is touched and
no place in a line is taken.
"""

from collections.abc import Callable
from enum import Enum, auto
from typing import Protocol

from dohproxy.outcomes import Priority
from dohproxy.upstream.results import Bug
from dohproxy.upstream.sends import Stoppable
from dohproxy.wire.query import Query


class Finding(Enum):
    """What a look elsewhere has brought into the cache."""

    KNOWN = auto()
    """An answer that is fresh, or a failure that forbids asking."""
    KEPT = auto()
    """An answer past its time, and good enough while the upstreams are short of breath."""
    STALE = auto()
    """An answer to be given if nothing better comes (RFC 8767)."""
    NOTHING = auto()


class Elsewhere(Protocol):
    """Others who may know an answer to a question of one route."""

    @property
    def stale_wait_seconds(self) -> float:
        """How long somebody waits for a new answer while there is a stale one."""

    def look(
        self, query: Query, pressure: Callable[[float], float], deadline: float, notify: Callable[[Finding], None]
    ) -> Stoppable | None:
        """Ask them; None if nobody is to be asked now. `notify` is called once, not before this returns and long before
        the `deadline`, unless what is returned is stopped; what was found is in the cache by then. `pressure` tells how
        scarce sends are (`Upstreams.pressure`)."""

    def let_go(self, query: Query) -> None:
        """No upstream is asked after all, so nobody need wait for what comes of it."""


class Start(Protocol):
    """Begins a fetch."""

    def __call__(self, priority: Priority, *, is_awaited: bool) -> Stoppable | None:
        """Begin it; None, and it has been told, if there is no room for one that nobody waits for."""


class LateStart:
    """A fetch under way, or the look that comes before it; whoever joins meanwhile makes it better awaited.

    `tell` tells all who wait to give what the cache has; `hurry` has them wait so many seconds at the most.
    """

    __slots__ = ("_elsewhere", "_hurry", "_is_awaited", "_priority", "_query", "_start", "_tell", "_under_way")

    def __init__(
        self,
        query: Query,
        elsewhere: Elsewhere,
        priority: Priority,
        start: Start,
        tell: Callable[[Bug | None], None],
        hurry: Callable[[float], None],
        *,
        is_awaited: bool,
    ) -> None:
        self._query = query
        self._elsewhere = elsewhere
        self._priority = priority
        self._start = start
        self._tell = tell
        self._hurry = hurry
        self._is_awaited = is_awaited
        self._under_way: Stoppable | None = None

    def begin(self, pressure: Callable[[float], float], deadline: float) -> None:
        """Look, or begin the fetch if nobody is to be asked."""
        self._under_way = self._elsewhere.look(self._query, pressure, deadline, self._looked)
        if self._under_way is None:
            self._looked(Finding.NOTHING)

    def promote(self, priority: Priority) -> None:
        """Somebody else wants the same answer: the fetch is begun for the best of those who wait."""
        if not self._is_awaited or priority.rank < self._priority.rank:
            self._priority = priority
        self._is_awaited = True

    def stop(self) -> None:
        """End without a word."""
        if self._under_way is not None:
            self._under_way.stop()
            self._under_way = None
            self._elsewhere.let_go(self._query)

    def _looked(self, finding: Finding) -> None:
        self._under_way = None
        try:
            self._go_on(finding)
        except Exception as error:
            self._elsewhere.let_go(self._query)
            self._tell(Bug(error))

    def _go_on(self, finding: Finding) -> None:
        if finding is Finding.KNOWN or (finding is Finding.KEPT and self._is_awaited):
            self._elsewhere.let_go(self._query)
            self._tell(None)
            return
        if finding is not Finding.NOTHING:
            self._hurry(self._elsewhere.stale_wait_seconds)
        self._under_way = self._start(self._priority, is_awaited=self._is_awaited)
        if self._under_way is None:
            self._elsewhere.let_go(self._query)
