"""What was said at one node holds at all: bans, names, the mode, announcements, members, limits by hand.

Several times a second it is looked what was said here, what the others have told is read, and what they do not know is
told. Here everything holds whatever becomes of the store; what was said while it was away is told when it is back, and
if it has lost what it was told, the nodes tell it again.
"""

import asyncio
import contextlib
import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

import structlog

from dohproxy.sharing.commands import StoreFailure
from dohproxy.sharing.event_stream import EMPTY, MOST_AT_ONCE, START, EventStream
from dohproxy.sharing.events import Event, Kind, Unread
from dohproxy.sharing.hand_words import NotTaken, Owner, is_overruled
from dohproxy.sharing.ledger import BEFORE_ALL, KEPT_SECONDS, Ledger
from dohproxy.sharing.mind_figures import MindStatistics
from dohproxy.sharing.rule_bans import EARLIEST_SECONDS, LATEST_SECONDS, RuleBans

if TYPE_CHECKING:
    from dohproxy.sharing.store import Store

POLL_SECONDS: Final = 0.2
"""Between two looks: with as much for the way there, what was said is known everywhere within half a second."""
ENDS_SECONDS: Final = 1.0
"""Between two looks whether the streams are still those that were read."""
KEEP_SECONDS: Final = 3_600.0
MOST_IN_STREAM: Final = 20_000
"""More than there may be subjects, so that no more is told anew than was lost. Some 6 MB."""
_SLACK_SECONDS: Final = 1.0
"""What is gone within this of its end has ended, and was not taken back."""

_log = structlog.get_logger("dohproxy.nodes")


