"""What a detector says, and when that becomes an alert: begin and end with hysteresis."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from dohproxy.observability.detectors.normal import Normals
from dohproxy.observability.detectors.reading import History

END_LEVEL: Final = 0.5
"""An alert ends when its level stays below half of where it began: one that hovers at its threshold is told once."""


class AlertKind(StrEnum):
    """What there can be alerts about; metric label."""

    LISTED = "listed"
    REQUEST_FLOOD = "request_flood"
    CONNECTION_FLOOD = "connection_flood"
    HANDSHAKE_FLOOD = "handshake_flood"
    MALFORMED_FLOOD = "malformed_flood"
    RANDOM_NAMES = "random_names"
    BUDGET_EXHAUSTED = "budget_exhausted"
    FAILING = "failing"
    MEMBERS_SUFFER = "members_suffer"
    BOUND_FULL = "bound_full"
    UPSTREAM = "upstream"
    WAY_OUT = "way_out"
    CERTIFICATE = "certificate"
    DISK = "disk"


@dataclass(frozen=True, slots=True)
class Judgement:
    """How bad one thing is at the moment, in words made from the figures."""

    level: float
    """1.0 and more: bad enough for an alert."""
    words: str
    """A sentence without its full stop, and without a time."""
    remedy: str = ""
    """What the person on duty can do; "" where the detector's own holds."""
    subject: str = ""
    """Of several things of one kind, which: a bound's name, an upstream's; "" where there is one alone."""


Judge = Callable[[History, Normals], Iterable[Judgement]]


@dataclass(frozen=True, slots=True)
class Detector:
    """One kind of alert."""

    kind: AlertKind
    judge: Judge
    remedy: str
    begin_seconds: float = 0.0
    """How long it has to be bad before it is told."""
    end_seconds: float = 60.0
    """How long it has to be well again before that is told."""
    is_logged: bool = True
    """False for what somebody else writes a line about."""
    judges_all: bool = False
    """It looks at what all nodes have counted, where there are several."""


@dataclass(frozen=True, slots=True)
class AlertEvent:
    """An alert begins, or ends."""

    kind: AlertKind
    subject: str
    has_begun: bool
    words: str
    """As they were when it began; the worst of it may have come later."""
    remedy: str
    since: float
    """Monotonic instant at which it began."""
    at: float
    is_logged: bool = True


class Hysteresis:
    """One alert, now and then on."""

    __slots__ = ("_ends_from", "_over_from", "begun", "remedy", "since", "words")

    def __init__(self) -> None:
        self._over_from = math.inf
        self._ends_from = math.inf
        self.since: float | None = None
        """Since when it is told; None while it is not."""
        self.words = self.begun = self.remedy = ""

    @property
    def is_idle(self) -> bool:
        """Whether there is nothing to remember."""
        return self.since is None and math.isinf(self._over_from)

    def step(self, detector: Detector, judgement: Judgement | None, now: float) -> bool | None:
        """Take the present judgement; return True when it begins, False when it ends, else None."""
        level = 0.0 if judgement is None else judgement.level
        if judgement is not None and level >= END_LEVEL:
            self.words, self.remedy = judgement.words, judgement.remedy or detector.remedy
        if self.since is None:
            self._over_from = min(self._over_from, now) if level >= 1.0 else math.inf
            if now - self._over_from < detector.begin_seconds or math.isinf(self._over_from):
                return None
            self.since, self.begun, self._ends_from = now, self.words, math.inf
            return True
        self._ends_from = min(self._ends_from, now) if level < END_LEVEL else math.inf
        if now - self._ends_from < detector.end_seconds or math.isinf(self._ends_from):
            return None
        self.since, self._over_from = None, math.inf
        return False
