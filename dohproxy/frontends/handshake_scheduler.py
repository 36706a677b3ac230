"""When the work for a handshake is done: a little in each turn of the event loop, members' first.

The first message of a handshake costs a signature and an agreement on keys, 0.3 ms with ECDSA and 8 with RSA-4096. When
two hundred are there at once, everybody who is connected already would wait for all of them. So what has come is left
lying when a turn has had its slice, and strangers' when they have had their share of a core.
"""

import time
from collections.abc import Callable
from typing import Final, Protocol

SLICE_SECONDS: Final = 0.001
"""How long handshakes are worked on in each turn; one is done in any case, however dear."""
CREDIT_SECONDS: Final = 0.1
"""Work that strangers have saved up while nobody comes: a hundred handshakes or more with ECDSA, or what some browsers
open for a page."""

LEAST_WAIT_SECONDS: Final = 0.001
"""The shortest timer: event loops count in milliseconds, and a sum of fractions may be due a hair too early."""

CallSoon = Callable[[Callable[[], None]], object]
CallLater = Callable[[float, Callable[[], None]], object]
"""What event loops have: in the next turn, and after so many seconds."""


class Handshake(Protocol):
    """One handshake of which a message has come."""

    def go_on(self) -> None:
        """Do the work for the message."""


class HandshakeScheduler:
    """Does the work at once or in its turn; holds no more than there are handshakes under way."""

    __slots__ = (
        "_begun",
        "_call_later",
        "_call_soon",
        "_clock",
        "_is_called",
        "_is_timed",
        "_members",
        "_spent",
        "_strangers",
        "_strangers_at",
        "_stretch",
    )

    def __init__(
        self,
        call_soon: CallSoon,
        call_later: CallLater,
        percent: float,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """`percent`: what strangers' handshakes may take of one core. The event loop's own clock stands in a turn."""
        self._call_soon = call_soon
        self._call_later = call_later
        self._clock = clock
        self._stretch = 100 / percent
        self._spent = 0.0
        """How much of this turn's slice is used up."""
        self._strangers_at = 0.0
        """The time until which strangers have used up their share."""
        # Dictionaries, as who goes leaves from the middle.
        self._members: dict[Handshake, None] = {}
        self._strangers: dict[Handshake, None] = {}
        self._begun: dict[Handshake, None] = {}
        """The strangers whose first message has been answered."""
        self._is_called = False
        """Whether there is a turn to come: the next of the event loop."""
        self._is_timed = False
        """Whether it is known when strangers may go on."""

    def adopt(self, percent: float) -> None:
        """Let strangers' handshakes take another part of a core."""
        self._stretch = 100 / percent

    @property
    def waiting(self) -> int:
        """How many have to wait for their turn."""
        return len(self._members) + len(self._begun) + len(self._strangers)

    def take(self, handshake: Handshake, *, is_stranger: bool, is_begun: bool = False) -> None:
        """Let `handshake` go on, before this returns or in its turn. `is_begun`: this is the reply to what it brought
        the last time."""
        others = (self._begun if is_begun else self._strangers) if is_stranger else self._members
        is_late = bool(self._members or self._begun or others)
        if is_late or self._spent >= SLICE_SECONDS or (is_stranger and self._owed() > 0):
            others[handshake] = None
            self._look_ahead()
        else:
            self._run(handshake, is_stranger=is_stranger)

    def leave(self, handshake: Handshake) -> None:
        """Forget a handshake that will not go on."""
        self._members.pop(handshake, None)
        self._begun.pop(handshake, None)
        self._strangers.pop(handshake, None)

    def _turn(self) -> None:
        self._is_called = False
        self._spent = 0.0
        while self._spent < SLICE_SECONDS:
            if self._members:
                self._run(_first_of(self._members), is_stranger=False)
            elif (self._begun or self._strangers) and self._owed() <= 0:
                self._run(_first_of(self._begun or self._strangers), is_stranger=True)
            else:
                break
        self._look_ahead()

    def _run(self, handshake: Handshake, *, is_stranger: bool) -> None:
        began = self._clock()
        try:
            handshake.go_on()
        finally:
            cost = self._clock() - began
            self._spent += cost
            if is_stranger:
                self._strangers_at = max(self._strangers_at, began) + cost * self._stretch
            if not self._is_called:  # Also where nobody waits: the next turn has a slice of its own.
                self._is_called = True
                self._call_soon(self._turn)

    def _look_ahead(self) -> None:
        """See to it that whoever waits is thought of."""
        if (self._begun or self._strangers) and not self._is_called and not self._is_timed:
            self._is_timed = True
            self._call_later(max(LEAST_WAIT_SECONDS, self._owed()), self._strangers_may)

    def _strangers_may(self) -> None:
        self._is_timed = False
        if not self._is_called:
            self._turn()

    def _owed(self) -> float:
        """Return the seconds until strangers may go on."""
        return self._strangers_at - self._clock() - CREDIT_SECONDS


def _first_of(waiting: dict[Handshake, None]) -> Handshake:
    """Take out who has waited longest."""
    first = next(iter(waiting))
    del waiting[first]
    return first
