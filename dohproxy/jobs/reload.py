"""Reading the configuration again: what has to be read with it, and what became of each attempt."""

import asyncio
from dataclasses import dataclass, replace

import structlog

from dohproxy.adoption import Changes
from dohproxy.config import ConfigError, NamesConfig, Problem
from dohproxy.jobs.suffix_watch import ListRefusal, ReadSuffixes, read_list
from dohproxy.jobs.watched_files import WatchedFiles

_log = structlog.get_logger("dohproxy.reload")


@dataclass(frozen=True, slots=True)
class ReloadStatistics:
    """What became of the attempts since the start."""

    taken: int
    refused: int
    last_succeeded: bool
    """Whether what the file held at the last attempt is what holds now; True before the first."""
    in_force_since: float
    """When the configuration that holds was read, in Unix time."""
    waiting: tuple[str, ...]
    """Keys that differ from the file until the service is started again."""
    file_hash: int = 0
    """Of the file that holds, as `Config.file_hash` has it."""


class ReloadBook:
    """Keeps count, and tells the log."""

    def __init__(self, now: float, file_hash: int = 0) -> None:
        """`now` is Unix seconds; `file_hash` is that of the configuration that holds from the start."""
        self._statistics = ReloadStatistics(0, 0, True, now, (), file_hash)

    def statistics(self) -> ReloadStatistics:
        """Return the figures."""
        return self._statistics

    def take(self, changes: Changes, now: float) -> None:
        """Note that a configuration has been adopted; `now` is Unix seconds."""
        before = self._statistics
        self._statistics = ReloadStatistics(
            before.taken + 1, before.refused, True, now, changes.waiting, changes.config.file_hash
        )
        _log.info("the configuration has been read again", changed=list(changes.changed))
        if changes.waiting:
            _log.warning("some changes have to wait for a restart", keys=list(changes.waiting))

    def refuse(self, error: ConfigError) -> None:
        """Note that a configuration was not adopted, and why."""
        before = self._statistics
        self._statistics = replace(before, refused=before.refused + 1, last_succeeded=False)
        _log.error(
            "the configuration is refused and nothing has changed",
            problems=[str(one) for one in error.problems],
        )


async def read_suffixes(config: NamesConfig) -> ReadSuffixes | None:
    """Return the list of public suffixes that a configuration names, None if none. Raises ConfigError."""
    if config.public_suffix_file is None:
        return None
    files = WatchedFiles(config.public_suffix_file)
    states = files.look()
    # Some 70 ms, which is too long for everybody who waits.
    found = await asyncio.to_thread(read_list, config.public_suffix_file)
    if isinstance(found, ListRefusal):
        raise ConfigError((Problem("names.public_suffix_file", f"is refused: {found.sentence}"),))
    files.has_read(states)
    return ReadSuffixes(found, files)
