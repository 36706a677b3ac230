"""How many networks ask at all nodes together, and how many of them are new: the sketches of `visitors`, in periods and
under salts that the nodes share, so that a network which asks at two of them is counted once.

Periods are those of the clock on the wall. A salt is drawn by whoever needs it first, and forgotten by everybody some
hours after its period: then nobody can tell any more who was counted, whatever else he has.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from dohproxy.policy.hyperloglog import HyperLogLog
from dohproxy.policy.visitors import DAY_SECONDS, HOUR_SECONDS, VisitorStatistics

AWAY_SECONDS: Final = 180.0
"""Who has heard nothing of the others for so long takes for known what they have seen meanwhile: it was news there."""
_HOUR: Final = "hour"
_DAY: Final = "day"


@dataclass(slots=True)
class _Sketch:
    period: str
    counted: HyperLogLog
    is_agreed: bool = False
    """The others have the same salt."""
    merged_at: float = -math.inf


class SharedVisitors:
    """Three sketches: this hour, this day, and the day before, of which the last tells who is new."""

    __slots__ = ("_before", "_day", "_draw", "_hour", "_known", "_last", "_newcomers")

    def __init__(self, draw: Callable[[], int], wall: float) -> None:
        """`draw` returns 64 random bits; `wall` is now, in Unix seconds."""
        self._draw = draw
        self._hour = self._new(_HOUR, int(wall // HOUR_SECONDS))
        self._day = self._new(_DAY, int(wall // DAY_SECONDS))
        self._known = self._new(_DAY, int(wall // DAY_SECONDS) - 1)
        self._before = 0.0
        self._last = 0.0
        self._newcomers = 0.0

    def _new(self, length: str, number: int) -> _Sketch:
        return _Sketch(f"{length} {number}", HyperLogLog(self._draw()))

    def note(self, hashed: int) -> None:
        """Count a network by its keyed hash, which must be the same at all nodes."""
        for one in self._all():
            one.counted.add(hashed)

    def _all(self) -> tuple[_Sketch, _Sketch, _Sketch]:
        return self._hour, self._day, self._known

    def turn(self, wall: float) -> bool:
        """Begin a new hour and a new day where it is time; tell whether one has begun: then everybody is to be noted
        again who comes."""
        hour, day = int(wall // HOUR_SECONDS), int(wall // DAY_SECONDS)
        has_begun = self._hour.period != f"{_HOUR} {hour}"
        if has_begun:
            self._before = self._hour.counted.estimate()
            self._hour = self._new(_HOUR, hour)
        if self._day.period != f"{_DAY} {day}":
            self._count()
            is_next = self._day.period == f"{_DAY} {day - 1}"
            self._known = self._day if is_next else self._new(_DAY, day - 1)
            self._day = self._new(_DAY, day)
            self._last = self._known.counted.estimate()
        return has_begun

    def proposals(self) -> dict[str, int]:
        """Return the salts of the periods for which none is agreed upon yet."""
        return {one.period: one.counted.salt for one in self._all() if not one.is_agreed}

    def agree(self, period: str, salt: int) -> bool:
        """Use the salt that all use for a period; tell whether it is another one than before: then what was counted is
        lost, and everybody is to be noted again."""
        for one in self._all():
            if one.period == period and not one.is_agreed:
                one.is_agreed = True
                if one.counted.salt != salt:
                    self._count()
                    one.counted = HyperLogLog(salt)
                    if one is self._known:
                        self._last = 0.0
                    return True
        return False

    def shared(self) -> dict[str, bytes]:
        """Return what was counted in each period that has an agreed salt."""
        return {one.period: one.counted.registers for one in self._all() if one.is_agreed}

    def merge(self, period: str, registers: bytes, now: float) -> None:
        """Count also what others have counted in a period; `now` is monotonic."""
        for one in self._all():
            if one.period == period and one.is_agreed:
                self._count()
                one.counted.merge(registers)
                if one is self._known and now - one.merged_at > AWAY_SECONDS:
                    self._last = one.counted.estimate()
                one.merged_at = now

    def statistics(self) -> VisitorStatistics:
        """Return the estimates as they are now."""
        self._count()
        hour = max(self._hour.counted.estimate(), self._before)
        return VisitorStatistics(hour, self._day.counted.estimate(), self._newcomers)

    def _count(self) -> None:
        known = self._known.counted.estimate()
        self._newcomers += max(0.0, known - self._last)
        self._last = known
