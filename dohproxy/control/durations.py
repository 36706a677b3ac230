"""The argument of commands that says how long something is to last, and times as people read them."""

from datetime import UTC, datetime
from typing import Final

from dohproxy.config.keys import Duration

LONGEST_SECONDS: Final = 366 * 86_400
"""What is to last longer belongs into the configuration, where somebody sees it."""


def moment(seconds: float) -> str:
    """Return a moment in Unix seconds for people."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"


def duration(why: str) -> Duration:
    """Return an argument that is a length of time."""
    return Duration(1, LONGEST_SECONDS, why)
