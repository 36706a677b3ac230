"""Bans by rule, told to the other nodes: who is banned at one is banned at all, for as long.

They have a stream of their own, as a flood may bring thousands of them and what people say must not be lost over it.
Each ends by itself, so nothing has to be remembered but the bans: what the stream has lost is told again by whoever
holds it, and whoever is banned already is not banned again.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

from dohproxy.policy.ban_state import known_reason
from dohproxy.policy.ban_table import Ban, BanSource, ending_last
from dohproxy.policy.bans import Bans
from dohproxy.policy.prefixes import Prefix
from dohproxy.sharing.commands import StoreFailure
from dohproxy.sharing.event_stream import EMPTY, MOST_AT_ONCE, START, Ends, EventStream
from dohproxy.sharing.events import Event, Kind
from dohproxy.sharing.hand_words import NotTaken, is_overruled, read_prefix, written_prefix
from dohproxy.sharing.ledger import BEFORE_ALL, Ledger

MOST_IN_STREAM: Final = 10_000
"""Some 2 MB. More bans than that within the time that a node is away are left to the node's own rules."""
MOST_WAITING: Final = 1_000
"""Bans that wait to be told: what a second of the worst flood makes. Of more, the oldest are left out."""
MOST_TOLD_ANEW: Final = 2_000
"""After the stream was lost, by each node, those that end last."""
SHORTEST_SECONDS: Final = 2.0
"""What ends sooner than this is not worth telling."""
EARLIEST_SECONDS: Final = 0.5
LATEST_SECONDS: Final = 2.5
"""When a node tells anew what the stream has lost: each at another time, so that the first to do so spares the others
the most of it."""
LONGEST_SECONDS: Final = 604_800.0
"""Of a ban that is taken from another node: the longest that bans.longest_seconds allows."""
STEP_EVENTS: Final = 20
"""Events taken between two turns of everybody else: some 0.5 ms."""
_HIGHEST_LEVEL: Final = 64


class RuleBans:
    """Tells and learns bans by rule."""

    def __init__(
        self,
        bans: Bans,
        stream: EventStream,
        ledger: Ledger,
        origin: str,
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
        draw: Callable[[], float],
    ) -> None:
        """`draw` returns a random number from 0 to 1."""
        self._bans = bans
        self._stream = stream
        self._ledger = ledger
        self._origin = origin
        self._clock = clock
        self._wall_clock = wall_clock
        self._draw = draw
        self._waiting: deque[Event] = deque(maxlen=MOST_WAITING)
        self._is_learning = False
        self._carried: set[str] | None = None
        self._anew_at = 0.0
        self.told = self.learnt = self.left_out = 0
        """Bans told to others, taken from them, and not told as too many waited."""

    @property
    def waiting(self) -> int:
        """How many bans wait to be told."""
        return len(self._waiting)

    def note(self, ban: Ban, now: float) -> bool:
        """Have a ban told that begins here; return whether it is one that is to be told."""
        if self._is_learning or ban.source is not BanSource.RULE or ban.prefix is None:
            return False
        if len(self._waiting) == MOST_WAITING:
            self.left_out += 1
        self._waiting.append(self._event(ban, ban.prefix, now, self._ledger.stamp(self._wall_clock())))
        return True

    def _event(self, ban: Ban, prefix: Prefix, now: float, stamp: int) -> Event:
        until = self._wall_clock() + ban.until - now
        return Event(
            Kind.RULE_BAN,
            written_prefix(prefix),
            stamp,
            self._origin,
            until,
            {"level": ban.level, "reason": ban.reason},
        )

    async def learn(self) -> StoreFailure | None:
        """Hold to what others have told since it was looked last."""
        while True:
            place = self._stream.place
            found = await self._stream.read()
            if isinstance(found, StoreFailure):
                return found
            if self._carried is not None:
                self._carried.update(event.subject for _, event in found)
            for number, (_, event) in enumerate(found, start=1):
                if event.origin != self._origin:
                    self._take(event)
                if number % STEP_EVENTS == 0:
                    await asyncio.sleep(0)
            if self._stream.place == place:
                return None

    def _take(self, event: Event) -> None:
        now, wall = self._clock(), self._wall_clock()
        left = min(event.until - wall, LONGEST_SECONDS)
        if event.kind is not Kind.RULE_BAN or event.said is None or left <= 0:
            return
        level, reason = event.said.get("level"), event.said.get("reason")
        if not isinstance(level, int) or not 0 < level <= _HIGHEST_LEVEL or not isinstance(reason, str):
            return
        try:
            prefix = read_prefix(event.subject)
        except NotTaken:
            return
        if is_overruled(event, self._ledger):
            return
        self._is_learning = True
        try:
            ban = Ban(now + left, known_reason(reason), level, BanSource.RULE, prefix)
            self.learnt += self._bans.learn_by_rule(prefix, ban, now)
        finally:
            self._is_learning = False

    async def tell(self) -> StoreFailure | None:
        """Tell what waits, and what the stream has lost when its time has come."""
        if self._carried is not None and self._clock() >= self._anew_at:
            carried, self._carried = self._carried, None
            await self._tell_anew(carried)
        events = [self._waiting.popleft() for _ in range(min(len(self._waiting), MOST_AT_ONCE))]
        failure, left = None, []
        for event, place in zip(events, await self._stream.add_all(events), strict=True):
            if isinstance(place, StoreFailure):
                failure = place
                left.append(event)
            else:
                self.told += 1
        # As far as there is still room for them: those that have come meanwhile are newer.
        room = MOST_WAITING - len(self._waiting)
        self.left_out += max(0, len(left) - room)
        self._waiting.extendleft(reversed(left[-room:] if room else []))
        return failure

    async def _tell_anew(self, carried: set[str]) -> None:
        now = self._clock()
        for ban in await self._ending_last(now):
            if ban.prefix is None or ban.until - now < SHORTEST_SECONDS or written_prefix(ban.prefix) in carried:
                continue
            # When it began is not known any more; whoever has lifted it meanwhile has done so later.
            if len(self._waiting) < MOST_WAITING:
                self._waiting.append(self._event(ban, ban.prefix, now, BEFORE_ALL))

    async def _ending_last(self, now: float) -> list[Ban]:
        """Return the bans that end last; there may be a great many, so others have their turns in between."""
        steps = ending_last(self._bans.by_rule(), MOST_TOLD_ANEW, now)
        while True:
            try:
                next(steps)
            except StopIteration as end:
                return [ban for _, ban in end.value[0]]
            await asyncio.sleep(0)

    def look_at(self, ends: Ends) -> None:
        """Take notice where the stream begins and ends; if it is not the one that was read, it is read from its start
        and told what it lacks."""
        place = self._stream.place
        if place > START and (ends == EMPTY or ends.last < place or ends.first > place):
            self._stream.place = START
            self._carried = set()
            self._anew_at = self._clock() + EARLIEST_SECONDS + self._draw() * (LATEST_SECONDS - EARLIEST_SECONDS)
