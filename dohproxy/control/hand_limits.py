"""Limits that were changed by hand: what holds over the file, until when, and that it ends.

They are written nowhere: a restart ends them, and reloads do not. Whoever reads the file again lays them over it.
"""

import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import structlog

from dohproxy.adoption import Changes
from dohproxy.config import Config, ConfigError, Problem
from dohproxy.config.keys import show
from dohproxy.config.overlay import OpenKey, laid_over, open_keys, without_overlay

Change = Callable[[Callable[[Config], Config]], Awaitable[Changes]]
"""Has what is made of the configuration that holds adopted, while nobody else has another one adopted. Raises
ConfigError, of what is made too."""

_log = structlog.get_logger("dohproxy.control")


@dataclass(frozen=True, slots=True)
class Agreed:
    """What the file said of a budget when whoever runs the upstream agreed to more: it was agreed beside that alone."""

    value: float
    addresses: frozenset[str]

    def still_holds(self, key: OpenKey) -> bool:
        """Tell whether the file says so still."""
        return (self.value, self.addresses) == (key.value, key.addresses)


@dataclass(frozen=True, slots=True)
class HandLimit:
    """One key's value by hand."""

    path: str
    """As `config.overlay` spells it."""
    value: float
    until: float
    """Monotonic instant of its end; infinite until a restart."""
    agreed: Agreed | None = None
    """Whoever runs the upstream has agreed to it: so it may be more than the file says, as long as that is the same."""


class HandLimits:
    """All of them. Their number is bounded by that of the keys that there are."""

    def __init__(self, change: Change, clock: Callable[[], float]) -> None:
        self._change = change
        self._clock = clock
        self._all: dict[str, HandLimit] = {}

    def current(self) -> tuple[HandLimit, ...]:
        """Return those that hold, in the order in which they were set."""
        return tuple(self._all.values())

    async def hold(self, limit: HandLimit) -> Changes:
        """Hold to a limit from now on, on open connections too. Raises ConfigError, and then nothing has changed."""
        return await self._have({limit.path: limit})

    async def release(self, path: str) -> Changes:
        """Let the file's value of a key that is held by hand hold again. Raises ConfigError, and then nothing has
        changed."""
        return await self._have({path: None})

    def over(self, config: Config) -> Config:
        """Return what a file's configuration becomes with all of these over it. Raises ConfigError."""
        if not self._all:
            return config
        try:
            found = lay_over(config, self._all)
        except ConfigError as error:
            # The file alone can be used, and whoever has just written it looks for the fault there.
            advice = [
                Problem(one.path, f"is held by hand at {show(one.value)}; to take that back: limit {one.path} --reset")
                for one in self._all.values()
            ]
            raise ConfigError((*error.problems, *advice)) from None
        _log.warning("limits by hand hold over the file that was read", keys=list(self._all))
        return found

    async def poll(self) -> None:
        """End those whose time is over; to be called once a second."""
        now = self._clock()
        ended = {one.path: None for one in self._all.values() if one.until <= now}
        if not ended:
            return
        before = self._all
        try:
            await self._have(ended)
        except ConfigError:
            await self._end_what_does_not_fit(ended)
        _log.info("limits by hand are over, and what the file says holds again", keys=list(ended))
        early = [path for path in before if path not in self._all and path not in ended]
        if early:
            _log.warning("limits by hand end before their time, as they do not fit what the file says", keys=early)

    async def _end_what_does_not_fit(self, ended: Mapping[str, None]) -> None:
        try:
            await self._have(ended, only_fitting=True)
        except ConfigError:
            # The file alone holds in any case: it has been taken before.
            await self._have(dict.fromkeys(self._all))

    async def _have(self, said: Mapping[str, HandLimit | None], *, only_fitting: bool = False) -> Changes:
        """Hold to what is said of these keys, None for nothing any more; `only_fitting`: and to no more of all that is
        held than fits the file."""
        wanted: dict[str, HandLimit] = {}

        def make(config: Config) -> Config:
            # Here and not before: another change may have been under way.
            of_file = without_overlay(config)
            all_of_them = {path: one for path, one in {**self._all, **said}.items() if one is not None}
            wanted.update(fitting(of_file, all_of_them) if only_fitting else all_of_them)
            return lay_over(of_file, wanted)

        changes = await self._change(make)
        self._all = wanted
        return changes


def lay_over(config: Config, limits: Mapping[str, HandLimit]) -> Config:
    """Return what a file's configuration becomes with these over it; one that would let an upstream be asked more than
    the file says has no effect, unless it was agreed beyond what the file says. Raises ConfigError."""
    keys = open_keys(config)
    return laid_over(
        config, {path: effect for path, one in limits.items() if (effect := effect_of(one, keys)) is not None}
    )


def fitting(config: Config, limits: Mapping[str, HandLimit]) -> dict[str, HandLimit]:
    """Return those that a file's configuration can bear, each beside those before it that are kept."""
    kept: dict[str, HandLimit] = {}
    for path, one in limits.items():
        tried = {**kept, path: one}
        try:
            lay_over(config, tried)
        except ConfigError:
            continue
        kept = tried
    return kept


def effect_of(limit: HandLimit, keys: Mapping[str, OpenKey]) -> float | None:
    """Return what a limit makes of the file's value, whose `keys` are given; None if nothing, as the file has no such
    key any more, or a lower budget."""
    key = keys.get(limit.path)
    if key is None or (key.is_budget and limit.value > key.value and not _is_agreed(limit, key)):
        return None
    return limit.value


def _is_agreed(limit: HandLimit, key: OpenKey) -> bool:
    return limit.agreed is not None and limit.agreed.still_holds(key)


def seconds_left(limit: HandLimit, now: float) -> int | None:
    """Return how long it holds still, None if until a restart."""
    return None if math.isinf(limit.until) else max(0, math.ceil(limit.until - now))
