"""Which system a browser runs on, as far as its User-Agent says: for what is shown first, and for nothing else."""

from enum import StrEnum
from typing import Final


class System(StrEnum):
    """A kind of device that has a way of its own to be told whom to ask."""

    APPLE = "apple"
    ANDROID = "android"
    WINDOWS = "windows"
    LINUX = "linux"
    OTHER = "other"
    """Unknown, or none of these: what browsers need is shown first."""


LONGEST_FIELD: Final = 256
"""Characters looked at; the system stands within the first hundred."""

_MARKS: Final = (
    # An Android says Linux too, and old Windows telephones said Android and iPhone.
    (System.WINDOWS, ("Windows",)),
    (System.ANDROID, ("Android",)),
    (System.APPLE, ("iPhone", "iPad", "iPod", "Macintosh")),
    (System.LINUX, ("Linux", "X11", "CrOS")),
)


def system_of(user_agent: str | None) -> System:
    """Return the system that a browser names."""
    seen = (user_agent or "")[:LONGEST_FIELD]
    return next((system for system, marks in _MARKS if any(mark in seen for mark in marks)), System.OTHER)
