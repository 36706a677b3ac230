"""The blocklists' files: loaded at the start, and again when they change.

A file that cannot be read or holds nothing changes nothing, and is tried again when it changes. A line that cannot be
used is told, and the rest of its file holds.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from dohproxy.config import BlocklistConfig, ConfigError, Problem
from dohproxy.config.schema import RuleMode
from dohproxy.jobs.blocklist_load import Unloadable, load_inline, load_list
from dohproxy.jobs.watched_files import WatchedFiles
from dohproxy.policy.blocklists.lists import Blocklist, Blocklists
from dohproxy.policy.blocklists.reading import LoadedNames
from dohproxy.policy.rule_switches import RuleSwitch

FILE_SECONDS: Final = 10.0
"""Between two looks at all files; a look is one system call a file."""
START_SECONDS: Final = 10.0
"""How long a start waits for the lists: a million names take half of it where nothing is compiled. What takes longer
goes on while everybody is served."""

_log = structlog.get_logger("dohproxy.blocklists")


@dataclass(frozen=True, slots=True)
class BlocklistStatistics:
    """What status, metrics and the command `blocks` show of one list."""

    name: str
    reason: str
    action: str
    text: str
    reference: str | None
    ends: str | None
    """The last day on which it holds."""
    is_over: bool
    file: str | None
    format: str | None
    names: int
    let_through: int
    """Names that the list itself excepts."""
    networks: int
    hits: int
    loaded_at: float
    """Unix seconds; 0.0 if its file never was."""
    bad_lines: int
    faults: tuple[str, ...]
    left_out: int
    held_bytes: int
    problem: str
    """Why its file is not what holds, as a predicate; "" if it is."""
    mode: RuleMode = "enforce"
    """Whether it acts, is only tried, or is off."""
    shadowed: int = 0
    """Questions about which it would have decided otherwise, since the start."""
    shadowed_since: int = 0
    """The same since `since`."""
    since: float = 0.0
    """Unix seconds from which on its mode holds."""


class _Watched:
    """One list of the configuration and what is known of its file."""

    def __init__(self, config: BlocklistConfig) -> None:
        self.config = config
        self.loaded = load_inline(config)
        self.files = WatchedFiles() if config.file is None else WatchedFiles(config.file)
        self.loaded_at = 0.0
        self.problem = "" if config.file is None else "is not read yet"
        self.in_force: Blocklist | None = None
        """What the walk asks; its hits go on when the list is read again."""

    @property
    def content(self) -> tuple[object, ...]:
        """What decides what it holds: two with the same hold the same."""
        one = self.config
        return one.file, one.format, one.names, one.below, one.networks

    async def load(self, now: float) -> None:
        """Read it again. Raises Unloadable, and then it is as it was but for its problem."""
        states = self.files.look()
        try:
            self.loaded = await load_list(self.config)
        except Unloadable as error:
            self.problem = str(error)
            self.files.has_read(states)
            raise
        self.problem, self.loaded_at = "", now
        self.files.has_read(states)

    def has_changed(self, now: float) -> bool:
        """Tell whether its file is another than was read last, or none was."""
        return self.config.file is not None and self.files.is_due(now)

    def make(self, now: float) -> Blocklist:
        """Return what the walk is to ask; `now` is Unix seconds."""
        before, mode = self.in_force, self.config.mode
        hits, switch = (0, RuleSwitch(mode, now)) if before is None else (before.hits, before.switch)
        switch.adopt(mode, now)
        self.in_force = Blocklist(self.config, self.loaded, hits, switch)
        return self.in_force

    def statistics(self, now: float) -> BlocklistStatistics:
        """Return the figures; `now` is Unix seconds."""
        config, loaded, current = self.config, self.loaded, self.in_force
        return BlocklistStatistics(
            name=config.name,
            reason=config.reason,
            action=config.action,
            text=config.public_text,
            reference=config.reference,
            ends=None if config.ends is None else config.ends.isoformat(),
            is_over=current is not None and now >= current.ends,
            mode=config.mode,
            shadowed=0 if current is None else current.switch.shadowed,
            shadowed_since=0 if current is None else current.switch.shadowed_since,
            since=0.0 if current is None else current.switch.since,
            file=None if config.file is None else str(config.file),
            format=None if loaded.written is None else loaded.written.value,
            names=loaded.names.names,
            let_through=loaded.excepted.names,
            networks=loaded.networks.networks,
            hits=0 if current is None else current.hits,
            loaded_at=self.loaded_at,
            bad_lines=loaded.bad_lines,
            faults=loaded.faults,
            left_out=loaded.left_out,
            held_bytes=loaded.held_bytes,
            problem=self.problem,
        )


class Prepared:
    """The lists of another configuration, read and not in force yet."""

    def __init__(self, watched: Sequence[_Watched]) -> None:
        self.watched = tuple(watched)


class BlocklistWatch:
    """Keeps the walk's blocklists to what their files hold."""

    def __init__(
        self,
        configs: Sequence[BlocklistConfig],
        blocklists: Blocklists,
        rules_changed: Callable[[], None],
        now: float,
    ) -> None:
        """Begin with the names in the configuration; files are for `poll`. `rules_changed` is called after each change;
        `now` is Unix seconds."""
        self._blocklists = blocklists
        self._rules_changed = rules_changed
        # A list that takes longer than the time between two looks is not read twice at once.
        self._polling = asyncio.Lock()
        self._watched: tuple[_Watched, ...] = tuple(_Watched(config) for config in configs)
        self._blocklists.adopt([one.make(now) for one in self._watched], now)

    async def prepare(self, configs: Sequence[BlocklistConfig], now: float) -> Prepared:
        """Read the lists of another configuration that are not in memory. Raises ConfigError."""
        have = {one.content: one for one in self._watched}
        prepared, problems = [], []
        for number, config in enumerate(configs, start=1):
            wanted = _Watched(config)
            known = have.get(wanted.content)
            if known is not None:
                # A look under way goes on with the other's files: what it reads is not what is held to here.
                wanted.loaded, wanted.files = known.loaded, known.files.copy()
                wanted.loaded_at, wanted.problem = known.loaded_at, known.problem
            elif config.file is not None:
                try:
                    await wanted.load(now)
                except Unloadable as error:
                    problems.append(Problem(f"blocklist #{number}.file", f"names {config.file}, which {error}."))
            prepared.append(wanted)
        if problems:
            raise ConfigError(tuple(problems))
        return Prepared(prepared)

    def adopt(self, prepared: Prepared, now: float) -> None:
        """Hold to the lists of another configuration; a list of the same name goes on counting its hits. The rules'
        version is raised by whoever adopts the rest."""
        before = {one.config.name: one.in_force for one in self._watched}
        for one in prepared.watched:
            one.in_force = before.get(one.config.name)
        self._watched = prepared.watched
        self._blocklists.adopt([one.make(now) for one in self._watched], now)

    async def poll(self, now: float) -> None:
        """Take each file that has changed and can be used; `now` is Unix seconds."""
        async with self._polling:
            for one in self._watched:
                if one.has_changed(now):
                    await self._load(one, now)

    async def _load(self, one: _Watched, now: float) -> None:
        try:
            await one.load(now)
        except Unloadable as error:
            _log.warning(
                "a blocklist is refused, what it held before holds",
                blocklist=one.config.name,
                why=f"{one.config.file} {error}",
            )
            return
        _tell(one.config.name, one.loaded)
        if one in self._watched:  # A reload may have come in between, and has lists of its own.
            self._put(now)

    async def begin(self, now: float, loaded: asyncio.Event) -> None:
        """Load all lists for the first time, then set `loaded`; a bug is logged, and the next `poll` looks again."""
        try:
            await self.poll(now)
        except Exception:
            _log.exception("the first look at blocklists met a bug")
        finally:
            loaded.set()

    def tick(self, now: float) -> None:
        """Let go what is over; `now` is Unix seconds."""
        if self._blocklists.expire(now):
            self._rules_changed()

    def statistics(self, now: float) -> list[BlocklistStatistics]:
        """Return the figures; `now` is Unix seconds."""
        return [one.statistics(now) for one in self._watched]

    def _put(self, now: float) -> None:
        self._blocklists.adopt([one.make(now) for one in self._watched], now)
        self._rules_changed()


def _tell(name: str, loaded: LoadedNames) -> None:
    written = None if loaded.written is None else loaded.written.value
    _log.info("a blocklist is in use", blocklist=name, names=loaded.names.names, format=written)
    if loaded.bad_lines:
        _log.warning(
            "some lines of a blocklist cannot be used, the rest holds",
            blocklist=name,
            lines=loaded.bad_lines,
            first=list(loaded.told),
            remedy="`dohproxy blocks` shows what stands there",
        )