class OneMind:
    """One node's part in it. `run` keeps it."""

    def __init__(
        self,
        store: "Store",
        stream: EventStream,
        ledger: Ledger,
        owners: Sequence[Owner],
        rule_bans: RuleBans,
        rule_stream: EventStream,
        origin: str,
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
        draw: Callable[[], float],
    ) -> None:
        """`origin` names this run of this node, `draw` returns a random number from 0 to 1."""
        self._store = store
        self._stream = stream
        self._rule_stream = rule_stream
        self._ledger = ledger
        self._owners = {owner.kind: owner for owner in owners}
        self._rule_bans = rule_bans
        self._origin = origin
        self._clock = clock
        self._wall_clock = wall_clock
        self._draw = draw
        self._known: dict[Kind, dict[Any, Any]] = {}
        self._versions: dict[Kind, object] = {}
        self._before: dict[Kind, dict[Any, Any]] | None = None
        """What was held when nothing of the others was known; None once they have been told."""
        self._wake = asyncio.Event()
        self._look_at_ends = self._expire_at = -math.inf
        self._has_looked = False
        """Since what was lost was told last."""
        self._heard_at: float | None = None
        self._keep_at = 0.0
        self._anew_at: float | None = None
        self._first = START
        """Where the stream begins."""
        self._refusals: set[tuple[Kind, str]] = set()
        self._said: Counter[Kind] = Counter()
        self._learnt: Counter[Kind] = Counter()
        self._not_taken = self._told_anew = 0

    def wake(self) -> None:
        """Look at once, as something was said."""
        self._wake.set()

    def statistics(self) -> MindStatistics:
        """Return a snapshot."""
        bans = self._rule_bans
        return MindStatistics(
            said={kind: self._said[kind] for kind in Kind} | {Kind.RULE_BAN: bans.told},
            learnt={kind: self._learnt[kind] for kind in Kind} | {Kind.RULE_BAN: bans.learnt},
            not_taken=self._not_taken,
            unread={why: self._stream.unread[why] + self._rule_stream.unread[why] for why in Unread},
            held=len(self._ledger),
            most_held=self._ledger.most,
            waiting=len(self._ledger.unsent()) + bans.waiting,
            left_out=self._ledger.refused + bans.left_out,
            told_anew=self._told_anew,
        )

    @property
    def behind(self) -> float:
        """How long ago it was heard what others have said, in seconds; 0.0 if all of it was."""
        return 0.0 if self._heard_at is None else max(0.0, self._clock() - self._heard_at - POLL_SECONDS)

    async def run(self) -> None:
        """Go on until cancelled."""
        self.begin()
        while True:
            self._wake.clear()
            await self.turn()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL_SECONDS):
                    await self._wake.wait()

    def begin(self) -> None:
        """Take what is held now for what was held before anything of the others was known."""
        for kind, owner in self._owners.items():
            self._versions[kind] = owner.version()
            self._known[kind] = dict(owner.held())
        self._before = {kind: dict(known) for kind, known in self._known.items()}

    async def turn(self) -> None:
        """Look at what was said here, learn what others have said, and tell them."""
        self.listen()
        if self._clock() >= self._expire_at:
            self._expire_at = self._clock() + ENDS_SECONDS
            self._ledger.expire(self._wall_clock())
        if not self._store.is_up:
            return
        for step in (self._look_at_streams, self._learn, self._rule_bans.learn, self._tell, self._rule_bans.tell):
            if await step() is not None:
                return
        if self._rule_bans.waiting:
            self.wake()

    # --- What was said here ---

    def listen(self) -> None:
        """Find out what was said here since the last look."""
        now, wall = self._clock(), self._wall_clock()
        for kind, owner in self._owners.items():
            version = owner.version()
            if version == self._versions[kind]:
                continue
            self._versions[kind] = version
            before, held = self._known[kind], dict(owner.held())
            self._known[kind] = held
            for key, value in held.items():
                if key not in before or before[key] != value:
                    self._say(owner, key, value, now, wall)
            if owner.is_taken_back_by_absence:
                for key, value in before.items():
                    if key not in held and owner.word(value, now, wall).ends > wall + _SLACK_SECONDS:
                        self.take_back(kind, key)

    def _say(self, owner: Owner, key: Any, value: Any, now: float, wall: float, stamp: int | None = None) -> None:
        word = owner.word(value, now, wall)
        stamp = self._ledger.stamp(wall) if stamp is None else stamp
        event = Event(owner.kind, owner.subject(key), stamp, self._origin, word.kept, word.said)
        if self._ledger.say(event, wall):
            self._said[owner.kind] += 1

    def take_back(self, kind: Kind, key: Any) -> None:
        """Say that what was said of a subject holds no longer."""
        wall = self._wall_clock()
        subject = self._owners[kind].subject(key)
        event = Event(kind, subject, self._ledger.stamp(wall), self._origin, wall + KEPT_SECONDS, None)
        if self._ledger.say(event, wall):
            self._said[kind] += 1
        self.wake()

    # --- What others have said ---

    async def _learn(self) -> StoreFailure | None:
        while True:
            place = self._stream.place
            found = await self._stream.read()
            if isinstance(found, StoreFailure):
                return found
            self.listen()
            wall = self._wall_clock()
            of_hand = [(at, event) for at, event in found if event.kind in self._owners]
            await self._take([event for at, event in of_hand if self._ledger.take(event, at, wall)])
            if self._stream.place == place:
                self._heard_at = self._clock()
                await self._introduce()
                return None

    async def _take(self, news: Sequence[Event]) -> None:
        """Let what is new hold here, in the order in which it was said."""
        taken: dict[Kind, list[tuple[Any, Any]]] = {}
        for event in sorted(news, key=lambda event: event.order):
            if event.kind is Kind.NETWORK and is_overruled(event, self._ledger):
                continue
            try:
                found = await self._owners[event.kind].take(event, self._clock(), self._wall_clock())
            except NotTaken as why:
                self._refuse(event.kind, str(why))
            else:
                self._learnt[event.kind] += 1
                taken.setdefault(event.kind, []).append(found)
            await asyncio.sleep(0)
        for kind, pairs in taken.items():
            await self._settle(kind, pairs)

    async def _settle(self, kind: Kind, pairs: Sequence[tuple[Any, Any]]) -> None:
        """Let what was taken be in force, and take it for known: by subject, with what is held of it."""
        owner, known = self._owners[kind], self._known[kind]
        try:
            await owner.settle(self._wall_clock())
        except NotTaken as why:
            self._refuse(kind, str(why))
        held = owner.held()
        for key, value in pairs:
            # What is held otherwise was said here meanwhile, or could not be taken: the next look finds it out.
            if held.get(key) != value:
                continue
            if value is None:
                known.pop(key, None)
            else:
                known[key] = value

    def _refuse(self, kind: Kind, why: str) -> None:
        self._not_taken += 1
        if (kind, why) not in self._refusals:  # There are few reasons, and a thousand events may have one.
            self._refusals.add((kind, why))
            _log.warning("what another node has said does not hold here", kind=kind.value, why=why)

    async def _introduce(self) -> None:
        """Tell the others what was held here before, once it is known what they have said of it."""
        if self._before is None:
            return
        before, self._before = self._before, None
        now, wall = self._clock(), self._wall_clock()
        for kind, known in before.items():
            owner = self._owners[kind]
            held = owner.held()
            for key, value in known.items():
                if held.get(key) == value and self._ledger.find(kind, owner.subject(key)) is None:
                    self._say(owner, key, value, now, wall, BEFORE_ALL)
                    await asyncio.sleep(0)  # There may be ten thousand of them.

    # --- What they do not know ---

    async def _look_at_streams(self) -> StoreFailure | None:
        now = self._clock()
        if now < self._look_at_ends:
            return None
        ends = await self._stream.ends()
        rule_ends = await self._rule_stream.ends() if not isinstance(ends, StoreFailure) else ends
        if isinstance(ends, StoreFailure) or isinstance(rule_ends, StoreFailure):
            return ends if isinstance(ends, StoreFailure) else StoreFailure.DOWN
        self._look_at_ends = now + ENDS_SECONDS
        self._rule_bans.look_at(rule_ends)
        if ends == EMPTY or ends.last < self._stream.place:
            if self._stream.place > START:
                _log.info("the store has lost what nodes have told each other; it is told again")
            self._stream.place = START
            self._ledger.forget_places()
        self._first = START if ends == EMPTY else ends.first
        self._has_looked = True
        if now >= self._keep_at:
            self._keep_at = now + KEEP_SECONDS
            await self._stream.keep()
            await self._rule_stream.keep()
        return None

    async def _tell(self) -> StoreFailure | None:
        unsent = self._ledger.unsent()
        failure = await self._add(unsent[:MOST_AT_ONCE])
        if failure is None and len(unsent) > MOST_AT_ONCE:
            self.wake()
        if failure is not None or not self._has_looked:
            return failure
        self._has_looked = False
        lost = self._ledger.lost(self._first)
        if not lost:
            self._anew_at = None
        elif self._anew_at is None:
            self._anew_at = self._clock() + EARLIEST_SECONDS + self._draw() * (LATEST_SECONDS - EARLIEST_SECONDS)
        elif self._clock() >= self._anew_at:
            lost = lost[:MOST_AT_ONCE]
            self._told_anew += len(lost)
            return await self._add(lost)
        return None

    async def _add(self, events: Sequence[Event]) -> StoreFailure | None:
        failure = None
        for event, place in zip(events, await self._stream.add_all(events), strict=True):
            if isinstance(place, StoreFailure):
                failure = place
            else:
                self._ledger.placed(event, place)
        return failure
