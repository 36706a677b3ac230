"""What was said of names by hand, kept in a file of the state directory across restarts.

Names stand there in clear, as an operator has typed them and not as anybody has asked for them; the file is for the
service's user alone.
"""

import asyncio
import contextlib
import json
import math
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import Any, Final

import structlog

from dohproxy.config.addresses import Unusable, parse_host_name
from dohproxy.config.blocklist_values import parse_public_text
from dohproxy.jobs.atomic_file import AtomicFile, ForeignFile, read_own_file, reason_of
from dohproxy.jobs.turns import in_turns
from dohproxy.policy.blocklists.by_hand import MOST_ENTRIES, ByHand, HandEntry
from dohproxy.policy.blocklists.lists import Blocklists
from dohproxy.wire.name import from_text, labels

NAME: Final = "blocks.json"
MOST_BYTES: Final = 8_388_608
"""MOST_ENTRIES with the longest names and texts take half of it."""
STEP_ENTRIES: Final = 64
"""Entries that are written between two steps: some 0.3 ms."""
_HERE: Final = Path()

_log = structlog.get_logger("dohproxy.blocklists")


class UnreadableBlocks(Exception):
    """The file is not one that was written here; the message is a predicate."""


class HandBlocks:
    """What was said by hand: changed here, and kept in its file where there is a state directory."""

    def __init__(self, directory: Path | None, blocklists: Blocklists, rules_changed: Callable[[], None]) -> None:
        """`rules_changed` is called after each change."""
        self._path = None if directory is None else directory / NAME
        self._blocklists = blocklists
        self._rules_changed = rules_changed
        self._saved = 0
        """Of `ByHand.changes`, as far as they are in the file."""
        self._writing = asyncio.Lock()
        """A command and the job that tries again would write the same file at once."""
        self.problem = ""
        """Why the last write came to nothing, in the system's words; "" if it did not."""

    @property
    def is_kept(self) -> bool:
        """Whether there is a directory for the file."""
        return self._path is not None

    @property
    def entries(self) -> ByHand:
        """All entries."""
        return self._blocklists.by_hand

    def load(self, now: float) -> None:
        """Go on with what the file holds at `now`, in Unix seconds, but for what is over. Blocks for some ms."""
        for entry in self._read():
            self.entries.put(entry)
        self._saved = self.entries.changes
        self.entries.expire(now)
        self._blocklists.changed_by_hand(now)

    async def export(self) -> str:
        """Return all entries for another process."""
        return (await in_turns(encode(list(self.entries)))).decode()

    def go_on(self, exported: str, now: float) -> None:
        """Take what another process has exported; what is unfit of it is left out whole."""
        with contextlib.suppress(UnreadableBlocks):
            for entry in decode(exported.encode()):
                self.entries.put(entry)
        self.entries.expire(now)
        self._blocklists.changed_by_hand(now)

    async def put(self, entry: HandEntry, now: float) -> bool:
        """Hold to an entry from now on; False if there is no room for it. `now` is Unix seconds."""
        if not self.entries.put(entry):
            return False
        await self._changed(now)
        return True

    async def remove(self, name: bytes, now: float) -> bool:
        """Forget what was said of a name; False if nothing was. `now` is Unix seconds."""
        if not self.entries.remove(name):
            return False
        await self._changed(now)
        return True

    async def _changed(self, now: float) -> None:
        self.changed_elsewhere(now)
        await self.keep()

    def changed_elsewhere(self, now: float) -> None:
        """Hold to what somebody else has put into the entries; it is written with the next `keep`. `now` is Unix
        seconds."""
        self._blocklists.changed_by_hand(now)
        self._rules_changed()

    async def keep(self) -> None:
        """Write what has changed since it was written last; what is over is in the file no longer than until then."""
        async with self._writing:
            await self._keep()

    async def _keep(self) -> None:
        changes = self.entries.changes
        if self._path is None or changes == self._saved:
            return
        try:
            await asyncio.to_thread(_write, self._path, await in_turns(encode(list(self.entries))))
        except OSError as error:
            if self.problem != reason_of(error):  # It is tried again every second.
                self.problem = reason_of(error)
                _log.error("the blocks by hand are not saved", file=str(self._path), why=self.problem)
            return
        self.problem, self._saved = "", changes

    def _read(self) -> list[HandEntry]:
        if self._path is None:
            return []
        try:
            return decode(read_own_file(self._path, MOST_BYTES + 1, is_secret=True))
        except FileNotFoundError:
            return []
        except OSError as error:
            _log.error("the blocks by hand cannot be read", file=str(self._path), why=reason_of(error))
        except (ForeignFile, UnreadableBlocks) as fault:
            _put_aside(self._path, str(fault))
        return []


def _write(path: Path, content: bytes) -> None:
    file = AtomicFile(path)
    try:
        file.open()
        file.write(content)
        file.commit()
    finally:
        file.discard()


def _put_aside(path: Path, fault: str) -> None:
    """Rename a file that is no good, so that it is not written over."""
    aside = path.with_name(f"{path.name}.unread")
    kept_as = str(aside)
    try:
        path.replace(aside)
    except OSError as error:
        kept_as = f"nothing ({reason_of(error)})"
    _log.error("the blocks by hand are left unread, none of them holds", why=f"{path} {fault}", kept_as=kept_as)


def encode(entries: Sequence[HandEntry]) -> Generator[None, None, bytes]:
    """Return the content of a file, a line an entry; in steps, as MOST_ENTRIES are 40 ms of work."""
    lines = []
    for number, entry in enumerate(entries, start=1):
        lines.append(json.dumps(_plain(entry), ensure_ascii=False).encode())
        if number % STEP_ENTRIES == 0:
            yield
    return b"[\n" + b",\n".join(lines) + b"\n]\n"


def decode(content: bytes) -> list[HandEntry]:
    """Return the entries of a file. Raises UnreadableBlocks."""
    if len(content) > MOST_BYTES:
        raise UnreadableBlocks(f"is longer than {MOST_BYTES} bytes")
    try:
        found = json.loads(content)
        if not isinstance(found, list) or len(found) > MOST_ENTRIES:
            raise UnreadableBlocks(f"is no list of at most {MOST_ENTRIES} entries")
        return [_entry(one) for one in found]
    except (ValueError, KeyError, TypeError, RecursionError):  # Unusable is a ValueError.
        raise UnreadableBlocks("does not hold what is written here") from None


def name_of(entry: HandEntry) -> str:
    """Return an entry's name as an operator types it."""
    return b".".join(labels(entry.name)).decode("ascii")


def _plain(entry: HandEntry) -> dict[str, Any]:
    return {
        "name": name_of(entry),
        "is": "blocked" if entry.is_block else "allowed",
        "below": entry.below,
        "until": None if math.isinf(entry.until) else entry.until,
        "text": entry.text,
    }


def _entry(plain: Any) -> HandEntry:
    name, until, below = plain["name"], plain["until"], plain["below"]
    if not isinstance(name, str) or plain["is"] not in ("blocked", "allowed") or not isinstance(below, bool):
        raise Unusable("is no entry")
    if not isinstance(plain["text"], str):
        raise Unusable("has a text that is none")
    if until is not None and (isinstance(until, bool) or not 0 <= until <= 1e11):
        raise Unusable("is no moment")
    return HandEntry(
        from_text(parse_host_name(name)),
        plain["is"] == "blocked",
        below,
        math.inf if until is None else float(until),
        parse_public_text(plain["text"], _HERE),
    )
