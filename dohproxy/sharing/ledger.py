"""What was last said of each subject, as far as this node knows; and what of it the stream does not carry.

It decides which of two events holds, remembers for a time what was taken back, so that a node that was away does not
bring it up again, and keeps for each event where it stands in the stream. What stands nowhere, because it could not be
sent or because the stream was lost, is to be sent again.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Final

from dohproxy.sharing.events import Event, Kind

MOST_SUBJECTS: Final = 16_384
"""Ten thousand names, a thousand networks and a thousand members, and what was taken back: some 10 MB when full."""
KEPT_SECONDS: Final = 366 * 86_400.0
"""How long it is remembered that something was taken back: a node that was away for longer brings up again what it
knew. It is as long as the longest time for which anything can be said."""
BEFORE_ALL: Final = 1
"""The stamp of what a node knew before it met the others: whatever any of them has said goes before it."""

Place = tuple[int, int]
"""Where an event stands in the stream: the two numbers of its entry's ID."""


@dataclass(slots=True)
class _Held:
    event: Event
    place: Place | None


class Ledger:
    """So many subjects at most; what is remembered although it is over makes room, the oldest of it first."""

    def __init__(self, origin: str, most: int = MOST_SUBJECTS) -> None:
        self._origin = origin
        self._most = most
        self._held: dict[tuple[Kind, str], _Held] = {}
        self._unsent: set[tuple[Kind, str]] = set()
        self._counts: Counter[Kind] = Counter()
        self._last_stamp = BEFORE_ALL
        self.refused = 0
        """Events for which there was no room."""

    def __len__(self) -> int:
        return len(self._held)

    @property
    def most(self) -> int:
        """How many subjects there may be."""
        return self._most

    def find(self, kind: Kind, subject: str) -> Event | None:
        """Return what was last said of a subject."""
        held = self._held.get((kind, subject))
        return None if held is None else held.event

    def has_any(self, kind: Kind) -> bool:
        """Tell whether anything was said of any subject of a kind."""
        return self._counts[kind] > 0

    def stamp(self, wall: float) -> int:
        """Return the stamp of something that is said now: the time, or the next number after all that were seen."""
        self._last_stamp = max(int(wall * 1_000), self._last_stamp + 1)
        return self._last_stamp

    def say(self, event: Event, wall: float) -> bool:
        """Hold to something that was said here, which the stream does not carry yet; False if there is no room."""
        return self._put(event, None, wall)

    def take(self, event: Event, place: Place, wall: float) -> bool:
        """Hold to an event of the stream; return whether it is news: False if it is over, known, or something later was
        said of its subject."""
        self._last_stamp = max(self._last_stamp, event.stamp)
        held = self._held.get((event.kind, event.subject))
        if held is not None and held.event.order == event.order:
            self._place(held, place)
            return False
        if event.until <= wall or (held is not None and held.event.order > event.order):
            return False
        return self._put(event, place, wall)

    def placed(self, event: Event, place: Place) -> None:
        """Take notice that an event stands in the stream."""
        held = self._held.get((event.kind, event.subject))
        if held is not None and held.event is event:
            self._place(held, place)

    def _place(self, held: _Held, place: Place) -> None:
        held.place = place
        self._unsent.discard((held.event.kind, held.event.subject))

    def unsent(self) -> list[Event]:
        """Return what was said here and never stood in the stream, in the order in which it was said."""
        return sorted((self._held[key].event for key in self._unsent), key=lambda event: event.order)

    def lost(self, first: Place) -> list[Event]:
        """Return what has stood in the stream and does not any more, as it begins at this place now; in the order in
        which it was said."""
        found = [held.event for held in self._held.values() if held.place is not None and held.place < first]
        return sorted(found, key=lambda event: event.order)

    def forget_places(self) -> None:
        """Take notice that the stream is another one, in which nothing stands where it stood."""
        for held in self._held.values():
            if held.place is not None:
                held.place = NOWHERE

    def expire(self, wall: float) -> None:
        """Forget what is over."""
        for key in [key for key, held in self._held.items() if held.event.until <= wall]:
            self._forget(key)

    def _forget(self, key: tuple[Kind, str]) -> None:
        del self._held[key]
        self._unsent.discard(key)
        self._counts[key[0]] -= 1

    def _put(self, event: Event, place: Place | None, wall: float) -> bool:
        key = event.kind, event.subject
        if key not in self._held and len(self._held) >= self._most and not self._make_room(wall):
            self.refused += 1
            return False
        if key not in self._held:
            self._counts[event.kind] += 1
        self._held[key] = _Held(event, place)
        if place is None:
            self._unsent.add(key)
        else:
            self._unsent.discard(key)
        return True

    def _make_room(self, wall: float) -> bool:
        oldest = min(
            (key for key, held in self._held.items() if held.event.is_spent(wall)),
            key=lambda key: self._held[key].event.order,
            default=None,
        )
        if oldest is None:
            return False
        self._forget(oldest)
        return True


NOWHERE: Final[Place] = (-1, 0)
"""Before all entries of any stream."""
