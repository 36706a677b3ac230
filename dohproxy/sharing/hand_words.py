"""What a person says at one node, and how it is taken at the others: networks, names, the mode, announcements.

Each owner tells what it holds by hand; `OneMind` compares that with what it held before, and so finds out what was said
in the meantime, by whatever way. It gives each what was said elsewhere.
"""

import hashlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from dohproxy.config.addresses import Unusable, parse_host_name
from dohproxy.config.blocklist_values import parse_public_text
from dohproxy.policy.announcements import Announcement, Announcements, why_unfit
from dohproxy.policy.ban_table import Ban
from dohproxy.policy.bans import Bans, TooManyCommands
from dohproxy.policy.blocklists.by_hand import ByHand, HandEntry
from dohproxy.policy.mode import Mode, ModeSwitch, SaidMode
from dohproxy.policy.prefixes import HOST_BITS, Prefix, masked
from dohproxy.sharing.events import Event, Kind, is_moment
from dohproxy.sharing.ledger import KEPT_SECONDS, Ledger
from dohproxy.wire.name import from_text, labels

MOST_REASON: Final = 80
"""Characters of the reason of a ban."""
_HERE: Final = Path()
_MARK_BYTES: Final = 8


class NotTaken(Exception):
    """Something that was said elsewhere cannot hold here; the message is a predicate."""


@dataclass(frozen=True, slots=True)
class Word:
    """What an event says."""

    said: Mapping[str, Any]
    ends: float
    """Unix seconds; infinity if it is to be taken back."""
    kept: float
    """Until when it is remembered that it was said."""


class Owner(Protocol):
    """Who holds what was said of subjects of one kind."""

    kind: Kind
    is_taken_back_by_absence: bool
    """Whether what is not held any more before its time was taken back by a person."""

    def version(self) -> object:
        """Return something that is another thing when what is held may have changed."""

    def held(self) -> Mapping[Any, Any]:
        """Return what is held, by subject; both may be of any kind that can be compared."""

    def subject(self, key: Any) -> str:
        """Return how a subject is written."""

    def word(self, value: Any, now: float, wall: float) -> Word:
        """Return what is said by holding to a value."""

    async def take(self, event: Event, now: float, wall: float) -> tuple[Any, Any]:
        """Hold to what was said elsewhere; return the subject and what is held of it then, None if nothing. Raises
        NotTaken."""

    async def settle(self, wall: float) -> None:
        """Let all that was taken be in force. Raises NotTaken."""


class NetworkWords:
    """Networks banned and let in by command."""

    kind = Kind.NETWORK
    is_taken_back_by_absence = False
    """What lets a network in takes a ban back, and is said itself."""

    def __init__(self, bans: Bans) -> None:
        self._bans = bans

    def version(self) -> object:
        """Return something new each time: there are few, and they change by themselves."""
        return object()

    def held(self) -> Mapping[Prefix, Ban]:
        """Return the commands whose networks are known; of those from before a restart the others know."""
        return {ban.prefix: ban for _, _, ban in self._bans.by_command() if ban.prefix is not None}

    def subject(self, key: Prefix) -> str:
        """Return a network as its address and length."""
        return written_prefix(key)

    def word(self, value: Ban, now: float, wall: float) -> Word:
        """Return what a command says. That a network was let in is remembered after its time: else a node that was
        away would not learn that the ban, which may be longer, was lifted."""
        ends = wall + value.until - now
        said = {"lets_in": value.lets_in, "until": round(ends, 3), "spares": value.spares, "reason": value.reason}
        return Word(said, ends, wall + KEPT_SECONDS if value.lets_in else ends)

    async def take(self, event: Event, now: float, wall: float) -> tuple[Prefix, Ban | None]:
        """Ban a network, or let it in."""
        prefix, said = read_prefix(event.subject), event.said or {}
        end, reason = said.get("until"), said.get("reason")
        if not is_moment(end) or not isinstance(reason, str) or len(reason) > MOST_REASON or not reason.isprintable():
            raise NotTaken("says nothing of a network that could be said")
        seconds = max(0.0, end - wall)
        try:
            if said.get("lets_in") is True:
                self._bans.unban(prefix, seconds, now)
            elif seconds:
                self._bans.ban(prefix, seconds, reason, now, spares=said.get("spares") is not False)
        except TooManyCommands:
            raise NotTaken("finds no room: as many networks are banned or let in by command as may be") from None
        return prefix, self.held().get(prefix)

    async def settle(self, wall: float) -> None:
        """Do nothing: all of it holds at once."""


