"""Single numbers laid over a configuration file: checked as if they stood in it, and the file is left as it is.

A person on duty lowers a limit for half an hour. What that person says is put in the place of what the file says, and
the whole is read again: so it meets the same types, bounds and rules between keys, in the same words, and what follows
another key (`shares`) follows it.

Keys are spelled as in the file, with an upstream's name for its number: "limits.requests_burst",
"upstream.ns0.queries_per_second".
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from dohproxy.config.keys import Integer, Number
from dohproxy.config.problems import ConfigError, Problem
from dohproxy.config.reader import read_document
from dohproxy.config.schema import Config, Source
from dohproxy.config.sections import SECTIONS, UPSTREAM

OPEN_SECTIONS: Final = ("limits", "connections", "names")
"""Those of which every number may be changed by hand: how much, how many, how long."""
BUDGET_KEYS: Final = ("queries_per_second", "burst", "in_flight", "connections", "new_connections_per_second")
"""What an upstream may be asked; the same for all of one group."""


@dataclass(frozen=True, slots=True)
class OpenKey:
    """A key that may be changed by hand."""

    path: str
    """As an operator writes it; of a group of upstreams the name of the first."""
    places: tuple[str, ...]
    """Where it stands in the file, as problems name it: "upstream #2.burst", several for a group."""
    declared: Integer | Number
    """What it may be."""
    is_budget: bool
    """It is an agreement with whoever runs an upstream."""
    value: float
    """What it is now."""
    group: str = ""
    """The group of upstreams that has this budget, "" if it is no group's."""
    addresses: frozenset[str] = frozenset()
    """Where the upstreams are that have this budget."""


def open_keys(config: Config) -> dict[str, OpenKey]:
    """Return all keys that may be changed, by each way to write them."""
    return dict(_open_keys(config))


def _open_keys(config: Config) -> Iterator[tuple[str, OpenKey]]:
    for section in SECTIONS:
        if section.name in OPEN_SECTIONS:
            for name, one in section.keys.items():
                if isinstance(one.key, Integer | Number):
                    path = f"{section.name}.{name}"
                    value = getattr(getattr(config, section.name), name)
                    yield path, OpenKey(path, (path,), one.key, is_budget=False, value=value)
    for upstream in config.upstreams:
        together = [
            (number, other)
            for number, other in enumerate(config.upstreams, start=1)
            if other is upstream or (upstream.group and other.group == upstream.group)
        ]
        for name in BUDGET_KEYS:
            places = tuple(f"upstream #{number}.{name}" for number, _ in together)
            declared: Any = UPSTREAM.keys[name].key
            key = OpenKey(
                f"upstream.{together[0][1].name}.{name}",
                *(places, declared),
                is_budget=True,
                value=getattr(upstream, name),
                group=upstream.group or "",
                addresses=frozenset(str(other.url) for _, other in together),
            )
            yield f"upstream.{upstream.name}.{name}", key


def spellings(upstreams: Sequence[str]) -> list[str]:
    """Return how the keys can be written where these are the names of the upstreams."""
    return [
        *(
            f"{section.name}.{name}"
            for section in SECTIONS
            if section.name in OPEN_SECTIONS
            for name, one in section.keys.items()
            if isinstance(one.key, Integer | Number)
        ),
        *(f"upstream.{upstream}.{name}" for upstream in upstreams for name in BUDGET_KEYS),
    ]


def without_overlay(config: Config) -> Config:
    """Return what the file alone says from which a configuration was read; the same if it was read from none."""
    if config.source is None:
        return config
    return replace(read_document(config.source, config.lines), file_hash=config.file_hash)


def laid_over(config: Config, values: Mapping[str, float]) -> Config:
    """Return what `config`, which is as its file says, becomes with these values in the place of the file's.

    The file may have lost an upstream of which something is said: that is left out. Raises ConfigError, with each
    problem at the key as an operator writes it; and if there is no file.
    """
    if not values:
        return config
    if config.source is None:
        raise ConfigError((Problem("--config", "was not given, so there is no file over which a value could be laid"),))
    keys = open_keys(config)
    document: dict[str, Any] = dict(config.source.document)
    spelled: dict[str, str] = {}
    for path, value in values.items():
        key = keys.get(path)
        for place in () if key is None else key.places:
            spelled[place] = path
            _put(document, place, value)
    try:
        found = read_document(Source(document, config.source.directory), config.lines)
    except ConfigError as error:
        raise ConfigError(_as_written(error.problems, spelled)) from None
    return replace(found, source=config.source, file_hash=config.file_hash)


def _put(document: dict[str, Any], place: str, value: float) -> None:
    """Put a value into a copy of the section that holds its place."""
    section, _, name = place.rpartition(".")
    section, _, number = section.partition(" #")
    if not number:
        document[section] = {**document.get(section, {}), name: value}
        return
    tables = list(document[section])
    tables[int(number) - 1] = {**tables[int(number) - 1], name: value}
    document[section] = tables


def _as_written(problems: tuple[Problem, ...], spelled: Mapping[str, str]) -> tuple[Problem, ...]:
    """Return the problems with keys as an operator writes them, each once: the line of the file is not what is wrong,
    and what is wrong for a group is so for all of it."""
    told = [Problem(spelled[one.path], one.sentence) if one.path in spelled else one for one in problems]
    return tuple(dict.fromkeys(told))
