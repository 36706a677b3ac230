"""The command `limit`: another value for a number of the configuration, for a while and written nowhere."""

import math
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Protocol

from dohproxy.adoption import FROM_START, Changes, values_of
from dohproxy.config import Config, ConfigError
from dohproxy.config.addresses import Unusable
from dohproxy.config.effective import Effective, effective
from dohproxy.config.fit import fit_warnings
from dohproxy.config.keys import Switch, Text, find_nearest, show
from dohproxy.config.overlay import BUDGET_KEYS, OPEN_SECTIONS, OpenKey, open_keys, without_overlay
from dohproxy.control.command import Argument, Refused, Result, WrongArguments
from dohproxy.control.durations import duration, moment
from dohproxy.control.hand_limits import Agreed, HandLimit, HandLimits, effect_of, key_of, said_of, seconds_left
from dohproxy.durations import in_words

UNTIL_RESTART: Final = "until it is taken back or the service is started again; it is written nowhere"


def parse_value(text: str, _: Path) -> float:
    """Read a number as the file has it."""
    if re.fullmatch(r"-?[0-9][0-9_]{0,18}", text):
        return int(text)
    if re.fullmatch(r"-?[0-9]{1,18}\.[0-9]{1,18}", text):
        return float(text)
    raise Unusable("is no number; write it as in the file: 20, or 0.5.")


def parse_key(text: str, _: Path) -> str:
    """Read a key's path; whether there is such a one is seen later."""
    if len(text) > 200:
        raise Unusable("is longer than any key.")
    return text


ARGUMENTS: Final = (
    Argument(
        "key",
        Text(parse_key, "a key", "limits.requests_burst", "As in the file: limits.misses_burst, upstream.NAME.burst."),
        completes="limits",
    ),
    Argument("value", Text(parse_value, "a number", "20", "What it is to be; without it, what it is now is told.")),
    Argument("for", duration("How long: 30m, 2h; until a restart if it is not said."), is_option=True),
    Argument("reset", Switch("Back to what the file says, at once."), is_option=True, default=False),
    Argument(
        "yes",
        Switch("Whoever runs the upstream has agreed to more than the file says."),
        is_option=True,
        default=False,
    ),
)  # fmt: skip


class HasLimits(Protocol):
    """A service whose limits can be changed while it runs."""

    config: Config
    hand_limits: HandLimits

    def waiting(self) -> Sequence[str]:
        """Return the keys that differ from the file until a restart."""


async def limit(service: HasLimits, values: Mapping[str, Any]) -> Result:
    """Hold to another value, take it back, or tell what is held by hand."""
    path, value = values["key"], values["value"]
    if path is None:
        if value is not None or values["for"] is not None or values["reset"]:
            raise WrongArguments("KEY is missing: limit limits.requests_per_second 10 --for 30m")
        return _list(service)
    held = service.hand_limits.current()
    key = _find(path, open_keys(service.config), held)
    if values["reset"]:
        if value is not None or values["for"] is not None:
            raise WrongArguments("reset takes a value by hand back: give it neither VALUE nor --for.")
        return await _reset(service, key, held)
    if value is None:
        if values["for"] is not None:
            raise WrongArguments(f"VALUE is missing: limit {key} 10 --for 30m")
        return _tell(service, key)
    return await _hold(service, key, values)


# --- Changing ---


async def _hold(service: HasLimits, path: str, values: Mapping[str, Any]) -> Result:
    value, seconds = values["value"], values["for"]
    before, of_file = service.config, service.hand_limits.keys_of_file(service.config)
    key = of_file.get(path)
    if key is None:
        raise Refused(f"{path} stands in the file no longer; take back what was said of it: limit {path} --reset")
    if key.is_budget and value > key.value and not values["yes"]:
        raise Refused(_no_more(key, value))
    until = math.inf if seconds is None else time.monotonic() + seconds
    agreed = Agreed(key.value, key.addresses) if key.is_budget and value > key.value else None
    try:
        changes = await service.hand_limits.hold(HandLimit(path, value, until, agreed, key.group))
    except ConfigError as error:
        told = [str(problem) for problem in error.problems]
        if any(problem.path == path for problem in error.problems):
            raise WrongArguments("\n".join(told)) from None
        raise Refused(f"{path} cannot be {show(value)}, and nothing has changed:", told) from None
    said = lasts(until, time.monotonic())
    sentence = f"{path} is {show(value)} {said}" + ("." if seconds is None else f"; then {show(key.value)} again.")
    figures = {"key": path, "value": value, "seconds": seconds, "before": key.value}
    lines = list(_also(before, service.config, changes, key))
    held_to = open_keys(service.config)[path].value
    if held_to != value:
        lines.append(f"mind: it is held to {show(held_to)}, as this process may open no more files")
    return Result(sentence, figures, lines)


async def _reset(service: HasLimits, path: str, held: Sequence[HandLimit]) -> Result:
    if not said_of(path, held, open_keys(service.config)):
        raise Refused(f"{path} is not held by hand; it is as the file says.")
    before = service.config
    try:
        changes = await service.hand_limits.release(path)
    except ConfigError as error:
        told = [str(problem) for problem in error.problems]
        raise Refused(f"{path} cannot be as the file says beside what else is held by hand:", told) from None
    key = open_keys(service.config).get(path)
    now = "is forgotten, as the file has no such key any more" if key is None else f"is {show(key.value)} again"
    figures = {"key": path, "value": None if key is None else key.value}
    return Result(f"{path} {now}.", figures, list(_also(before, service.config, changes, key)))


