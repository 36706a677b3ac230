"""Limits that were changed by hand: what holds over the file, until when, and that it ends.

They are written nowhere: a restart ends them, and reloads do not. Whoever reads the file again lays them over it.
"""

import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
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
    """As `config.overlay` spelled it when it was said."""
    value: float
    until: float
    """Monotonic instant of its end; infinite until a restart."""
    agreed: Agreed | None = None
    """Whoever runs the upstream has agreed to it: so it may be more than the file says, as long as that is the same."""
    group: str = ""
    """The group of upstreams whose budget it is; which of them comes first in the file, and gives `path` its name, may
    change."""


_Choose = Callable[[Mapping[str, OpenKey]], tuple[HandLimit, ...]]
"""Returns what is to be held, where these are the keys of the file."""


class HandLimits:
    """All of them. Their number is bounded by that of the keys that there are."""

    def __init__(self, change: Change, clock: Callable[[], float]) -> None:
        self._change = change
        self._clock = clock
        self._all: tuple[HandLimit, ...] = ()
        self._seen: tuple[Config, Mapping[str, OpenKey]] | None = None
        self.when_released: Callable[[str], None] = lambda _path: None
        """Called with the path of each limit that somebody has taken back."""

    def current(self) -> tuple[HandLimit, ...]:
        """Return those that hold, in the order in which they were set."""
        return self._all

    def keys_of_file(self, config: Config) -> Mapping[str, OpenKey]:
        """Return the keys as the file alone has them from which `config` was read. They are kept until there is another
        configuration: to read them takes milliseconds, and who looks at what is held by hand looks again and again."""
        if self._seen is None or self._seen[0] is not config:
            self._seen = config, open_keys(without_overlay(config))
        return self._seen[1]

    async def hold(self, limit: HandLimit) -> Changes:
        """Hold to a limit from now on, on open connections too. Raises ConfigError, and then nothing has changed."""
        return await self._have(lambda keys: (*_without(said_of(limit.path, self._all, keys), self._all), limit))

    async def release(self, path: str) -> Changes:
        """Let the file's value of a key that is held by hand hold again. Raises ConfigError, and then nothing has
        changed."""
        before = self._all
        changes = await self._have(lambda keys: _without(said_of(path, self._all, keys), self._all))
        for one in before:
            if one not in self._all:
                self.when_released(one.path)
        return changes

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
                for one in self._all
            ]
            raise ConfigError((*error.problems, *advice)) from None
        _log.warning("limits by hand hold over the file that was read", keys=[one.path for one in self._all])
        return found

    async def poll(self) -> None:
        """End those whose time is over; to be called once a second."""
        now = self._clock()
        before = self._all
        ended = [one for one in before if one.until <= now]
        if not ended:
            return
        try:
            await self._have(lambda _: _without(ended, self._all))
        except ConfigError:
            await self._end_what_does_not_fit(ended)
        _log.info("limits by hand are over, and what the file says holds again", keys=[one.path for one in ended])
        early = [one.path for one in before if one not in self._all and one not in ended]
        if early:
            _log.warning("limits by hand end before their time, as they do not fit what the file says", keys=early)

    async def _end_what_does_not_fit(self, ended: Sequence[HandLimit]) -> None:
        try:
            await self._have(lambda _: _without(ended, self._all), only_fitting=True)
        except ConfigError:
            # The file alone holds in any case: it has been taken before.
            await self._have(lambda _: ())

    async def _have(self, choose: _Choose, *, only_fitting: bool = False) -> Changes:
        """Hold to what is chosen; `only_fitting`: and to no more of it than fits the file."""
        wanted: tuple[HandLimit, ...] = ()

        def make(config: Config) -> Config:
            nonlocal wanted
            # Here and not before: another change may have been under way.
            of_file = without_overlay(config)
            wanted = choose(open_keys(of_file))
            if only_fitting:
                wanted = fitting(of_file, wanted)
            return lay_over(of_file, wanted)

        changes = await self._change(make)
        self._all = wanted
        return changes


def _without(some: Sequence[HandLimit], limits: Sequence[HandLimit]) -> tuple[HandLimit, ...]:
    return tuple(one for one in limits if one not in some)


def lay_over(config: Config, limits: Sequence[HandLimit]) -> Config:
    """Return what a file's configuration becomes with these over it; one that would let an upstream be asked more than
    the file says has no effect, unless it was agreed beyond what the file says. Raises ConfigError."""
    keys = open_keys(config)
    values = {}
    for one in limits:
        key, effect = key_of(one, keys), effect_of(one, keys)
        if key is not None and effect is not None:
            values[key.path] = effect
    return laid_over(config, values)


def fitting(config: Config, limits: Sequence[HandLimit]) -> tuple[HandLimit, ...]:
    """Return those that a file's configuration can bear, each beside those before it that are kept."""
    kept: tuple[HandLimit, ...] = ()
    for one in limits:
        try:
            lay_over(config, (*kept, one))
        except ConfigError:
            continue
        kept = (*kept, one)
    return kept


def key_of(limit: HandLimit, keys: Mapping[str, OpenKey]) -> OpenKey | None:
    """Return the key of the file, whose `keys` are given, of which a limit is said; None if there is none any more."""
    if limit.group:
        name = limit.path.rpartition(".")[2]
        for key in keys.values():
            if key.group == limit.group and key.path.rpartition(".")[2] == name:
                return key
    return keys.get(limit.path)


def said_of(path: str, limits: Sequence[HandLimit], keys: Mapping[str, OpenKey]) -> tuple[HandLimit, ...]:
    """Return what is said of a key, by whichever name of its group, and then or now."""
    places = keys[path].places if path in keys else ()
    found = [one for one in limits if places and (key := key_of(one, keys)) is not None and key.places == places]
    return tuple(found or [one for one in limits if one.path == path])


def effect_of(limit: HandLimit, keys: Mapping[str, OpenKey]) -> float | None:
    """Return what a limit makes of the file's value, whose `keys` are given; None if nothing, as the file has no such
    key any more, or a lower budget."""
    key = key_of(limit, keys)
    if key is None or (key.is_budget and limit.value > key.value and not _is_agreed(limit, key)):
        return None
    return limit.value


def _is_agreed(limit: HandLimit, key: OpenKey) -> bool:
    return limit.agreed is not None and limit.agreed.still_holds(key)


def seconds_left(limit: HandLimit, now: float) -> int | None:
    """Return how long it holds still, None if until a restart."""
    return None if math.isinf(limit.until) else max(0, math.ceil(limit.until - now))
