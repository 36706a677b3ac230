"""What of a restored service can be opened: members, blocks, state, hours, cache, read as the service reads them.

Everything here blocks. A file that cannot be opened is told and not refused: the service does without it, and all else
is worth being restored.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from dohproxy.cache.snapshot import DamagedSnapshot, read_snapshot
from dohproxy.config import Config
from dohproxy.jobs import blocks_file
from dohproxy.jobs.hour_file import UnreadableHours, read_hours
from dohproxy.jobs.member_file import read_members
from dohproxy.jobs.state_codec import UnreadableState, decode
from dohproxy.jobs.state_key import KEY_BYTES, StateKey
from dohproxy.policy.members import Members
from dohproxy.tools.backup.contents import BLOCKS, HOURS, MEMBERS, SNAPSHOT, STATE, STATE_KEY, contents

_NO_KEY: Final = "cannot be opened, as its key is not there: the restored service begins without"
_NEVER: Final = 1e11
"""Unix seconds, in 3,000 years: after every hour that there is."""


def opened(config: Config, now: float) -> Iterator[tuple[bool, str]]:
    """Yield for each file of the service's own that is there whether it can be opened, and a sentence. `now` in Unix
    seconds."""
    there = {item.key: item.place for item in contents(Path(), config) if item.place.exists()}
    if MEMBERS in there:
        yield _members(there[MEMBERS], now)
    for key, look in _LOOKS.items():
        if key in there:
            yield look(there[key], there.get(STATE_KEY))


def _members(path: Path, now: float) -> tuple[bool, str]:
    found = read_members(path)
    if not isinstance(found, Members):
        return False, f"The list of members cannot be opened: {found.sentence}"
    valid = len(found.valid(now))
    return True, f"The list of members: {len(found)}, of whom {valid} may ask."


def _blocks(path: Path, _: Path | None) -> tuple[bool, str]:
    try:
        return True, f"Blocked or let through by hand: {len(blocks_file.decode(path.read_bytes()))} names."
    except blocks_file.UnreadableBlocks as fault:
        return False, f"What was blocked by hand {fault}."


def _state(path: Path, key: Path | None) -> tuple[bool, str]:
    secret = b"" if key is None else key.read_bytes()
    if len(secret) != KEY_BYTES:
        return False, f"The state {_NO_KEY}."
    try:
        state = decode(path.read_bytes(), StateKey(secret))
    except UnreadableState as fault:
        return False, f"The state {fault}."
    saved = datetime.fromtimestamp(state.saved_at, UTC).isoformat(" ", "minutes").removesuffix("+00:00")
    used = sum(table.used for table in state.tables.values())
    return True, f"The state of {saved} UTC: {used} networks that have been here for some time."


def _hours(path: Path, _: Path | None) -> tuple[bool, str]:
    try:
        return True, f"The sums of {len(read_hours(path, 0, _NEVER))} hours."
    except (UnreadableHours, OSError) as fault:
        return False, f"The file of hours {fault}."


def _snapshot(path: Path, _: Path | None) -> tuple[bool, str]:
    try:
        return True, f"The cache: {sum(1 for _ in read_snapshot(path.read_bytes()))} answers."
    except DamagedSnapshot as fault:
        return False, f"The cache {fault}."


_LOOKS: Final[dict[str, Callable[[Path, Path | None], tuple[bool, str]]]] = {
    BLOCKS: _blocks,
    STATE: _state,
    HOURS: _hours,
    SNAPSHOT: _snapshot,
}
