"""Lengths of time as people type them, 90s or 2d, and as they are told, "2 h 5 min"."""

import re
from typing import Final

UNIT_SECONDS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
"""The units in which an operator writes a length of time."""
PATTERN: Final = "[0-9]{1,7}[smhdw]"
"""What he writes, as a regular expression."""

_WRITTEN: Final = re.compile(PATTERN, re.ASCII)
_TOLD: Final = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def parse_seconds(text: str) -> int | None:
    """Return the seconds that a whole number with its unit stands for, None for any other text."""
    return int(text[:-1]) * UNIT_SECONDS[text[-1]] if _WRITTEN.fullmatch(text) else None


def in_units(seconds: int) -> str:
    """Write a length of time as `parse_seconds` reads it, in the largest unit up to a day that fits."""
    for unit in ("d", "h", "m"):
        if seconds and seconds % UNIT_SECONDS[unit] == 0:
            return f"{seconds // UNIT_SECONDS[unit]}{unit}"
    return f"{seconds}s"


def in_words(seconds: float) -> str:
    """Return a length of time for people: "2 h 5 min", no more than two units."""
    whole = max(0, round(seconds))
    parts = []
    for size, unit in _TOLD:
        count, whole = divmod(whole, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2]) or "0 s"
