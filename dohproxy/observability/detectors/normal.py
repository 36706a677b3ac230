"""What is usual here, learnt from what was there.

An average of day and night would call every morning a flood, and the highest value ever seen would make a flood usual
in its first minute. So a usual value follows the present upwards within hours and downwards within days: this week's
mornings are usual, an attack that begins now is not, not even one that grows for a day, and last month's is forgotten.
While an alert is about a figure it takes a week, so that what stays for good ends as an alert by itself.
"""

from typing import Final

from dohproxy.saved import Saved, read_dict, read_number

RISE_SECONDS: Final = 4 * 3_600.0
"""In which half of the way up is learnt: of a busy morning two fifths, of a week of them seven tenths."""
FALL_SECONDS: Final = 3 * 86_400.0
"""In which half of the way down is: over a weekend a third."""
ACCEPTED_SECONDS: Final = 7 * 86_400.0
"""In which half of the way up is learnt during an alert."""
LEARNING_SECONDS: Final = 1_800.0
"""From a start without any memory until something is said to be unusual: browsers and stubs that look at intervals of
minutes have all come by then. What is learnt within it is learnt at once."""
MOST_KEPT: Final = 16
"""Usual values that are taken from another process: each detector has one or two."""

MOST: Final = 1e9
"""Of a usual value, whatever it is of."""


class Normal:
    """The usual value of one figure."""

    __slots__ = ("_at", "value")

    def __init__(self, now: float, value: float = 0.0) -> None:
        self.value = value
        self._at = now

    def learn(self, present: float, now: float, *, is_alarmed: bool, is_new: bool = False) -> None:
        """Take notice of the present value; where everything `is_new`, it is the usual one."""
        passed = max(0.0, now - self._at)
        self._at = now
        if is_new:
            self.value = max(self.value, present)
            return
        half = FALL_SECONDS if present < self.value else ACCEPTED_SECONDS if is_alarmed else RISE_SECONDS
        self.value = present + (self.value - present) * 0.5 ** (passed / half)


class Normals:
    """The usual values, by names that the detectors give them."""

    def __init__(self, now: float) -> None:
        self._began = now
        self._is_known = False
        self._by_name: dict[str, Normal] = {}

    def of(self, name: str, now: float) -> Normal:
        """Return what is usual of one figure."""
        return self._by_name.setdefault(name, Normal(now))

    def is_learning(self, now: float) -> bool:
        """Tell whether it is too early to call anything unusual."""
        return not self._is_known and now - self._began < LEARNING_SECONDS

    def export(self, now: float) -> dict[str, float]:
        """Return what has been learnt; nothing while it means little."""
        return {} if self.is_learning(now) else {name: normal.value for name, normal in self._by_name.items()}

    def restore(self, saved: Saved, now: float) -> None:
        """Go on with what another process has learnt. Raises UnfitState."""
        if not saved.get("usual"):
            return
        kept = read_dict(saved, "usual")
        names = list(kept)[:MOST_KEPT]
        self._by_name = {name: Normal(now, read_number(kept, name, 0.0, MOST)) for name in names}
        self._is_known = True
