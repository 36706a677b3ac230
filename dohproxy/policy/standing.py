"""Who goes first at every bound that many share: members, then who has been here for an hour, then strangers.

None of it can be said by a request: members are named by the operator, and how long a network has been here is known
from what it was answered.
"""

from enum import IntEnum
from typing import Final

from dohproxy.outcomes import Client
from dohproxy.policy.seniority import Seniority

STRANGERS_LEAVE: Final = 0.25
"""Part of every rate's burst that strangers leave to the others, who so go first whenever there are more than the rate
allows. It is idle while there are no others, so it is no more than this."""


class Standing(IntEnum):
    """Where a client stands; lower goes first."""

    MEMBER = 0
    """A member, or one whom the operator has exempted from limits."""
    SETTLED = 1
    """Of a network that has been answered here over an hour or longer: one answer a day before is no beginning."""
    STRANGER = 2


class Standings:
    """Tells where clients stand; remembers nothing itself."""

    __slots__ = ("_seniority",)

    def __init__(self, seniority: Seniority) -> None:
        self._seniority = seniority

    def of(self, client: Client, now: float) -> Standing:
        """Return where this client stands."""
        if client.member or client.exempt:
            return Standing.MEMBER
        return Standing.SETTLED if self._seniority.is_settled(client.prefixes, now) else Standing.STRANGER
