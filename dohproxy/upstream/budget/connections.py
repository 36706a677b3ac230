"""How many connections one upstream has to bear, and how often a new one is knocked for.

Firewalls count connection attempts, not queries (nftables' `limit`, SYN cookies): an upstream that refuses connections
is knocked for less and less often, while queries over UDP go on. One that closes connections under our queries gets
them over a single one (the counterpart of HTTP/2's ENHANCE_YOUR_CALM). One that closes each connection after so many
answers, be it one, gets no more questions on it than that.
"""

import math
from collections import deque
from collections.abc import Callable
from typing import Final

from dohproxy.saved import Interruption, Saved, distance, read_count, read_moment, read_number
from dohproxy.upstream.budget.queries import ROUNDING
from dohproxy.upstream.health.signals import ConnectFailure, Signal

SHORTEST_PAUSE_SECONDS: Final = 1.0
LONGEST_PAUSE_SECONDS: Final = 60.0
"""Some bans' length; a connection attempt a minute disturbs nobody."""
JITTER: Final = 0.25
"""Part of each pause that is drawn, so that many proxies do not come back in step."""
CUTS: Final = 3
"""Connections closed under our queries before that means something. One restart of a resolver closes all at once."""
SOON_SECONDS: Final = 1.0
"""A query may wait so long for the rate of new connections: well within an attempt."""
ONE_EVENT_SECONDS: Final = 1.0
"""What happens to several connections within it has one reason."""
CUTS_SECONDS: Final = 60.0
"""The time in which they count together."""
MOST_FAILURES: Final = 8
"""Failures in a row that are told apart: from the seventh on the pause is the longest."""
MOST_OPENED: Final = 1_000_000
"""The most connections, or questions on one, that are read back: far beyond any that can be configured."""
TURNED_AWAY: Final = 3
"""Connections in a row that did not come to be, before an operator is told."""
SINGLE_SECONDS: Final = 600.0
"""How long a single connection is kept to after connections were cut: the time in which a halved budget recovers; and
how long what was seen twice of its answers to a connection is believed."""


