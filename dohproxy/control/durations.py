"""Lengths of time as an operator types them: 90s, 10m, 1h, 2d."""

import re
from pathlib import Path
from typing import Final

from dohproxy.config.addresses import Unusable
from dohproxy.config.keys import UNIT_SECONDS, Text

LONGEST_SECONDS: Final = 366 * 86_400
"""What is to last longer belongs into the configuration, where somebody sees it."""


def parse_duration(text: str, _: Path) -> int:
    """Read a length of time, into seconds: a number from 1 on with its unit."""
    found = re.fullmatch(r"([0-9]{1,9})([smhd])", text.strip().lower())
    seconds = 0 if found is None else int(found[1]) * UNIT_SECONDS[found[2]]
    if seconds <= 0:
        raise Unusable("is no length of time; write a number and s, m, h or d, as in 90s, 10m, 1h or 2d.")
    if seconds > LONGEST_SECONDS:
        raise Unusable("is more than a year; leave it out and it lasts until it is taken back.")
    return seconds


def in_words(seconds: float) -> str:
    """Return a length of time for people: "2 h 5 min", no more than two units."""
    whole = max(0, round(seconds))
    parts = []
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")):
        count, whole = divmod(whole, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2]) or "0 s"


def duration(why: str) -> Text:
    """Return an argument that is a length of time."""
    return Text(parse_duration, "a length of time", "1h", why)
