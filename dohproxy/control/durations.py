"""The argument of commands that says how long something is to last."""

from typing import Final

from dohproxy.config.keys import Duration
from dohproxy.durations import in_words

LONGEST_SECONDS: Final = 366 * 86_400
"""What is to last longer belongs into the configuration, where somebody sees it."""

__all__ = ["LONGEST_SECONDS", "duration", "in_words"]


def duration(why: str) -> Duration:
    """Return an argument that is a length of time."""
    return Duration(1, LONGEST_SECONDS, why)
