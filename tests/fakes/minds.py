"""Nodes of one mind without services: what is held by hand is a dictionary, time a number, and the store in memory."""

import math
from collections.abc import Mapping
from typing import Any, cast

from dohproxy.config import BansConfig
from dohproxy.policy.ban_table import Ban
from dohproxy.policy.bans import Bans
from dohproxy.policy.identity import Identities
from dohproxy.policy.penalties import Offence
from dohproxy.policy.prefixes import parse_prefix
from dohproxy.sharing.event_stream import EventStream
from dohproxy.sharing.events import Event, Kind
from dohproxy.sharing.hand_words import NetworkWords, NotTaken, Word
from dohproxy.sharing.keys import Keys
from dohproxy.sharing.ledger import Ledger
from dohproxy.sharing.one_mind import OneMind
from dohproxy.sharing.rule_bans import RuleBans
from tests.fakes.clock import FakeClock
from tests.fakes.memory_store import Link, MemoryStore

KEYS = Keys("test", bytes(32))
REASON = next(iter(Offence)).value
"""For which a rule bans."""
WALL = 1_700_000_000.0
"""What the clock on the wall says when the monotonic one says 0."""


class Notes:
    """An owner of notes: a text and when it ends, by subject."""

    kind = Kind.NAME
    is_taken_back_by_absence = True

    def __init__(self) -> None:
        self.all: dict[str, tuple[str, float]] = {}
        self.unwanted = ""
        """A text that cannot be held here."""
        self.taken = 0

    def version(self) -> object:
        """Return something new each time."""
        return object()

    def held(self) -> Mapping[str, tuple[str, float]]:
        """Return all notes."""
        return self.all

    def subject(self, key: str) -> str:
        """Return the subject."""
        return key

    def word(self, value: tuple[str, float], now: float, wall: float) -> Word:
        """Return what a note says."""
        return Word({"text": value[0], "ends": None if math.isinf(value[1]) else value[1]}, value[1], value[1])

    async def take(self, event: Event, now: float, wall: float) -> tuple[str, tuple[str, float] | None]:
        """Take a note."""
        self.taken += 1
        if event.said is None:
            self.all.pop(event.subject, None)
            return event.subject, None
        if event.said["text"] == self.unwanted:
            raise NotTaken("is unwanted")
        ends = event.said["ends"]
        note = self.all[event.subject] = event.said["text"], math.inf if ends is None else ends
        return event.subject, note

    async def settle(self, wall: float) -> None:
        """Do nothing."""


class Mind:
    """One node."""

    def __init__(self, store: MemoryStore, clock: FakeClock, number: int, notes: dict[str, tuple[str, float]]) -> None:
        """`notes` are what it holds when it begins; `number` tells this run from all others."""
        self.clock = clock
        self.clock_error = 0.0
        """By how much its clock on the wall is wrong."""
        self.link = Link(store)
        self.notes = Notes()
        self.notes.all = notes
        self.bans = Bans(BansConfig(mode="enforce"), Identities(bytes(32)).prefix_hashes)
        self.identities = Identities(bytes(32))
        self.begun: list[Ban] = []
        origin = f"{number:016x}"
        link = cast(Any, self.link)
        stream = EventStream(link, KEYS, "events", 1_000, self.wall)
        rules = EventStream(link, KEYS, "bans", 1_000, self.wall)
        self.ledger = Ledger(origin)
        self.rule_bans = RuleBans(self.bans, rules, self.ledger, origin, clock, self.wall, lambda: number % 7 / 7)
        self.mind = OneMind(
            link,
            stream,
            self.ledger,
            (self.notes, NetworkWords(self.bans)),
            self.rule_bans,
            rules,
            origin,
            clock,
            self.wall,
            lambda: number % 7 / 7,
        )
        self.bans.when_banned = self._note
        self.mind.begin()

    def _note(self, ban: Ban, now: float) -> None:
        self.begun.append(ban)
        self.rule_bans.note(ban, now)

    def wall(self) -> float:
        """Return what its clock says."""
        return WALL + self.clock() + self.clock_error

    def say(self, subject: str, text: str, seconds: float = math.inf) -> None:
        """Say something here."""
        self.notes.all[subject] = text, self.wall() + seconds

    def take_back(self, subject: str) -> None:
        """Take it back."""
        self.notes.all.pop(subject, None)

    def expire(self) -> None:
        """Forget notes that are over, and bans."""
        for subject in [subject for subject, (_, end) in self.notes.all.items() if end <= self.wall()]:
            del self.notes.all[subject]
        self.bans.expire(self.clock())

    def is_banned(self, network: str) -> bool:
        """Tell whether a network is kept out."""
        return self.bans.is_banned(self.identities.client(parse_prefix(network).packed), self.clock())

    def ban_by_rule(self, network: str) -> None:
        """Have a rule ban an address."""
        client = self.identities.client(parse_prefix(network).packed)
        self.bans.ban_by_rule(client, 0, REASON, self.clock())
