"""What is asked of the store and what may come of it."""

import hashlib
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any

Argument = str | bytes | int | float
Command = tuple[Argument, ...]


class StoreFailure(Enum):
    """Why the store has not done what was asked."""

    DOWN = "down"
    """There is no connection, or there was none left when its turn came. Whether it was done is unknown."""
    SLOW = "slow"
    """Its time was over, or answers have come so late lately that none is waited for."""
    BUSY = "busy"
    """As much is under way as may be; it was not sent."""
    FULL = "full"
    """The store has no memory left for it."""
    REFUSED = "refused"
    """The store does not let us."""
    WRONG = "wrong"
    """It was not understood, or what lies there is of another kind."""


Reply = Any
"""What a store says: bytes, whole numbers, None, and lists of these."""
Notify = Callable[[Reply | StoreFailure], None]


class Asked:
    """One command under way. `notify` is called once, unless it is stopped before."""

    __slots__ = ("_notify", "timer")

    def __init__(self, notify: Notify) -> None:
        self._notify: Notify | None = notify
        self.timer: Any = None
        """What ends it when its time is over; it has `cancel`."""

    @property
    def is_waited_for(self) -> bool:
        """Whether somebody wants to know what becomes of it."""
        return self._notify is not None

    def end(self, reply: Reply | StoreFailure) -> None:
        """Tell whoever waits; harmless if nobody does."""
        notify, self._notify = self._notify, None
        if self.timer is not None:
            self.timer.cancel()
        if notify is not None:
            notify(reply)

    def stop(self) -> None:
        """Wait no longer. What was sent is done all the same."""
        self._notify = None
        if self.timer is not None:
            self.timer.cancel()


class Script:
    """A script that the store runs as a whole, between two other commands. All its keys have one place."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.digest = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()

    def command(self, keys: Sequence[str], arguments: Sequence[Argument]) -> Command:
        """Return the command that runs it, once it is known there."""
        return ("EVALSHA", self.digest, len(keys), *keys, *arguments)

    def whole(self, keys: Sequence[str], arguments: Sequence[Argument]) -> Command:
        """Return the command that makes it known and runs it."""
        return ("EVAL", self.text, len(keys), *keys, *arguments)
