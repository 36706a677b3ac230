"""One stream of the store: events are added at its end, and read on from where this node has read last.

It is looked at several times a second: what waits for the next entry on a connection of its own would be told a tenth
of a second earlier, and be one more thing that can hang. The store's own numbers of entries tell what has become of the
stream: one that begins after our place was cut or begun anew, one that ends before it is another one.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import structlog

from dohproxy.sharing.commands import Reply, StoreFailure
from dohproxy.sharing.events import MOST_BYTES, Event, Unread, decode, encode
from dohproxy.sharing.keys import Keys
from dohproxy.sharing.ledger import NOWHERE, Place
from dohproxy.sharing.sealing import OVERHEAD_BYTES, Seal

if TYPE_CHECKING:
    from dohproxy.sharing.store import Store

MOST_AT_ONCE: Final = 25
"""Entries read or added in one turn: some 2 ms of work."""
ANSWER_SECONDS: Final = 0.5
"""For the store to answer."""
KEPT_SECONDS: Final = 366 * 86_400
"""How long the store keeps a stream that nobody adds to: as long as anything in it can be of use."""
FIELD: Final = b"e"
START: Final[Place] = (0, 0)

_log = structlog.get_logger("dohproxy.nodes")


@dataclass(frozen=True, slots=True)
class Ends:
    """Between which places the entries of a stream lie."""

    first: Place
    last: Place


EMPTY: Final = Ends(NOWHERE, NOWHERE)
"""The ends of a stream without entries."""


class EventStream:
    """One stream."""

    def __init__(self, store: "Store", keys: Keys, kind: str, most: int, wall_clock: Callable[[], float]) -> None:
        """`kind` names it; about `most` entries are kept, the newest."""
        self._store = store
        self._key = keys.of(kind)
        self._seal = Seal(keys, kind)
        self._most = most
        self._wall_clock = wall_clock
        self.place: Place = START
        """Of the last entry that was read here."""
        self.unread = dict.fromkeys(Unread, 0)
        """Entries that were left alone."""

    async def ends(self) -> Ends | StoreFailure:
        """Return where the stream begins and ends now."""
        first = await self._range("XRANGE", "-", "+", 1)
        if isinstance(first, StoreFailure):
            return first
        last = await self._range("XREVRANGE", "+", "-", 1)
        if isinstance(last, StoreFailure):
            return last
        return Ends(first[0][0], last[0][0]) if first and last else EMPTY

    async def read(self) -> list[tuple[Place, Event]] | StoreFailure:
        """Return the next entries that can be read, and whether there may be more by `place` having moved."""
        entries = await self._range("XRANGE", f"({shown(self.place)}", "+", MOST_AT_ONCE)
        if isinstance(entries, StoreFailure):
            return entries
        found = []
        for place, sealed in entries:
            self.place = place
            event = self._open(sealed)
            if isinstance(event, Event):
                found.append((place, event))
            else:
                self.unread[event] += 1
                if self.unread[event] == 1:
                    _log.warning("something that nodes tell each other is left alone", why=_WHY[event])
        return found

    async def add(self, event: Event) -> Place | StoreFailure:
        """Add an event at the end; return its place."""
        try:
            written = encode(event)
        except ValueError:
            return StoreFailure.WRONG
        sealed = self._seal.seal(written, self._key.encode(), self._wall_clock())
        reply = await self._store.command(
            "XADD", self._key, "MAXLEN", "~", self._most, "*", FIELD, sealed, seconds=ANSWER_SECONDS
        )
        if isinstance(reply, StoreFailure):
            return reply
        place = place_of(reply)
        return StoreFailure.WRONG if place is None else place

    async def add_all(self, events: Sequence[Event]) -> list[Place | StoreFailure]:
        """Add events in this order, all in one go; return the place of each. One that cannot be added is told, and does
        not keep the others from it."""
        if not events:
            return []
        return await asyncio.gather(*(self.add(event) for event in events))

    async def keep(self) -> None:
        """Let the store keep the stream for its time from now on."""
        await self._store.command("PEXPIRE", self._key, 1_000 * KEPT_SECONDS, seconds=ANSWER_SECONDS)

    async def _range(self, command: str, begin: str, end: str, most: int) -> list[tuple[Place, object]] | StoreFailure:
        reply = await self._store.command(command, self._key, begin, end, "COUNT", most, seconds=ANSWER_SECONDS)
        return reply if isinstance(reply, StoreFailure) else entries_of(reply)

    def _open(self, sealed: object) -> Event | Unread:
        if isinstance(sealed, bytes) and len(sealed) > MOST_BYTES + OVERHEAD_BYTES:
            return Unread.UNFIT
        written = self._seal.open(sealed, self._key.encode())
        return Unread.SEALED if written is None else decode(written)


_WHY: Final = {
    Unread.SEALED: "it cannot be opened: it was written with another key (nodes.key_file), or by somebody else",
    Unread.NEWER: "a later release has written it",
    Unread.UNKNOWN: "it is of a kind that only a later release knows",
    Unread.UNFIT: "it is nothing that this program writes",
}


def entries_of(reply: Reply) -> list[tuple[Place, object]]:
    """Return the entries that the store has told, each by its place and what it holds; what is none is left out."""
    found = []
    for one in reply if isinstance(reply, list) else ():
        if isinstance(one, list) and len(one) == 2:
            place = place_of(one[0])
            fields = one[1] if isinstance(one[1], list) else []
            if place is not None:
                found.append((place, fields[1] if len(fields) == 2 and fields[0] == FIELD else None))
    return found


def place_of(found: object) -> Place | None:
    """Return the place that the ID of an entry means; None for what is none."""
    if not isinstance(found, bytes):
        return None
    first, _, second = found.partition(b"-")
    return (int(first), int(second)) if first.isdigit() and second.isdigit() else None


def shown(place: Place) -> str:
    """Return a place as the store writes it."""
    return f"{place[0]}-{place[1]}"
