"""Of what all nodes find out, one tells people: whoever claims a message first sends it, and says so when it is sent.

A claim ends by itself, so that another node sends the message if the one that has claimed it dies over it, or if its
way to people does not work. Without the store each node sends its own: twice is better than never.
"""

from collections.abc import Mapping
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from dohproxy.observability.detectors.judgement import AlertKind
from dohproxy.sharing.commands import StoreFailure
from dohproxy.sharing.keys import Keys

if TYPE_CHECKING:
    from dohproxy.sharing.store import Store

ANSWER_SECONDS: Final = 0.5
SPARE_SECONDS: Final = 5.0
"""How much longer a claim holds than the message may take."""
SENT_SECONDS: Final = 3_600
"""How long it is known that a message was sent. Nodes find out the same thing within seconds of each other; what begins
anew after it has ended is told again in any case."""
COMMON: Final = frozenset({
    AlertKind.LISTED, AlertKind.REQUEST_FLOOD, AlertKind.CONNECTION_FLOOD, AlertKind.HANDSHAKE_FLOOD,
    AlertKind.MALFORMED_FLOOD, AlertKind.RANDOM_NAMES, AlertKind.BUDGET_EXHAUSTED, AlertKind.UPSTREAM,
})  # fmt: skip
"""What all nodes find out: it is judged by what all have counted, or about what all of them use. The rest is one node's
own affair, which it tells itself."""
_KIND: Final = "alert"
_SENT: Final = b"sent"


class Claim(Enum):
    """Who is to send a message."""

    OURS = "ours"
    SENT = "sent"
    """Another node has."""
    LATER = "later"
    """Another node is about to; it is to be asked again."""


class AlertClaims:
    """One node's claims."""

    def __init__(self, store: "Store", keys: Keys, instance: str) -> None:
        self._store = store
        self._keys = keys
        self._instance = instance.encode()

    async def claim(self, message: Mapping[str, Any], seconds: float) -> Claim:
        """Claim a message that takes up to so many seconds to be sent."""
        if message["alert"] not in COMMON:
            return Claim.OURS
        milliseconds = round(1_000 * (seconds + SPARE_SECONDS))
        reply = await self._store.command(
            "SET", self._key(message, message["event"]), self._instance, "NX", "GET", "PX", milliseconds,
            seconds=ANSWER_SECONDS,
        )  # fmt: skip
        if reply is None or reply == self._instance or isinstance(reply, StoreFailure):
            return Claim.OURS
        return Claim.SENT if reply == _SENT else Claim.LATER

    async def conclude(self, message: Mapping[str, Any], *, is_sent: bool) -> None:
        """Say that a message was sent; or that it could not be, so that another node tries."""
        if message["alert"] not in COMMON:
            return
        event = message["event"]
        key, opposite = self._key(message, event), self._key(message, "end" if event == "begin" else "begin")
        if is_sent:
            await self._store.command("SET", key, _SENT, "EX", SENT_SECONDS, seconds=ANSWER_SECONDS)
            # From now on the opposite is news again.
            await self._store.command("DEL", opposite, seconds=ANSWER_SECONDS)
        else:
            await self._store.command("DEL", key, seconds=ANSWER_SECONDS)

    def _key(self, message: Mapping[str, Any], event: str) -> str:
        return self._keys.of_one(_KIND, f"{message['alert']} {message['subject']} {event}".encode())
