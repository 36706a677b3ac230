"""When to stop asking an upstream that is not there or does not want us, and when to try again.

Evidence is what the connection shows, never what an answer says: a SERVFAIL proves that somebody is at home, and
packets that match no query may be anybody's. Silence is weak evidence, as slow zones are silent too, and somebody
may ask for them on purpose; so it counts only while the upstream says nothing to anybody, and then it opens nothing:
it makes doubtful, and a probe has to be met with silence too. Silence and a ban are pronounced from outside
(`UpstreamHealth`), after such a probe, and only a good answer ends a ban.

While it is open no client's question is sent. A probe is, one at a time, after each pause; the pauses grow, because
many bans begin anew with every packet.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from dohproxy.saved import Interruption, Saved, UnfitState, distance, read_count, read_moment, read_number

UNREACHABLE_WEIGHT: Final = 3
"""A refused connection means that nobody is there; three are enough for a restart that takes a moment to be noticed."""
TIMEOUT_WEIGHT: Final = 1
OPENING_WEIGHT: Final = 9
"""Three refusals, or nine silences with no word in between and then a probe. CoreDNS gives up after 2 failed probes,
dnsdist after 1, and as ours these are for a name that is known to be quick."""
JITTER: Final = 0.25
"""Part of each pause that is drawn, so that many proxies do not come back in step."""


@dataclass(frozen=True, slots=True)
class Pauses:
    """How long to wait before a probe, in seconds: the first time, and at most; doubled from one to the other."""

    shortest: float
    longest: float


RESTART: Final = Pauses(1.0, 15.0)
"""Nobody listens there: most likely a restart, found again within seconds. At most 9 probes in any minute."""
SILENCE: Final = Pauses(1.0, 60.0)
"""No word at all: down, or it drops us. At most 7 probes in the first minute, then one a minute."""
BAN: Final = Pauses(60.0, 3600.0)
"""The pauses after it has told us to go away. Bans last a minute (Freifunk München) to half an hour (AdGuard DNS)."""

MOST_OPENINGS: Final = 8
"""Openings in a row that are told apart: from the seventh on every pause is the longest."""
_CAUSES: Final = {"restart": RESTART, "silence": SILENCE, "ban": BAN}


class BreakerState(StrEnum):
    """The three states; metric label."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"
    """The pause is over: one probe tries whether the upstream is back."""


class Breaker:
    """One upstream's breaker. `draw` returns numbers from 0.0 up to 1.0."""

    def __init__(self, draw: Callable[[], float]) -> None:
        self._draw = draw
        self._refusals = 0
        self._silences = 0
        self._heard_at = float("-inf")
        self._opened_at: float | None = None
        self._pauses = SILENCE
        self._pause = 0.0
        self._openings = 0
        """How often it has opened in a row: by the first evidence, and by each failed probe."""
        self._probing = False

    @property
    def is_closed(self) -> bool:
        """Whether nothing is known against the upstream; at whatever time."""
        return self._opened_at is None

    @property
    def is_doubtful(self) -> bool:
        """Whether it is closed, and yet nothing was heard for so long that a probe has to decide."""
        return self._opened_at is None and self._silences >= OPENING_WEIGHT

    @property
    def cause(self) -> Pauses:
        """Why it is open, or was the last time: RESTART, SILENCE or BAN."""
        return self._pauses

    @property
    def openings(self) -> int:
        """How often it has opened in a row, as far as that is told apart."""
        return self._openings

    def state(self, now: float) -> BreakerState:
        """Return the state at `now`."""
        if self._opened_at is None:
            return BreakerState.CLOSED
        return BreakerState.OPEN if now < self._opened_at + self._pause else BreakerState.HALF_OPEN

    def may_probe(self, now: float) -> bool:
        """Tell whether a probe may go out: the pause is over, and no other probe is under way."""
        return self.state(now) is BreakerState.HALF_OPEN and not self._probing

    def begin_probe(self) -> None:
        """Note that a probe which `may_probe` let through goes out."""
        self._probing = True

    def heard(self, now: float) -> None:
        """Note that the upstream said something in reply to us: it is there. A ban does not end by that."""
        self._heard_at = now
        self._forgive()
        if self._opened_at is None or self._pauses is not BAN:
            self.close()

    def close(self) -> None:
        """The upstream has answered as it should."""
        self._opened_at = None
        self._openings = 0
        self._probing = False
        self._forgive()

    def failed(self, weight: int, *, sent_at: float, now: float) -> bool:
        """Note that a query sent at `sent_at` ended without a reply; `weight` is one of the two above.

        Return whether that is evidence: it is none if the upstream has replied to anything since.
        """
        if sent_at <= self._heard_at:
            return False
        if self._opened_at is None:
            if weight == UNREACHABLE_WEIGHT:
                self._refusals += weight
            else:
                self._silences += weight
            if self._refusals >= OPENING_WEIGHT:
                self._open(RESTART, now)
        elif sent_at > self._opened_at:
            # Sent after the breaker opened: this was the probe. What was sent before says nothing new.
            self._open(self._pauses, now)
        return True

    def open(self, cause: Pauses, now: float) -> None:
        """A probe has had no answer, as the clients' questions had none: stop asking; harmless if it is open."""
        if self._opened_at is None:
            self._open(cause, now)

    def ban(self, now: float) -> None:
        """The upstream does not want us: leave it alone for a minute, and each time longer."""
        if self._opened_at is None or self._pauses is not BAN:
            self._openings = 0
        self._open(BAN, now)

    def postpone(self, now: float) -> None:
        """A probe has said nothing of use: wait once more, if it is open at all."""
        if self._opened_at is not None and self._probing:
            self._open(self._pauses, now)

    def export(self, now: float) -> Saved:
        """Return what the next process goes on with; a probe that is under way is not its own."""
        if self._opened_at is None:
            return {"cause": None}
        [cause] = [word for word, pauses in _CAUSES.items() if pauses is self._pauses]
        opened_at = distance(self._opened_at, now)
        return {"cause": cause, "opened_at": opened_at, "pause": self._pause, "openings": self._openings}

    def restore(self, saved: Saved, interruption: Interruption) -> None:
        """Stay open if another process's was. Raises UnfitState, and then nothing has changed."""
        cause = saved.get("cause")
        if cause is None:
            return
        pauses = _CAUSES.get(cause) if isinstance(cause, str) else None
        if pauses is None:
            raise UnfitState("cause")
        pause = read_number(saved, "pause", 0.0, pauses.longest)
        openings = read_count(saved, "openings", MOST_OPENINGS)
        opened_at = read_moment(saved, "opened_at", interruption)
        self._pauses, self._pause, self._openings, self._opened_at = pauses, pause, openings, opened_at

    def _open(self, pauses: Pauses, now: float) -> None:
        self._pauses = pauses
        longest = min(pauses.longest, pauses.shortest * 2.0**self._openings)
        self._pause = longest * (1 - JITTER * self._draw())
        # Above this the power means nothing any more and would grow without bound.
        self._openings = min(self._openings + 1, MOST_OPENINGS)
        self._opened_at = now
        self._probing = False
        self._forgive()

    def _forgive(self) -> None:
        self._refusals = self._silences = 0
