"""What nodes share of one route: a look before an upstream is asked, and what is written when one has answered.

    look ──┬── fresh, or failed ──── into our own cache, from which it is given
           ├── ours ──────────────── we ask an upstream; while we do, the store says so to others
           ├── theirs ────────────── wait a moment, and look again
           └── late, unreadable, or no room: we ask an upstream, as if there were no store

What is past its time is put into our own cache too, and changes nothing else: it is given where a stale answer of our
own would be, and that somebody else has one is no reason to ask.
"""

import asyncio
import math
from collections.abc import Callable, Sequence
from typing import Any, Final

from dohproxy.cache import Cache, Freshness
from dohproxy.config import UpstreamConfig
from dohproxy.outcomes import Reason
from dohproxy.sharing.commands import Reply, StoreFailure
from dohproxy.sharing.question_scripts import ANSWERED, FAILED, OURS, REMEMBERED, THEIRS
from dohproxy.sharing.shared_answers import pack_answer, pack_failure, read_answer, read_failure, route_name
from dohproxy.sharing.shared_cache import FAILED_SUFFIX, Call, SharedCache
from dohproxy.upstream.elsewhere import Finding
from dohproxy.upstream.results import UpstreamFailure
from dohproxy.upstream.sends import Stoppable
from dohproxy.wire.answer import Answer
from dohproxy.wire.query import Query

PAUSES_SECONDS: Final = (0.01, 0.02, 0.03)
"""Between two looks of who waits for another node's answer; the last one again and again. Most answers of a recursive
resolver come within 30 ms, from its cache."""
WAIT_SECONDS: Final = 0.3
"""The most that another node's answer is waited for. An upstream that takes longer is asked once by each who wants to
know; less than an attempt, so that there is time left to do so."""
LEAST_LEFT_SECONDS: Final = 1.0
"""So long before its deadline a question is not waited for any more: there must be time to ask."""
LEAST_NEWER_SECONDS: Final = 1.0
"""Who renews what is fresh here takes what is newer by at least so much: ages are no better known than that."""
WORKS_SECONDS: Final = 5.0
"""Upstreams that have answered something so lately work, as seen from here: then that a question is not answered is the
question's own doing, and not the way's, on which other nodes are not."""


class SharedRoutes:
    """The routes of this node, as far as they are shared."""

    def __init__(self, shared: SharedCache) -> None:
        self._shared = shared

    def of(self, cache: Cache, domains: Sequence[str], upstreams: Sequence[UpstreamConfig]) -> "SharedRoute | None":
        """Return what is shared of the route of these domains, which has this cache; None if nothing is."""
        name = route_name(domains, upstreams)
        return None if name is None else SharedRoute(self._shared, name, cache)


class SharedRoute:
    """One route, by the name that it has among nodes (`shared_answers.route_name`)."""

    def __init__(self, shared: SharedCache, route: bytes, cache: Cache) -> None:
        self._shared = shared
        self._route = route
        self.cache = cache
        self._answered_at = -math.inf

    @property
    def stale_wait_seconds(self) -> float:
        """As the cache's rules have it."""
        return self.cache.rules.stale_wait_seconds

    def name(self, query: Query) -> str:
        """Return what a question is called in the store."""
        return self._shared.name(self._route, query.key)

    def look(
        self, query: Query, pressure: Callable[[float], float], deadline: float, notify: Callable[[Finding], None]
    ) -> Stoppable | None:
        """Look in the store; None if it is not to be asked, or cannot be."""
        if not self._shared.store.is_hasty:
            return None
        look = _Look(self._shared, self, query, pressure, deadline)
        return look.begin(notify)

    def let_go(self, query: Query) -> None:
        """Nobody here asks about it: it is whoever's wants it."""
        self._shared.settle(self.name(query))

    def publish(self, query: Query, found: Answer | UpstreamFailure) -> None:
        """Share what came of asking upstreams, as far as the cache keeps it; to be called once it does."""
        shared, now = self._shared, self._shared.clock()
        if isinstance(found, Answer):
            self._answered_at = now
            entry = self.cache.peek(query.key)
            if entry is not None:
                stale_seconds, wall_now = self.cache.rules.stale_keep_seconds, shared.wall_clock()
                packed = pack_answer(query.key, entry, now=now, wall_now=wall_now, stale_seconds=stale_seconds)
                shared.counts.too_large += packed is None
                shared.settle(self.name(query), ANSWERED, packed)
                return
        elif self._is_questions_own(found, now):
            failure = self.cache.foresee_failure(query.key, now)
            if failure is not None:
                packed = pack_failure(failure, now=now, wall_now=shared.wall_clock())
                shared.settle(self.name(query), REMEMBERED, packed)
                return
        self.let_go(query)

    def take(self, query: Query, name: str, reply: list[Any]) -> None:
        """Put into the cache what the store has of a question."""
        _, answer, left, failure, failure_left = reply
        kept = None if answer is None else self._take_answer(query, name, answer, left)
        if failure is not None:
            self._take_failure(query, name + FAILED_SUFFIX, failure, failure_left, since=kept)

    def _take_answer(self, query: Query, name: str, value: object, left: object) -> float | None:
        """Put an answer into the cache; return when it was stored, if it is one."""
        shared, now = self._shared, self._shared.clock()
        incoming = shared.open(name, value, left)
        if incoming is None:
            return None
        kept = read_answer(query.key, incoming, now=now, wall_now=shared.wall_clock())
        if kept is None:
            shared.counts.unreadable += 1
            return None
        if shared.is_flushed(query.qname, kept.stored_at):
            return None
        self.cache.receive(query.key, kept.answer, kept.lifetime, kept.stored_at, now)
        return kept.stored_at

    def _take_failure(self, query: Query, name: str, value: object, left: object, since: float | None) -> None:
        """Put a failure into the cache, unless the question was answered `since`."""
        shared = self._shared
        incoming = shared.open(name, value, left)
        if incoming is None:
            return
        failed = read_failure(incoming, now=shared.clock(), wall_now=shared.wall_clock())
        if failed is None or (since is not None and since > failed.stored_at):
            return
        if not shared.is_flushed(query.qname, failed.stored_at):
            self.cache.receive_failure(query.key, failed.failure)

    def _is_questions_own(self, found: UpstreamFailure, now: float) -> bool:
        """Tell whether a failure is the question's own, as far as it can be told from here. That nobody could be asked,
        or nobody answers, may be the matter of this node alone."""
        if found.answer is not None:
            return True
        return found.reason is Reason.UPSTREAM_TIMEOUT and now - self._answered_at < WORKS_SECONDS