def is_overruled(event: Event, ledger: Ledger) -> bool:
    """Tell whether somebody has said the opposite of an event about a network later, of this or a wider network: what
    bans one ends what lets in parts of it, and the other way round. So bans by rule are found to have been lifted too.
    """
    if not ledger.has_any(Kind.NETWORK):
        return False
    try:
        prefix = read_prefix(event.subject)
    except NotTaken:
        return True
    lets_in = _lets_in(event)
    for bits in range(1, prefix.bits + 1):
        around = Prefix(masked(prefix.packed, bits), bits)
        other = ledger.find(Kind.NETWORK, written_prefix(around))
        if other is not None and other.order > event.order and _lets_in(other) is not lets_in:
            return True
    return False


def _lets_in(event: Event) -> bool:
    return event.said is not None and event.said.get("lets_in") is True


def written_prefix(prefix: Prefix) -> str:
    """Return a network as its address in hexadecimal digits and its length."""
    return f"{prefix.packed.hex()}/{prefix.bits}"


def read_prefix(text: str) -> Prefix:
    """Return the network that was written so. Raises NotTaken."""
    digits, _, length = text.partition("/")
    try:
        packed, bits = bytes.fromhex(digits), int(length)
    except ValueError:
        raise NotTaken("names no network") from None
    if len(packed) not in HOST_BITS or not 0 < bits <= 8 * len(packed) or masked(packed, bits) != packed:
        raise NotTaken("names no network")
    return Prefix(packed, bits)


class HandBlocks(Protocol):
    """Who keeps what was said of names by hand."""

    @property
    def entries(self) -> ByHand:
        """All entries."""

    def changed_elsewhere(self, now: float) -> None:
        """Let what was put into the entries be in force, and see to it that it is kept."""


class NameWords:
    """Names blocked and let through by hand."""

    kind = Kind.NAME
    is_taken_back_by_absence = True

    def __init__(self, blocks: HandBlocks) -> None:
        self._blocks = blocks

    def version(self) -> object:
        """Return how often the entries have changed: there may be ten thousand."""
        return self._blocks.entries.changes

    def held(self) -> Mapping[bytes, HandEntry]:
        """Return all entries."""
        return {entry.name: entry for entry in self._blocks.entries}

    def subject(self, key: bytes) -> str:
        """Return a name as an operator types it."""
        return b".".join(labels(key)).decode("ascii")

    def word(self, value: HandEntry, now: float, wall: float) -> Word:
        """Return what an entry says."""
        until = None if math.isinf(value.until) else value.until
        said = {"is_block": value.is_block, "below": value.below, "until": until, "text": value.text}
        return Word(said, value.until, value.until)

    async def take(self, event: Event, now: float, wall: float) -> tuple[bytes, HandEntry | None]:
        """Block a name or let it through, or forget what was said of it."""
        try:
            name = from_text(parse_host_name(event.subject))
            if event.said is None:
                self._blocks.entries.remove(name)
                return name, None
            entry = _entry(name, event.said)
        except (ValueError, TypeError):  # Unusable is a ValueError.
            raise NotTaken("says nothing of a name that could be said") from None
        if not self._blocks.entries.put(entry):
            raise NotTaken("finds no room: there are as many entries by hand as there may be")
        return name, entry

    async def settle(self, wall: float) -> None:
        """Withhold the names from now on."""
        self._blocks.changed_elsewhere(wall)


def _entry(name: bytes, said: Mapping[str, Any]) -> HandEntry:
    """Return the entry that was said. Raises ValueError."""
    until, text, is_block, below = said.get("until"), said.get("text"), said.get("is_block"), said.get("below")
    if not isinstance(text, str) or not isinstance(is_block, bool) or not isinstance(below, bool):
        raise Unusable("is no entry")
    if until is not None and not is_moment(until):
        raise Unusable("is no moment")
    return HandEntry(name, is_block, below, math.inf if until is None else float(until), parse_public_text(text, _HERE))


