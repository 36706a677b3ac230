"""Where keys stand in the text of a configuration, so that what is said about them can name the line.

The standard library's TOML reader keeps no positions. This walks over a text that it has read without complaint, and
looks only for headers, keys and the ends of values.
"""

import re
import tomllib
from collections import Counter
from collections.abc import Generator, Iterator, Mapping
from typing import Any, Final

from dohproxy.config.keys import show_key

SEVERAL: Final = frozenset({"upstream", "route", "blocklist"})
"""Sections that are numbered even where there is one, in brackets that should be two."""

_STRING: Final = r'"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\''
_NOTHING: Final = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_HEADER: Final = re.compile(rf"(\[\[?)((?:[^\]\[\"'#\n]|{_STRING})*)\]")
_KEY: Final = re.compile(rf"((?:[^=\"'#\n]|{_STRING})+)=")
_TOKEN: Final = re.compile(
    rf'"""(?:[^\\]|\\.)*?"{{3,5}}|\'\'\'.*?\'{{3,5}}|{_STRING}|#[^\n]*|[\[\]{{}},\n]|[^\[\]{{}},\n"\'#]+',
    re.DOTALL,
)


def lines_of(text: str) -> Mapping[str, int]:
    """Return the line, counted from 1, of every section, key and item of a list that is written out in a text.

    They are named as in `Problem.path`: "limits", "limits.requests_burst", "upstream #2.url", "server.listen #1". Keys
    within braces are not told apart from what holds them. The text must be one that `tomllib` reads.
    """
    found: dict[str, int] = {}
    for path, position in _places(text):
        # The first wins: a section that stands several times is spoken of as a whole where it begins.
        found.setdefault(path, position)
    return _in_lines(text, found)


def line_of(path: str, lines: Mapping[str, int]) -> int | None:
    """Return the line of what a problem is about, or of what should hold it; None if neither is written."""
    while path and path not in lines:
        path = path[: max(path.rfind("."), path.rfind(" #"), 0)]
    return lines.get(path)


def _places(text: str) -> Iterator[tuple[str, int]]:
    """Yield path and position of everything, in order."""
    section, times = "", Counter[str]()
    position = _skip(text, 0)
    while position < len(text):
        header = _HEADER.match(text, position)
        if header is not None:
            section = _path("", header[2])
            yield section, position
            times[section] += 1
            if header[1] == "[[" or section in SEVERAL:
                section = f"{section} #{times[section]}"
                yield section, position
            position = _skip(text, header.end() + (len(header[1]) - 1))
            continue
        key = _KEY.match(text, position)
        if key is None:
            return
        path = _path(section, key[1])
        yield path, position
        position = yield from _items(text, key.end(), path)
        position = _skip(text, position)


def _items(text: str, position: int, path: str) -> Generator[tuple[str, int], None, int]:
    """Yield the items of a value that is a list; return the position after it."""
    depth = number = 0
    is_new, is_list = False, text.startswith("[", _skip(text, position))
    while position < len(text):
        token = _TOKEN.match(text, position)
        if token is None:
            return len(text)
        word = token[0]
        if word == "\n" and depth == 0:
            break
        is_said = bool(word.strip()) and word[0] not in "#,]}"
        if is_list and is_new and is_said:
            number += 1
            yield f"{path} #{number}", position + len(word) - len(word.lstrip())
            is_new = False
        depth += (word in ("[", "{")) - (word in ("]", "}"))
        is_new = is_new or (depth == 1 and word in ("[", ","))
        position = token.end()
    return position


def _skip(text: str, position: int) -> int:
    """Return the position after spaces, line ends and comments."""
    found = _NOTHING.match(text, position)
    return position if found is None else found.end()


def _path(section: str, written: str) -> str:
    """Return the path of a key as it is written: bare, in quotes, or with dots."""
    names, table = [], tomllib.loads(f"{written.strip()} = 0")
    value: Any = table
    while isinstance(value, dict):
        (name,) = value
        names.append(show_key(name))
        value = value[name]
    return ".".join([section, *names] if section else names)


def _in_lines(text: str, positions: Mapping[str, int]) -> dict[str, int]:
    """Turn positions into lines, in one walk."""
    lines: dict[str, int] = {}
    line, seen = 1, 0
    for path, position in sorted(positions.items(), key=lambda one: one[1]):
        line += text.count("\n", seen, position)
        seen = position
        lines[path] = line
    return lines