class _Look:
    """One question that is looked for until it is known, or ours, or to be asked anyway."""

    __slots__ = (
        "_call",
        "_had",
        "_least_left",
        "_looks",
        "_name",
        "_notify",
        "_pressure",
        "_query",
        "_route",
        "_shared",
        "_timer",
        "_until",
    )

    def __init__(
        self,
        shared: SharedCache,
        route: SharedRoute,
        query: Query,
        pressure: Callable[[float], float],
        deadline: float,
    ) -> None:
        now = shared.clock()
        self._shared = shared
        self._route = route
        self._query = query
        self._name = route.name(query)
        self._pressure = pressure
        self._until = min(now + WAIT_SECONDS, deadline - LEAST_LEFT_SECONDS)
        self._looks = 0
        self._call: Call | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._notify: Callable[[Finding], None] | None = None
        held = route.cache.peek(query.key)
        left = -1.0 if held is None else held.stored_at + held.lifetime - now
        is_fresh = held is not None and left > 0
        self._least_left = left + LEAST_NEWER_SECONDS if is_fresh else 0.0
        self._had = -math.inf if held is None or not is_fresh else held.stored_at + LEAST_NEWER_SECONDS / 2

    def begin(self, notify: Callable[[Finding], None]) -> "_Look | None":
        """Look; None if the store does not take it."""
        self._shared.counts.lookups += 1
        self._look()
        if self._call is None:
            return None
        self._notify = notify
        return self

    def stop(self) -> None:
        """Look no longer, and say nothing."""
        self._notify = None
        if self._call is not None:
            self._call.stop()
        if self._timer is not None:
            self._timer.cancel()

    def _look(self) -> None:
        self._looks += 1
        call = self._shared.look(self._name, self._least_left, self._replied)
        self._call = None if call.has_ended else call

    def _replied(self, reply: Reply | StoreFailure) -> None:
        counts = self._shared.counts
        if isinstance(reply, StoreFailure) or not _is_well_formed(reply):
            counts.late += reply is StoreFailure.SLOW
            counts.lost += reply is not StoreFailure.SLOW
            self._end(self._finding())
            return
        self._route.take(self._query, self._name, reply)
        case, finding = reply[0], self._finding()
        if case == FAILED and self._route.cache.foresee_failure(self._query.key, self._shared.clock()) is not None:
            counts.failures += 1
            finding = Finding.KNOWN
        elif finding is Finding.KNOWN:
            counts.hits += 1
        elif case == THEIRS and finding is not Finding.KEPT and self._waits():
            return
        elif finding is Finding.NOTHING:
            counts.misses += 1
        else:
            counts.stale += 1
        if case == OURS and finding is not Finding.KNOWN:
            self._shared.hold(self._name)
        self._end(finding)

    def _waits(self) -> bool:
        """Look again in a moment, if there is time."""
        pause = PAUSES_SECONDS[min(self._looks, len(PAUSES_SECONDS)) - 1]
        if self._shared.clock() + pause >= self._until:
            return False
        self._shared.counts.waits += self._looks == 1
        self._timer = asyncio.get_running_loop().call_later(pause, self._look_again)
        return True

    def _look_again(self) -> None:
        self._timer = None
        self._look()

    def _finding(self) -> Finding:
        """Return what is in the cache by now that was not before."""
        now = self._shared.clock()
        entry, freshness = self._route.cache.foresee(self._query.key, now, self._pressure(now))
        if entry is None:
            return Finding.NOTHING
        match freshness:
            case Freshness.FRESH:
                return Finding.KNOWN if entry.stored_at > self._had else Finding.NOTHING
            case Freshness.KEPT:
                return Finding.KEPT
            case _:
                return Finding.STALE

    def _end(self, finding: Finding) -> None:
        if self._looks > 1 and finding is not Finding.KNOWN:
            self._shared.counts.waits_in_vain += 1
        notify, self._notify = self._notify, None
        self._call = None
        if notify is not None:
            notify(finding)


def _is_well_formed(reply: Reply) -> bool:
    """Tell whether this is what the script returns. It is, unless somebody has put another store there."""
    return isinstance(reply, list) and len(reply) == 5 and isinstance(reply[0], int)