class ConnectionBudget:
    """At most `most` connections at once, and as many new ones in a row; then `per_second`. Begins full.

    `draw` returns numbers from 0.0 up to 1.0.
    """

    def __init__(self, most: int, per_second: float, draw: Callable[[], float], *, now: float) -> None:
        self.open = 0
        """Connections that hold a socket, or are about to."""
        self.agreed = (most, per_second)
        """Connections, and new ones a second: for the whole service."""
        self._part = 1.0
        self._is_held = False
        self._most = most
        self._per_second = per_second
        self._draw = draw
        self._left = float(most)
        self._counted_at = now
        self._failures = 0
        self._paused_until = -math.inf
        self._single_until = -math.inf
        self._flooded_until = -math.inf
        self._cuts: deque[float] = deque(maxlen=CUTS)
        self._questions: int | None = None
        self._questions_until = -math.inf
        self._closed_at = -math.inf
        self._sure_until = -math.inf
        self._told_until = -math.inf
        self.is_turned_away = False
        """The last connection failed although somebody listens there: reset, an alert, a handshake that never ended."""
        self.refusal: ConnectFailure | None = None
        """Why TLS came to nothing the last time, if that is known."""

    def adopt(self, most: int, per_second: float, now: float) -> None:
        """Take another agreement; what has been opened is counted, and what a larger number adds is gained by time."""
        if (most, per_second) == self.agreed:
            return
        self.agreed = most, per_second
        self._divide(now)

    def hold(self, part: float, now: float) -> None:
        """Use no more than this part from now on, as other nodes have the rest. What is saved up beyond it is lost; it
        begins with one connection, as after a restart."""
        if part != self._part:
            self._part = part
            self._divide(now)
            if part and not self._is_held:
                self._is_held = True
                self._left = min(1.0, float(self._most))

    def _divide(self, now: float) -> None:
        opened = self._most - self._refill(now)
        most, per_second = self.agreed
        self._most, self._per_second = int(most * self._part + ROUNDING), per_second * self._part
        self._left = max(0.0, min(self._left, self._most - opened))

    def most(self, now: float) -> int:
        """Return how many connections there may be now."""
        return min(1, self._most) if now < self._single_until else self._most

    @property
    def is_settled(self) -> bool:
        """Whether no more are open than may be."""
        return self.open <= self._most

    def may_open(self, now: float) -> bool:
        """Tell whether one more connection may be opened now."""
        return self.open < self.most(now) and self.may_replace(now)

    def may_replace(self, now: float) -> bool:
        """Tell whether a new connection may be knocked for in the place of one that ends."""
        return now >= self._paused_until and self._refill(now) >= 1

    def may_ask(self, now: float) -> bool:
        """Tell whether a query can go out over some connection: one that is there, or one that there may soon be."""
        return self.open > 0 or self.may_open_soon(now)

    def may_open_soon(self, now: float) -> bool:
        """Tell whether it is at most the rate that keeps one more connection away, and not for long."""
        if self.open >= self.most(now) or now < self._paused_until:
            return False
        return 1 - self._refill(now) <= SOON_SECONDS * self._per_second

    def most_questions(self, now: float) -> int | None:
        """Return how many questions in all may be asked on one connection; None: as many as there are."""
        if self._questions is not None and now >= self._questions_until:
            self._questions = None
        return self._questions

    def take(self, now: float) -> None:
        """Count a new connection; it counts until `release`."""
        self._refill(now)
        self._left -= 1
        self.open += 1

    def release(self) -> None:
        """A connection's socket is gone; raises RuntimeError if there was none."""
        if self.open == 0:
            raise RuntimeError("a connection was released that had not been taken")
        self.open -= 1

    def answered(self) -> None:
        """An answer came over a connection: whatever kept others away is over."""
        self._failures = 0
        self._paused_until = -math.inf
        self.is_turned_away = False
        self.refusal = None

    def failed(self, now: float, *, nobody_listens: bool, refusal: ConnectFailure | None = None) -> None:
        """A connection did not come to be, or ended without an answer: after a second time in a row wait before the
        next one, twice as long each time."""
        self.is_turned_away = not nobody_listens
        self.refusal = refusal
        self._flooded_until = -math.inf
        longest = min(LONGEST_PAUSE_SECONDS, SHORTEST_PAUSE_SECONDS * 2.0 ** (self._failures - 1))
        # Above this the power means nothing any more and would grow without bound.
        self._failures = min(self._failures + 1, MOST_FAILURES)
        if self._failures > 1:
            self._paused_until = now + longest * (1 - JITTER * self._draw())

    def cut(self, now: float) -> None:
        """A connection was closed under our queries: after three, keep to a single one for the next ten minutes."""
        if self._cuts and now - self._cuts[-1] < ONE_EVENT_SECONDS:
            return
        self._cuts.append(now)
        if len(self._cuts) == CUTS and now - self._cuts[0] <= CUTS_SECONDS:
            self._single_until = now + SINGLE_SECONDS

    def flooded(self, now: float) -> None:
        """We have closed a connection that brought TLS records without end and no answer: that is told for ten minutes,
        or until there is something worse, and counts as if it had been closed under our queries."""
        self.cut(now)
        self._flooded_until = now + SINGLE_SECONDS

    def closed_after(self, answers: int, now: float) -> None:
        """The upstream has closed a connection after so many answers, at least one, with further queries on it.

        A restart looks like this too, once. So the first time it is believed until a connection is seen to stay open
        after as many answers; if it happens again within ten minutes, for that long.
        """
        known = self.most_questions(now)
        self._questions = answers if known is None else min(answers, known)
        self._questions_until = now + SINGLE_SECONDS
        if now - self._closed_at < ONE_EVENT_SECONDS:
            return
        if now - self._closed_at < SINGLE_SECONDS:
            self._sure_until = now + SINGLE_SECONDS
        self._closed_at = now

    def closed_as_expected(self, now: float) -> None:
        """A connection that was asked no more than the last one could answer is closed too: that was no restart."""
        self._told_until = now + SINGLE_SECONDS

    def stays_open(self, now: float) -> bool:
        """A connection has not been closed after as many answers as the last one: tell whether to believe that, and
        ask on it again."""
        if now < self._sure_until:
            return False
        self._questions = None
        return True

    def signal(self, now: float) -> Signal | None:
        """Return what the upstream's handling of connections shows."""
        if self.refusal is not None and self.refusal.signal is Signal.CERTIFICATE:
            return Signal.CERTIFICATE
        if now < self._flooded_until:
            return Signal.TLS_FLOOD
        if self._failures >= TURNED_AWAY:
            return Signal.CONNECT if self.refusal is None else self.refusal.signal
        if now < self._single_until:
            return Signal.CUT
        return Signal.FEW_ANSWERS if now < max(self._sure_until, self._told_until) else None

    def export(self, now: float) -> Saved:
        """Return what the next process goes on with: what was opened, the pauses, and what was seen of the upstream's
        ways. It has no connections yet."""
        return {
            "opened": self._most - self._refill(now),
            "failures": self._failures,
            "turned_away": self.is_turned_away,
            "paused_until": distance(self._paused_until, now),
            "single_until": distance(self._single_until, now),
            "questions": self.most_questions(now) or 0,
            "questions_until": distance(self._questions_until, now),
            "closed_at": distance(self._closed_at, now),
            "sure_until": distance(self._sure_until, now),
            "told_until": distance(self._told_until, now),
        }

    def restore(self, saved: Saved, interruption: Interruption) -> None:
        """Go on with what another process has exported. Raises UnfitState.

        If it may have gone on opening connections after that, one is left to begin with: without any, an upstream that
        is asked over connections alone could not be asked at all for the first seconds.
        """
        opened = read_number(saved, "opened", 0.0, MOST_OPENED)
        self._failures = read_count(saved, "failures", MOST_FAILURES)
        self.is_turned_away = saved.get("turned_away") is True
        self._paused_until = read_moment(saved, "paused_until", interruption)
        self._single_until = read_moment(saved, "single_until", interruption)
        self._questions = read_count(saved, "questions", MOST_OPENED) or None
        self._questions_until = read_moment(saved, "questions_until", interruption)
        self._closed_at = read_moment(saved, "closed_at", interruption)
        self._sure_until = read_moment(saved, "sure_until", interruption)
        self._told_until = read_moment(saved, "told_until", interruption)
        self._left, self._counted_at = max(0.0, self._most - opened), interruption.saved_at
        if interruption.unknown_until is not None:
            self._left, self._counted_at = min(1.0, float(self._most)), interruption.unknown_until

    def _refill(self, now: float) -> float:
        if now > self._counted_at:
            self._left = min(float(self._most), self._left + (now - self._counted_at) * self._per_second)
            self._counted_at = now
        return self._left