def _no_more(key: OpenKey, value: float) -> str:
    return (
        f"{key.path} is {show(key.value)}, and {show(value)} is more: an upstream bans who asks more than it allows,"
        " and then nobody here is answered. If the people who run it have agreed to that, say so:"
        f" limit {key.path} {show(value)} --yes"
    )


def _also(before: Config, after: Config, changes: Changes, key: OpenKey | None) -> Iterator[str]:
    """Yield what else changes with a key, and what does not fit any more."""
    own = {_as_changed(before, place) for place in key.places} if key is not None else set()
    values = values_of(after)
    for path in changes.changed:
        if path not in own:
            yield f"with it: {path} is {show(values.get(path))}"
    known = {str(warning) for warning in fit_warnings(before)}
    for warning in fit_warnings(after):
        if str(warning) not in known:
            yield f"mind: {warning}"


def _as_changed(config: Config, place: str) -> str:
    """Return a key as `Changes` names it: an upstream's by its name."""
    section, _, name = place.partition(".")
    section, _, number = section.partition(" #")
    return f"{section}.{config.upstreams[int(number) - 1].name}.{name}" if number else place


# --- Telling ---


def _find(path: str, keys: Mapping[str, OpenKey], held: Sequence[HandLimit]) -> str:
    """Return the key that is meant. Raises WrongArguments, or Refused for one that waits for a restart."""
    found = keys.get(path)
    if found is not None and path in FROM_START:
        raise Refused(f"{path} holds from the start of the process to its end: write it into the file, and restart.")
    if found is not None:
        return found.path
    if any(one.path == path for one in held):
        return path
    possible = [one for one in keys if one not in FROM_START]
    nearest = find_nearest(path, possible)
    if nearest is not None:
        raise WrongArguments(f"{show(path)} is no key that can be changed by hand; did you mean {nearest}?")
    section = path.partition(".")[0]
    of_section = [one for one in possible if one.partition(".")[0] == section]
    told = of_section or [
        f"every number of {', '.join(f'[{name}]' for name in OPEN_SECTIONS)}",
        *(f"upstream.NAME.{name}" for name in BUDGET_KEYS),
    ]
    raise WrongArguments(f"{show(path)} is no key that can be changed by hand; there are {', '.join(told)}.")


def _tell(service: HasLimits, path: str) -> Result:
    key = open_keys(service.config)[path]
    (found, *_) = (one for one in shown(service) if one.path in key.places)
    sentence = f"{path} is {show(key.value)} ({found.origin}); it may be {key.declared.allowed()}."
    return Result(sentence, {"key": path, "value": key.value, "origin": found.origin}, [key.declared.why])


def _list(service: HasLimits) -> Result:
    held = service.hand_limits.current()
    count = {0: "No limit is held by hand.", 1: "1 limit is held by hand."}.get(
        len(held), f"{len(held)} limits are held by hand."
    )
    told = held_limits(service)
    return Result(count, {"limits": [plain(one) for one in told]}, [one.words for one in told])


@dataclass(frozen=True, slots=True)
class Held:
    """One limit by hand beside what the file says."""

    limit: HandLimit
    """By the name that its key has now."""
    in_file: float | None
    """None: the file has no such key any more."""
    has_effect: bool
    words: str
    """For people."""
    seconds_left: int | None


def held_limits(service: HasLimits) -> list[Held]:
    """Return what is held by hand."""
    held = service.hand_limits.current()
    if not held:
        return []
    now, keys = time.monotonic(), service.hand_limits.keys_of_file(service.config)
    return [_beside_file(one, keys, now) for one in held]


def _beside_file(limit: HandLimit, keys: Mapping[str, OpenKey], now: float) -> Held:
    key, has_effect = key_of(limit, keys), effect_of(limit, keys) is not None
    limit = limit if key is None else replace(limit, path=key.path)
    in_file = None if key is None else key.value
    if in_file is None:
        file = "of no effect: the file has no such key any more"
    elif not has_effect and limit.agreed is not None:
        file = (
            f"of no effect: it was agreed when the file said {show(limit.agreed.value)}, and where the upstream was"
            f" then; it says {show(in_file)} now: confirm it anew with --yes"
        )
    elif not has_effect:
        file = f"of no effect: the file says {show(in_file)}, and an upstream is asked no more than that"
    else:
        file = f"the file says {show(in_file)}"
    words = f"limit {limit.path} = {show(limit.value)}, {lasts(limit.until, now)} ({file})"
    return Held(limit, in_file, has_effect, words, seconds_left(limit, now))


def plain(held: Held) -> dict[str, Any]:
    """Return the same ready for JSON."""
    return {
        "key": held.limit.path,
        "value": held.limit.value,
        "seconds_left": held.seconds_left,
        "in_file": held.in_file,
        "has_effect": held.has_effect,
    }


def lasts(until: float, now: float) -> str:
    """Return how long something holds, and until when; both are monotonic instants."""
    if math.isinf(until):
        return UNTIL_RESTART
    return f"for {in_words(until - now)}, until {moment(time.time() + until - now)}"


def shown(service: HasLimits) -> list[Effective]:
    """Return all keys that hold with where each value comes from, hand and file."""
    every = effective(service.config, service.waiting())
    held = service.hand_limits.current()
    if not held:
        return every
    base = without_overlay(service.config)
    of_file = {key.path: key for key in effective(base, service.waiting())}
    keys, now = open_keys(base), time.monotonic()
    origins = {
        place: f"by hand, {lasts(one.until, now)}; then {show(of_file[place].value)} again ({of_file[place].origin})"
        for one in held
        if (key := key_of(one, keys)) is not None and effect_of(one, keys) is not None
        for place in key.places
    }
    return [replace(key, origin=origins.get(key.path, key.origin)) for key in every]
