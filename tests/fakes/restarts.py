"""A restart as the owners of state meet it: what was exported goes through JSON, and comes back on another clock."""

import json

from dohproxy.saved import Interruption, Saved

BOOTED = 5.0
"""The new process's monotonic clock when it starts: the machine has just booted."""


def written(saved: Saved) -> Saved:
    """The same from a file."""
    text = json.dumps(saved, allow_nan=False)
    read: Saved = json.loads(text)
    return read


def after(seconds: float) -> Interruption:
    """A clean end, and so many seconds until the new process's clock says BOOTED."""
    return Interruption(BOOTED - seconds)


def crashed(seconds: float, unknown_seconds: float = 60.0) -> Interruption:
    """The same, but that nothing is known of the time after the save."""
    return Interruption(BOOTED - seconds, min(BOOTED, BOOTED - seconds + unknown_seconds))