class ModeWords:
    """The mode that an operator has entered, or only tries."""

    kind = Kind.MODE
    is_taken_back_by_absence = True
    _SUBJECT: Final = "mode"

    def __init__(self, mode: ModeSwitch, apply: Callable[[], object]) -> None:
        """`apply` lets the walk know what holds."""
        self._mode = mode
        self._apply = apply

    def version(self) -> object:
        """Return what was said."""
        return self._mode.said

    def held(self) -> Mapping[str, SaidMode]:
        """Return what an operator has said, if anything."""
        said = self._mode.said
        return {self._SUBJECT: said} if said.mode is not None or said.tried is not None else {}

    def subject(self, key: str) -> str:
        """Return the only subject there is."""
        return key

    def word(self, value: SaidMode, now: float, wall: float) -> Word:
        """Return what was said."""
        until, tried_until = _wall(value.until, now, wall), _wall(value.tried_until, now, wall)
        ends = max(
            until if value.mode is not None else 0.0,
            tried_until if value.tried is not None else 0.0,
        )
        said = {
            "mode": value.mode,
            "mode_until": _plain(until),
            "tried": value.tried,
            "tried_until": _plain(tried_until),
        }
        return Word(said, ends, ends)

    async def take(self, event: Event, now: float, wall: float) -> tuple[str, SaidMode | None]:
        """Enter a mode, or leave it to the rules."""
        said = event.said or {}
        mode, until = _read_mode(said, "mode"), _read_end(said, "mode_until", now, wall)
        tried, tried_until = _read_mode(said, "tried"), _read_end(said, "tried_until", now, wall)
        self._mode.leave()
        if mode is not None and until > now:
            self._mode.enter(mode, until)
        if tried is not None and tried_until > now:
            self._mode.attempt(tried, tried_until)
        return self._SUBJECT, self.held().get(self._SUBJECT)

    async def settle(self, wall: float) -> None:
        """Let the walk know."""
        self._apply()


def _wall(moment: float, now: float, wall: float) -> float:
    return moment if math.isinf(moment) else wall + moment - now


def _plain(moment: float) -> float | None:
    return None if math.isinf(moment) else round(moment, 3)


def _read_mode(said: Mapping[str, Any], key: str) -> Mode | None:
    found = said.get(key)
    if found is None:
        return None
    if found not in [mode.value for mode in Mode]:
        raise NotTaken("names a mode that there is not")
    return Mode(found)


def _read_end(said: Mapping[str, Any], key: str, now: float, wall: float) -> float:
    found = said.get(key)
    if found is None:
        return math.inf
    if not is_moment(found):
        raise NotTaken("names a moment that is none")
    return now + float(found) - wall


class AnnouncementWords:
    """What everybody is told who looks."""

    kind = Kind.ANNOUNCEMENT
    is_taken_back_by_absence = True

    def __init__(self, announcements: Announcements, wall_clock: Callable[[], float]) -> None:
        self._announcements = announcements
        self._wall_clock = wall_clock

    def version(self) -> object:
        """Return something new each time: there are few."""
        return object()

    def held(self) -> Mapping[tuple[str, float], Announcement]:
        """Return all that are told, by text and beginning: two nodes may have given two of them one number."""
        return {(one.text, one.since): one for one in self._announcements.current(self._wall_clock())}

    def subject(self, key: tuple[str, float]) -> str:
        """Return a mark of the text, and when it began."""
        text, since = key
        return f"{hashlib.blake2b(text.encode(), digest_size=_MARK_BYTES).hexdigest()} {since:.6f}"

    def word(self, value: Announcement, now: float, wall: float) -> Word:
        """Return what is told."""
        said = {"number": value.number, "text": value.text, "since": value.since, "until": value.until}
        return Word(said, value.until, value.until)

    async def take(self, event: Event, now: float, wall: float) -> tuple[tuple[str, float], Announcement | None]:
        """Tell it, or tell it no longer."""
        if event.said is None:
            return self._withdraw(event.subject, wall)
        said = event.said
        number, text, since, until = said.get("number"), said.get("text"), said.get("since"), said.get("until")
        if (
            not isinstance(text, str)
            or why_unfit(text)
            or not isinstance(number, int)
            or not is_moment(since)
            or not is_moment(until)
        ):
            raise NotTaken("is no announcement that could be made")
        told = self._announcements.take(Announcement(number, text, float(since), float(until)), wall)
        if told is None:
            raise NotTaken("finds no room: as many announcements are told as may be")
        return (told.text, told.since), told

    def _withdraw(self, subject: str, wall: float) -> tuple[tuple[str, float], None]:
        for key, one in self.held().items():
            if self.subject(key) == subject:
                self._announcements.withdraw(one.number, wall)
                return key, None
        return ("", 0.0), None

    async def settle(self, wall: float) -> None:
        """Do nothing: the pages are made anew every half minute."""
