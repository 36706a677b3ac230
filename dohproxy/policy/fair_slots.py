"""A number of slots that many share: who gets in when all are taken, and who makes room.

To refuse whoever comes last would leave the slots to whoever came first, which in a flood is the flood. So when all are
taken, somebody who has less right to a slot makes room, if there is such a one:

- Members before those who have been here for an hour, those before strangers. What members do not use others may.
- Within a standing, those who have got something for their slot lately (a query answered on their connection) before
  those who only hold it; either kind may have half of what the standing has.
- Within a kind, the prefix that holds most makes room for one that would hold less: of a provider's /32 the greediest
  /48, of that the greediest /56, of that the slot that was taken first. IPv4 has /24 and /32.
- Between prefixes that hold as much as each other, whoever has held a slot in vain for a while makes room for whoever
  is new.

So a flood from few networks competes with itself alone, however many slots it tries for; one from many networks
competes with strangers alone, and turns over what they hold in vain. Nothing here knows what a slot is good for, or
reads a clock.
"""

from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from dohproxy.policy.standing import Standing
from dohproxy.value import value

Holder = TypeVar("Holder", bound=Hashable)
Path = tuple[int, ...]
"""The keyed hashes of a client's prefixes, the widest first."""

CROWDED_SHARE: Final = 0.9
"""Part of all slots from which on those who hold one in vain have less time, as in dnsdist's overload mode."""
MOST_LOOKED_AT: Final = 4
"""Prefixes of one size that are looked at for somebody who holds a slot in vain; the next look begins behind them."""


@dataclass(frozen=True, slots=True)
class FairSlotsStatistics:
    """The slots at one instant; the counts run since the start."""

    taken: int
    most: int
    by_standing: dict[Standing, int]
    """Taken, by who holds them."""
    made_room: int
    """Holders who lost their slot to somebody with more right to it."""
    refused: int
    """Newcomers for whom nobody made room."""


class FairSlots(Generic[Holder]):
    """So many slots; memory grows with those that are taken alone."""

    def __init__(self, most: int, grace_seconds: float) -> None:
        """`grace_seconds`: how long a slot may be held in vain before a newcomer of equal right gets it."""
        self.most = most
        self._grace = grace_seconds
        self._held: dict[Holder, _Held] = {}
        # In the order in which they make room, the last first.
        self._groups = {(standing, useful): _Prefix[Holder]() for standing in Standing for useful in (True, False)}
        self._made_room = self._refused = 0

    @property
    def taken(self) -> int:
        """How many are taken; more than `most` after it was lowered."""
        return len(self._held)

    @property
    def is_crowded(self) -> bool:
        """Whether most of them are taken."""
        return len(self._held) >= CROWDED_SHARE * self.most

    def join(self, holder: Holder, path: Path, standing: Standing, now: float) -> tuple[bool, Holder | None]:
        """Give `holder` a slot if one is free or somebody has to make room.

        Return whether it has one, and who has lost his for it.
        """
        loser = None
        if len(self._held) >= self.most:
            loser = self._to_make_room(path, standing, now)
            if loser is None:
                self._refused += 1
                return False, None
            self._made_room += 1
            self.leave(loser)
        self._seat(holder, _Held(path, standing, False, now))
        return True, loser

    def has_room(self, path: Path, standing: Standing, now: float) -> bool:
        """Tell whether `join` would give a slot; nothing changes."""
        return len(self._held) < self.most or self._to_make_room(path, standing, now) is not None

    def has(self, holder: Holder) -> bool:
        """Tell whether `holder` has a slot."""
        return holder in self._held

    def leave(self, holder: Holder) -> None:
        """Take the slot back; harmless if `holder` has none."""
        held = self._held.pop(holder, None)
        if held is not None:
            self._groups[held.standing, held.useful].remove(holder, held.path)

    def note(self, holder: Holder, now: float, *, useful: bool) -> None:
        """Say whether `holder` has got something for its slot lately; harmless if it has none."""
        held = self._held.get(holder)
        if held is not None and held.useful is not useful:
            self._move(holder, _Held(held.path, held.standing, useful, now))

    def change_standing(self, holder: Holder, standing: Standing) -> None:
        """The holder turns out to be somebody who goes before, or is that no more; harmless if it has no slot."""
        held = self._held.get(holder)
        if held is not None and standing is not held.standing:
            self._move(holder, _Held(held.path, standing, held.useful, held.since))

    def statistics(self) -> FairSlotsStatistics:
        """Return a frozen snapshot."""
        by_standing = {
            standing: sum(self._groups[standing, useful].size for useful in (True, False)) for standing in Standing
        }
        return FairSlotsStatistics(len(self._held), self.most, by_standing, self._made_room, self._refused)

    def _move(self, holder: Holder, held: "_Held") -> None:
        self.leave(holder)
        self._seat(holder, held)

    def _seat(self, holder: Holder, held: "_Held") -> None:
        self._held[holder] = held
        self._groups[held.standing, held.useful].add(holder, held.path)

    # --- Who makes room ---

    def _to_make_room(self, path: Path, standing: Standing, now: float) -> Holder | None:
        for other in reversed(Standing):
            in_vain, useful = self._groups[other, False], self._groups[other, True]
            if other > standing:
                if in_vain.size or useful.size:
                    return (in_vain if in_vain.size else useful).first_to_go()
            elif other is standing:
                # Either kind may have half; only those who have more of it are asked first.
                order = (in_vain, useful) if in_vain.size > useful.size else (useful, in_vain)
                return self._rival(*order, path, now) or self._rival(order[1], order[0], path, now)
        return None

    def _rival(
        self, group: "_Prefix[Holder]", beside: "_Prefix[Holder] | None", path: Path, now: float
    ) -> Holder | None:
        """Return who in a group of the newcomer's own standing has less right to a slot, None if nobody has.

        What the newcomer's prefixes hold `beside`, of the other kind, counts as theirs too.
        """
        if not group.size:
            return None
        for key in path:
            own = group.size_of(key)
            if group.largest > own + (0 if beside is None else beside.size_of(key)) + 1:
                return group.first_to_go()
            if own < group.largest:
                break
            group, beside = group.part(key), None if beside is None else beside.find(key)
        return next((holder for holder in group.some() if self._is_in_vain(holder, now)), None)

    def _is_in_vain(self, holder: Holder, now: float) -> bool:
        held = self._held[holder]
        return not held.useful and now - held.since >= self._grace


