"""The list of public suffixes: the one installed with the program, or a file that is looked at now and then.

A file that is no such list, or holds much less than there is, changes nothing and is tried again when it changes. So a
download that broke off, or a page that says "not found", cannot take top-level domains away.
"""

import asyncio
import functools
import os
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib import resources
from pathlib import Path
from typing import Final

import structlog

from dohproxy.config import NamesConfig
from dohproxy.jobs.watched_files import WatchedFiles
from dohproxy.policy.names import NameRules
from dohproxy.policy.suffixes import BadList, PublicSuffixes, check_plausible, parse_suffixes
from dohproxy.regular_file import open_regular

MAX_FILE_BYTES: Final = 4_194_304
"""Longest file read: the list has 330 KiB, so this is another file."""
DAY_SECONDS: Final = 86_400

_log = structlog.get_logger("dohproxy.names")


class ListResult(StrEnum):
    """How an attempt to take another list ended; metric label."""

    LOADED = "loaded"
    UNREADABLE = "unreadable"
    UNUSABLE = "unusable"


@dataclass(frozen=True, slots=True)
class ListRefusal:
    """Why a file is not taken: a sentence for the operator."""

    result: ListResult
    sentence: str


@dataclass(frozen=True, slots=True)
class SuffixStatistics:
    """What the metrics show."""

    age_seconds: float
    max_age_seconds: float
    rules: int
    top_level_domains: int
    denies: bool
    """Whether names under top-level domains that are not in the list are denied."""
    reloads: Mapping[ListResult, int]
    last_succeeded: bool
    """Whether what lies on the disk is what is in use."""


@functools.cache
def installed_list() -> PublicSuffixes:
    """Return the list that the package publicsuffixlist brings."""
    data = resources.files("publicsuffixlist").joinpath("public_suffix_list.dat")
    # It says of when it is; one that did not would count as too old to deny anything.
    return parse_suffixes(data.read_text(encoding="utf-8"), last_changed=0.0)


def read_list(path: Path) -> PublicSuffixes | ListRefusal:
    """Read a file, or say why it is not to be used."""
    try:
        with open_regular(path) as file:
            content = file.read(MAX_FILE_BYTES + 1)
            last_changed = os.fstat(file.fileno()).st_mtime
    except OSError as error:
        return ListRefusal(ListResult.UNREADABLE, f"{path} cannot be read ({error.strerror})")
    if len(content) > MAX_FILE_BYTES:
        return ListRefusal(ListResult.UNUSABLE, f"{path} is longer than {MAX_FILE_BYTES} bytes, so hardly such a list")
    try:
        suffixes = parse_suffixes(content.decode(), last_changed=last_changed)
        check_plausible(suffixes)
    except UnicodeDecodeError:
        return ListRefusal(ListResult.UNUSABLE, f"{path} is not UTF-8 text")
    except BadList as error:
        return ListRefusal(ListResult.UNUSABLE, f"{path} {error}")
    return suffixes


@dataclass(frozen=True, slots=True)
class ReadSuffixes:
    """The list that a configuration's file held, for whoever adopts that."""

    suffixes: PublicSuffixes
    files: WatchedFiles
    """As they were looked at before the reading: what was written since is a change."""


class SuffixWatch:
    """Keeps the rules about names to the newest list, and from denying anything by an old one."""

    def __init__(self, config: NamesConfig, names: NameRules, now: float) -> None:
        """Take the file as it lies there, or the installed list if there is none to use; `now` is Unix seconds."""
        self._config = config
        self._names = names
        self._current = installed_list()
        self._results: Counter[ListResult] = Counter()
        self._has_succeeded = True
        self._was_recent = True
        self._files = _watched(config)
        if config.public_suffix_file is not None:
            states = self._files.look()
            self._take(read_list(config.public_suffix_file))
            self._files.has_read(states)
        self._settle(now)

    def adopt(self, config: NamesConfig, read: ReadSuffixes | None, now: float) -> None:
        """Take other rules and the list that their file holds, None if they name none, or the same and it was not read
        again; `now` is Unix seconds."""
        self._config = config
        if read is not None:
            self._files, self._current = read.files, read.suffixes
            self._has_succeeded = True
        elif config.public_suffix_file is None:
            self._files, self._current = WatchedFiles(), installed_list()
            self._has_succeeded = True
        self._settle(now)

    async def poll(self, now: float) -> None:
        """Take the file if it has changed and can be used; `now` is Unix seconds."""
        path, files = self._config.public_suffix_file, self._files
        if path is not None and files.is_due(now):
            states = files.look()
            # Some 70 ms, which is too long for everybody who waits.
            found = await asyncio.to_thread(read_list, path)
            files.has_read(states)
            if files is self._files:  # A reload may have come in between, and has a list of its own.
                self._take(found)
        self._settle(now)

    def statistics(self, now: float) -> SuffixStatistics:
        """Return the figures; `now` is Unix seconds."""
        return SuffixStatistics(
            age_seconds=self._age(now),
            max_age_seconds=self._config.max_list_age_days * DAY_SECONDS,
            rules=self._current.rules,
            top_level_domains=self._current.top_level_domains,
            denies=self._names.undelegated.may_deny and self._names.undelegated.switch.is_enforced,
            reloads={result: self._results[result] for result in ListResult},
            last_succeeded=self._has_succeeded,
        )

    def _take(self, found: PublicSuffixes | ListRefusal) -> None:
        self._has_succeeded = not isinstance(found, ListRefusal)
        if isinstance(found, ListRefusal):
            self._results[found.result] += 1
            _log.warning(
                "a list of public suffixes is refused, the old one stays",
                reason=found.result.value,
                why=found.sentence,
            )
            return
        self._results[ListResult.LOADED] += 1
        self._current = found
        _log.info("a list of public suffixes is in use", of=_day(found.published), rules=found.rules)

    def _settle(self, now: float) -> None:
        """Let everybody use the list that is current now, as far as its age allows."""
        is_recent = self._age(now) <= self._config.max_list_age_days * DAY_SECONDS
        self._names.use(self._current, may_deny=is_recent and self._config.answer_undelegated)
        if self._was_recent and not is_recent and self._config.answer_undelegated:
            _log.warning(
                "the list of public suffixes is too old to deny names by, so they go upstream",
                of=_day(self._current.published),
                most_days=self._config.max_list_age_days,
            )
        self._was_recent = is_recent

    def _age(self, now: float) -> float:
        # A clock that is behind makes the list no older.
        return max(0.0, now - self._current.published)


def _watched(config: NamesConfig) -> WatchedFiles:
    path = config.public_suffix_file
    return WatchedFiles() if path is None else WatchedFiles(path)


def _day(published: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(published))
