"""Whether an upstream echoes something that a forger cannot know, so that replies without it can be refused.

An upstream need not repeat a name in our case, nor return our cookie, but most do so each time, and whoever cannot see
our queries cannot imitate it. Nothing announces this echo, so it is found out by trying. And upstreams change: a server
behind the address is replaced, or asks one server for some names and another for others (c-ares issues 1081 and 1271).
So the echo is no longer relied on when too many questions find no other replies than those without it; for a while, not
for ever.
"""

from enum import StrEnum
from typing import Final

from dohproxy.saved import Interruption, Saved, distance, read_count, read_moment

PROOFS_TO_ESTABLISH: Final = 3
"""Replies in a row that have the echo. One could be chance: a name that an upstream happens to have in our case."""
SUSPICION_OF_A_MISS: Final = 16
SUSPICION_TO_GIVE_UP: Final = 64
"""A wait that brought replies, but none with the echo, adds 16; a reply with it takes one away. So four such waits in
a row end it, and one in 17 can go on for ever. A forger who wants that has to guess port and ID (2^30 packets on
average) within one wait, four times for four names, while the upstream itself misses those waits and answers fewer than
16 other questions in between; what is won is no more than what nobody would have had to guess before."""
PAUSE_SECONDS: Final = 3600.0
"""The time until an echo that was given up is looked for again: to be wrong costs one slow question an hour."""


class EchoState(StrEnum):
    """What is known of an echo; the values are shown on status pages."""

    UNKNOWN = "unknown"
    """It is tried, but not relied on: a reply without it is as good as one with it."""
    ESTABLISHED = "established"
    """A reply without it is ignored."""
    GIVEN_UP = "given_up"
    """It is not tried for now."""


class EchoSupport:
    """One kind of echo of one upstream."""

    def __init__(self) -> None:
        self._proofs = 0
        self._suspicion = 0
        self._last_missed = b""
        self._given_up_until: float | None = None

    def state(self, now: float) -> EchoState:
        """Return the state at `now`."""
        if self._given_up_until is not None:
            if now < self._given_up_until:
                return EchoState.GIVEN_UP
            self._given_up_until = None
        return EchoState.ESTABLISHED if self._proofs >= PROOFS_TO_ESTABLISH else EchoState.UNKNOWN

    def shown(self, now: float) -> None:
        """Note a reply that has the echo."""
        if self.state(now) is EchoState.GIVEN_UP:
            return  # To a query sent before it was.
        self._proofs = min(self._proofs + 1, PROOFS_TO_ESTABLISH)
        self._suspicion = max(self._suspicion - 1, 0)

    def lacked(self, now: float) -> None:
        """Note a reply that was taken although it has no echo."""
        if self.state(now) is EchoState.UNKNOWN:
            self._proofs = 0

    def missed(self, qname: bytes, now: float) -> None:
        """Note a wait for the answer about `qname` that ended with nothing but replies which had to be ignored.

        The same name again says nothing new: it may be that name's peculiarity.
        """
        match self.state(now):
            case EchoState.UNKNOWN:
                self.give_up(now)
            case EchoState.ESTABLISHED if qname != self._last_missed:
                self._last_missed = qname
                self._suspicion += SUSPICION_OF_A_MISS
                if self._suspicion >= SUSPICION_TO_GIVE_UP:
                    self.give_up(now)
            case EchoState.ESTABLISHED | EchoState.GIVEN_UP:
                pass

    def give_up(self, now: float) -> None:
        """Do without for a while, then begin anew."""
        self._given_up_until = now + PAUSE_SECONDS
        self._proofs = 0
        self._suspicion = 0
        self._last_missed = b""

    def export(self, now: float) -> Saved:
        """Return what the next process goes on with; the name last missed is nothing to write down."""
        until = self._given_up_until
        return {
            "proofs": self._proofs,
            "suspicion": self._suspicion,
            "given_up_until": None if until is None else distance(until, now),
        }

    def restore(self, saved: Saved, interruption: Interruption) -> None:
        """Go on with what another process has exported. Raises UnfitState, and then nothing has changed."""
        proofs = read_count(saved, "proofs", PROOFS_TO_ESTABLISH)
        suspicion = read_count(saved, "suspicion", SUSPICION_TO_GIVE_UP)
        until = read_moment(saved, "given_up_until", interruption)
        self._proofs, self._suspicion = proofs, suspicion
        self._given_up_until = None if saved.get("given_up_until") is None else until