@value
class _Held:
    """One slot that is taken."""

    path: Path
    standing: Standing
    useful: bool
    since: float
    """When it was taken, or became of use or ceased to be."""


class _Prefix(Generic[Holder]):
    """What one prefix holds, by the prefixes within it; the innermost hold slots."""

    __slots__ = ("_by_size", "_holders", "_parts", "largest", "size")

    def __init__(self) -> None:
        self.size = 0
        self.largest = 0
        """What the greediest part holds."""
        self._parts: dict[int, _Prefix[Holder]] = {}
        # In the order in which they came to this size.
        self._by_size: dict[int, dict[int, None]] = {}
        self._holders: dict[Holder, None] = {}

    def size_of(self, key: int) -> int:
        """Return how many slots a part holds."""
        part = self._parts.get(key)
        return 0 if part is None else part.size

    def find(self, key: int) -> "_Prefix[Holder] | None":
        """Return a part, None if it holds nothing."""
        return self._parts.get(key)

    def part(self, key: int) -> "_Prefix[Holder]":
        """Return a part that holds something."""
        return self._parts[key]

    def add(self, holder: Holder, path: Path) -> None:
        """`holder` has taken a slot."""
        self.size += 1
        if not path:
            self._holders[holder] = None
            return
        part = self._parts.get(path[0])
        if part is None:
            part = self._parts[path[0]] = _Prefix()
        part.add(holder, path[1:])
        self._resized(path[0], part.size - 1, part.size)

    def remove(self, holder: Holder, path: Path) -> None:
        """`holder` has left its slot."""
        self.size -= 1
        if not path:
            del self._holders[holder]
            return
        part = self._parts[path[0]]
        part.remove(holder, path[1:])
        self._resized(path[0], part.size + 1, part.size)
        if not part.size:
            del self._parts[path[0]]

    def _resized(self, key: int, before: int, after: int) -> None:
        if before:
            del self._by_size[before][key]
            if not self._by_size[before]:
                del self._by_size[before]
                if before == self.largest:
                    self.largest = after
        if after:
            self._by_size.setdefault(after, {})[key] = None
            self.largest = max(self.largest, after)

    def first_to_go(self) -> Holder:
        """Return the slot of the greediest prefix that was taken first."""
        if self._holders:
            return next(iter(self._holders))
        return self._parts[next(iter(self._by_size[self.largest]))].first_to_go()

    def some(self) -> Iterator[Holder]:
        """Yield those that were taken first, of a few of the greediest prefixes; other ones the next time."""
        if self._holders:
            yield next(iter(self._holders))
            return
        greediest = self._by_size.get(self.largest, {})
        looked_at = [key for key, _ in zip(greediest, range(MOST_LOOKED_AT), strict=False)]
        for key in looked_at:
            del greediest[key]
            greediest[key] = None
        for key in looked_at:
            yield from self._parts[key].some()
