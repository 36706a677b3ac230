"""A configuration for another place: names of files replaced within its text, which stays as it was written else."""

import copy
import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class CannotRelocate(Exception):
    """A text cannot be changed so that it says exactly what is wanted; the message is the key."""


def written(document: Mapping[str, Any], key: str) -> str:
    """Return how the file says what a key names: "tls.key", "blocklist #2.file"."""
    table, name = _table(document, key)
    return str(table[name])


def is_bound(text: str) -> bool:
    """Tell whether a name in a configuration leads elsewhere than below the directory of the file."""
    path = Path(text)
    return path.is_absolute() or ".." in path.parts


def relocated(text: str, moves: Mapping[str, Path]) -> str:
    """Return a configuration in which these keys name these files, and which says the same of all else.

    What is written is looked for as TOML may spell it, and what comes of it is read again: so it is right, or
    CannotRelocate is raised, however unusual the file.
    """
    wanted = copy.deepcopy(tomllib.loads(text))
    for key, place in moves.items():
        table, name = _table(wanted, key)
        before, table[name] = str(table[name]), str(place)
        for spelled in (json.dumps(before, ensure_ascii=False), json.dumps(before), f"'{before}'"):
            text = text.replace(spelled, json.dumps(str(place), ensure_ascii=False))
    try:
        if tomllib.loads(text) == wanted:
            return text
    except tomllib.TOMLDecodeError:
        pass
    raise CannotRelocate(", ".join(moves))


def _table(document: Mapping[str, Any], key: str) -> tuple[Any, str]:
    section, _, name = key.rpartition(".")
    section, _, number = section.partition(" #")
    table = document[section]
    return (table[int(number) - 1] if number else table), name
