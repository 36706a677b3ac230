"""The file of members: looked at every second, and replaced whole by the commands that add and revoke.

A file that is no such list changes nothing and is tried again when it changes: nobody loses his access because somebody
has mistyped. Who starts with one serves without members, which is told, rather than not at all.
"""

import asyncio
import math
import os
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

import structlog

from dohproxy.config import ConfigError, Problem
from dohproxy.jobs.atomic_file import AtomicFile, ForeignFile, read_own_file, reason_of
from dohproxy.jobs.watched_files import NO_FILE, WatchedFiles
from dohproxy.policy.members import MOST_BYTES, BadMembers, Members, decode, encode

POLL_SECONDS: Final = 1.0
"""Between two looks at the file: who is revoked is out within so long, also where the file was changed by hand."""

_log = structlog.get_logger("dohproxy.members")


class MemberFileResult(StrEnum):
    """How an attempt to read the file ended; metric label."""

    LOADED = "loaded"
    UNREADABLE = "unreadable"
    UNUSABLE = "unusable"


@dataclass(frozen=True, slots=True)
class MemberRefusal:
    """Why a file is not taken: a sentence for the operator."""

    result: MemberFileResult
    sentence: str


@dataclass(frozen=True, slots=True)
class MemberFileStatistics:
    """The members who have a token, at one instant."""

    listed: int
    valid: int
    """Those among them whose token has not expired."""
    reads: Mapping[MemberFileResult, int]
    last_succeeded: bool
    """Whether what lies on the disk is what is in use."""


class NotWritten(Exception):
    """The file could not be replaced, and nothing has changed; the text is a sentence for the operator."""


def read_members(path: Path) -> Members | MemberRefusal:
    """Return the list in a file, an empty one if there is no file, or why it is not to be used. Blocks."""
    try:
        return decode(read_own_file(path, MOST_BYTES + 1))
    except FileNotFoundError:
        return Members()
    except ForeignFile as fault:
        return MemberRefusal(MemberFileResult.UNUSABLE, f"{path} {fault}: only the service's user may write to it.")
    except OSError as error:
        sentence = f"{path} cannot be read ({reason_of(error)}): it must be a file of the service's user."
        return MemberRefusal(MemberFileResult.UNREADABLE, sentence)
    except BadMembers as fault:
        return MemberRefusal(MemberFileResult.UNUSABLE, f"{path} {fault}.")


def write_members(path: Path, members: Members) -> None:
    """Put another list in the file's place. It belongs to whom the one before belonged to, or else its directory: so
    it may be written by root for a service that is not running. Blocks; raises NotWritten."""
    file = AtomicFile(path)
    try:
        file.open()
        file.write(encode(members))
        if os.geteuid() == 0:
            place = path if path.exists() else path.parent
            owner = place.stat()
            file.give_to(owner.st_uid, owner.st_gid)
        file.commit()
    except OSError as error:
        raise NotWritten(
            f"{path} cannot be written ({reason_of(error)}), so nothing has changed: its directory must be there and"
            " belong to the service's user."
        ) from None
    finally:
        file.discard()


class MemberFile:
    """Keeps whose tokens are valid to what the file says, and the file to what the commands say."""

    def __init__(self, path: Path | None, use: Callable[[frozenset[bytes]], None]) -> None:
        """Without a `path` there are no members. `use` is told the digests of all valid tokens each time that these
        change."""
        self.path = path
        self._use = use
        self.members = Members()
        self._files = _watched(path)
        self._valid: frozenset[bytes] = frozenset()
        self._next_expiry = math.inf
        self._refused: MemberRefusal | None = None
        self._results: Counter[MemberFileResult] = Counter()
        self.when_revoked: Callable[[str], None] = lambda _name: None
        """Called with the name of each whom `change` leaves out."""
        # A command and the look of every second may come at once.
        self._busy = asyncio.Lock()

    async def prepare(self, path: Path | None) -> Members:
        """Return who is a member by the file of another configuration. Raises ConfigError."""
        if path == self.path:
            return self.members
        found = Members() if path is None else await asyncio.to_thread(read_members, path)
        if isinstance(found, MemberRefusal):
            raise ConfigError((Problem("clients.member_file", f"is refused: {found.sentence}"),))
        return found

    async def adopt(self, path: Path | None, members: Members, now: float) -> None:
        """Keep to the file of another configuration, from which `prepare` has read these members."""
        async with self._busy:
            if path != self.path:
                self.path, self._files, self._refused = path, _watched(path), None
                self._take(members, now)

    async def poll(self, now: float) -> None:
        """Take the file if it has changed and can be used, and let go whose time is over; `now` is Unix seconds."""
        async with self._busy:
            if self.path is not None:
                await self._read(self.path, now)

    async def change(self, make: Callable[[Members], Members], now: float) -> None:
        """Write what `make` makes of the list as it is now, and hold to it. Raises NotWritten, and what `make` raises;
        then nothing has changed."""
        async with self._busy:
            path = self.path
            if path is None:
                raise NotWritten("The configuration has just been left without a file of members.")
            await self._read(path, now)
            if self._refused is not None:
                raise NotWritten(f"{self._refused.sentence} Put it right, or delete it, first.")
            wanted = await asyncio.to_thread(make, self.members)
            await asyncio.to_thread(write_members, path, wanted)
            # What somebody has written over it within this moment is read with the next look.
            self._files.has_read(self._files.look())
            gone = [member.name for member in self.members.all() if wanted.find(member.name) is None]
            self._take(wanted, now)
        for name in gone:
            self.when_revoked(name)

    @property
    def refusal(self) -> str:
        """Why the file as it lies on the disk is not in use, in a sentence; "" if it is."""
        return "" if self._refused is None else self._refused.sentence

    def statistics(self) -> MemberFileStatistics:
        """Return the figures."""
        return MemberFileStatistics(
            listed=len(self.members),
            valid=len(self._valid),
            reads={result: self._results[result] for result in MemberFileResult},
            last_succeeded=self._refused is None,
        )

    async def _read(self, path: Path, now: float) -> None:
        if self._files.is_due(now):
            states = self._files.look()
            # A thousand members are some milliseconds, which is too long for everybody who waits.
            found = await asyncio.to_thread(read_members, path)
            self._files.has_read(states)
            if isinstance(found, Members):
                self._refused = None
                self._results[MemberFileResult.LOADED] += 1
                self._take(found, now)
                _log.info("a list of members is in use", members=len(found))
                return
            self._refused = found
            self._results[found.result] += 1
            _log.warning("a list of members is refused, the old one stays", why=found.sentence)
        if now >= self._next_expiry:
            self._take(self.members, now)

    def _take(self, members: Members, now: float) -> None:
        self.members = members
        self._next_expiry = members.next_expiry(now)
        valid = members.valid(now)
        if valid != self._valid:
            self._valid = valid
            self._use(valid)


def _watched(path: Path | None) -> WatchedFiles:
    """Return the watch over a file of which it is no news that it is not there."""
    files = WatchedFiles() if path is None else WatchedFiles(path)
    files.has_read(NO_FILE)
    return files
