"""How an owner of state hands it over to the next process: as plain values, with all times relative.

Monotonic clocks begin anew with each boot. So a moment is written as its distance from the moment of saving, and read
back as the same distance from where that moment lies on the clock of the process that reads it; with wall-clock time in
between, however long that was. Every value is checked when it is read: what another version of the program wrote must
not become a number that nobody here would have made.
"""

import math
from dataclasses import dataclass
from typing import Any, Final

Saved = dict[str, Any]
"""What one owner hands over: numbers, words, truth values, None, and lists and dictionaries of these."""

FAR_SECONDS: Final = 10 * 366 * 86_400.0
"""No moment lies further from the one of saving: nothing here is remembered for as much as a year."""


class UnfitState(ValueError):
    """A value is none that could have been saved; the message names its key."""


@dataclass(frozen=True, slots=True)
class Interruption:
    """The time from the last save of one process to the start of the next, on the clock of the latter."""

    saved_at: float
    """When it was saved; before this machine was booted it is negative."""
    unknown_until: float | None = None
    """Until when, at most, something was done after that of which nothing is known; None: it was saved at the end."""


def distance(moment: float, now: float) -> float | None:
    """Return what `moment` reads back from; None if it is never, or was never."""
    return moment - now if math.isfinite(moment) else None


def read_moment(saved: Saved, key: str, interruption: Interruption, never: float = -math.inf) -> float:
    """Return a moment on this process's clock, `never` if there was none. Raises UnfitState."""
    if saved.get(key) is None:
        return never
    return interruption.saved_at + read_number(saved, key, -FAR_SECONDS, FAR_SECONDS)


def read_number(saved: Saved, key: str, least: float, most: float) -> float:
    """Return a number between these bounds. Raises UnfitState."""
    number = saved.get(key)
    # Written so that nan fails it too.
    if isinstance(number, bool) or not isinstance(number, (int, float)) or not least <= number <= most:
        raise UnfitState(key)
    return float(number)


def read_count(saved: Saved, key: str, most: int) -> int:
    """Return a whole number from 0 to `most`. Raises UnfitState."""
    number = saved.get(key)
    if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number <= most:
        raise UnfitState(key)
    return number


def read_list(saved: Saved, key: str, most: int) -> list[Any]:
    """Return a list of at most so many values. Raises UnfitState."""
    values = saved.get(key)
    if not isinstance(values, list) or len(values) > most:
        raise UnfitState(key)
    return values


def read_dict(saved: Saved, key: str) -> Saved:
    """Return what a part handed over. Raises UnfitState."""
    part = saved.get(key)
    if not isinstance(part, dict):
        raise UnfitState(key)
    return part
