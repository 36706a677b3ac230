"""What a backup says of itself: who made it of what, the digest of each part, and what was left out."""

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Any, Final

FORMAT: Final = 1
"""Raised when older programs would misread what newer ones write."""
MOST_MANIFEST_BYTES: Final = 1_048_576
MOST_PARTS: Final = 512
"""Sixteen upstreams and all lists that there may be are fewer than a hundred."""
PART_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,79}")
"""No part has a directory in its name, and none begins with a dot: where it belongs is what the configuration says."""
_WHAT: Final = "dohproxy backup"
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_KEY: Final = re.compile(r"[a-z_ #0-9./]{1,120}")
_OWNER: Final = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_.-]{0,62}\$?")
_MOST_TEXT: Final = 4_096


class BadBackup(Exception):
    """A file is no backup that can be put back; the message is a predicate of the file, for the operator."""


class Why(StrEnum):
    """Why something is not in a backup."""

    KEYS = "keys"
    """It is a secret, and nobody has asked for those."""
    CACHE = "cache"
    """It holds the names that were asked for, and nobody has asked for it."""
    CHOICE = "choice"
    """Somebody has said that it is to be left out."""
    ABSENT = "absent"
    """There was no such file."""


@dataclass(frozen=True, slots=True)
class Part:
    """One file within a backup."""

    name: str
    key: str
    """By which the configuration names it, as in `contents.Item`."""
    size: int
    sha256: str
    mode: int
    user: str
    group: str
    """Whose it was, by name where there is one."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """One file that is not in a backup."""

    key: str
    why: Why


@dataclass(frozen=True, slots=True)
class Manifest:
    """All that a backup says of itself."""

    version: str
    """Of the program that made it."""
    made_at: int
    """Unix seconds."""
    host: str
    """The public name of the service."""
    configuration: str
    """Where the configuration file was, absolute."""
    parts: tuple[Part, ...]
    left_out: tuple[LeftOut, ...]

    def why_without(self, key: str) -> Why | None:
        """Return why a file is not there, None if it is, or never was thought of."""
        return next((one.why for one in self.left_out if one.key == key), None)


def part_name(number: int, key: str) -> str:
    """Return the name of a part, in which a person can see what it is."""
    return f"{number:03}-{re.sub('[^a-z0-9.]+', '-', key)[:70].strip('-')}"


def encode(manifest: Manifest) -> bytes:
    """Return a manifest as it is written."""
    return json.dumps({"what": _WHAT, "format": FORMAT, **asdict(manifest)}, indent=1).encode() + b"\n"


def decode(content: bytes) -> Manifest:
    """Return what a manifest says. Raises BadBackup."""
    try:
        found = json.loads(content)
        if found["what"] != _WHAT or found["format"] != FORMAT:
            raise ValueError
        return Manifest(
            version=_text(found["version"]),
            made_at=_number(found["made_at"], 10**11),
            host=_text(found["host"]),
            configuration=_place(found["configuration"]),
            parts=tuple(map(_part, _list(found["parts"]))),
            left_out=tuple(LeftOut(_like(_KEY, one["key"]), Why(one["why"])) for one in _list(found["left_out"])),
        )
    except (ValueError, KeyError, TypeError, RecursionError):
        raise BadBackup("has a manifest that does not hold what is written there") from None


def _part(found: Any) -> Part:
    return Part(
        _like(PART_NAME, found["name"]),
        _like(_KEY, found["key"]),
        _number(found["size"], 2**40),
        _like(_DIGEST, found["sha256"]),
        _number(found["mode"], 0o777),
        _like(_OWNER, found["user"]),
        _like(_OWNER, found["group"]),
    )


def _list(found: Any) -> Sequence[Any]:
    if not isinstance(found, list) or len(found) > MOST_PARTS:
        raise ValueError
    return found


def _text(found: Any) -> str:
    if not isinstance(found, str) or not found.isprintable() or len(found) > _MOST_TEXT:
        raise ValueError
    return found


def _like(pattern: re.Pattern[str], found: Any) -> str:
    if not pattern.fullmatch(_text(found)):
        raise ValueError
    return str(found)


def _number(found: Any, most: int) -> int:
    if not isinstance(found, int) or isinstance(found, bool) or not 0 <= found <= most:
        raise ValueError
    return found


def _place(found: Any) -> str:
    place = PurePosixPath(_text(found))
    if not place.is_absolute() or ".." in place.parts or not place.name:
        raise ValueError
    return str(place)
