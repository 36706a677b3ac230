"""What nodes tell each other: that something was said at one of them, or taken back, and how that is written down.

An event is about one subject, and the last that was said of a subject holds, wherever it was said. What "last" means is
written in the event, and not left to the order in which events arrive: so they may come twice, late and mixed up, and
all nodes agree in the end. They are JSON, so that a later release can add a field; what a release does not know, it
leaves alone and counts.
"""

import json
import math
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final, TypeGuard

from dohproxy.value import value

VERSION: Final = 1
"""Raised when an event cannot be understood any more by who knows the version before; fields may be added without."""
MOST_BYTES: Final = 4_096
"""Of one event: what people write in a reason or an announcement are some hundred bytes, a name has 255 at most."""
MOST_SUBJECT: Final = 300
"""Characters; the longest are names."""
LATEST: Final = 253_402_300_799.0
"""The end of the year 9999 in Unix seconds; what is to last longer lasts until it is taken back."""
_MOST_STAMP: Final = int(LATEST * 1_000) + (1 << 32)
_ORIGIN_CHARACTERS: Final = 16


class Kind(StrEnum):
    """What an event may be about; metric label."""

    RULE_BAN = "rule_ban"
    """A network that a rule has banned somewhere."""
    NETWORK = "network"
    """One that is banned or let in by command."""
    NAME = "name"
    """One that is blocked or let through by hand."""
    MEMBER = "member"
    """Whose token is valid, by its digest."""
    MODE = "mode"
    """Whom the service is for, and what of it is only tried."""
    ANNOUNCEMENT = "announcement"
    LIMIT = "limit"
    """A number of the configuration that is held by hand."""


class Unread(StrEnum):
    """Why something in the stream is left alone; metric label."""

    SEALED = "sealed"
    """It cannot be opened: it was written with another key, or by somebody else."""
    NEWER = "newer"
    """A later release has written it."""
    UNKNOWN = "unknown"
    """It is of a kind that this release does not know."""
    UNFIT = "unfit"
    """It is nothing that could have been written here."""


@value
class Event:
    """What was said of one subject."""

    kind: Kind
    subject: str
    """One of its kind: a network, a name."""
    stamp: int
    """When it was said, in Unix milliseconds; more than any that its node had seen then, so that what answers another
    event comes after it whatever the clocks say."""
    origin: str
    """The run of a node at which it was said, 16 hexadecimal digits."""
    until: float
    """Unix seconds from which on nobody keeps it; infinity if it lasts until it is taken back."""
    said: Mapping[str, Any] | None
    """Plain values, by the kind; None where it was taken back."""

    @property
    def order(self) -> tuple[int, str]:
        """By which of two events of one subject the greater holds; no two different ones have the same."""
        return self.stamp, self.origin

    def is_spent(self, wall: float) -> bool:
        """Tell whether it only tells any more that something else is over: it was taken back, or has had its time."""
        if self.said is None:
            return True
        end = self.said.get("until")
        return is_moment(end) and end <= wall


def encode(event: Event) -> bytes:
    """Return an event as it is written. Raises ValueError if it is longer than any may be."""
    plain = {
        "v": VERSION,
        "kind": event.kind.value,
        "subject": event.subject,
        "stamp": event.stamp,
        "origin": event.origin,
        "until": None if math.isinf(event.until) else round(event.until, 3),
        "said": event.said,
    }
    written = json.dumps(plain, ensure_ascii=False, separators=(",", ":")).encode()
    if len(written) > MOST_BYTES:
        raise ValueError(f"an event about {event.kind} would have {len(written)} bytes")
    return written


def decode(written: bytes) -> Event | Unread:
    """Return the event that was written so, or why it is left alone."""
    if len(written) > MOST_BYTES:
        return Unread.UNFIT
    try:
        plain = json.loads(written)
    except (ValueError, RecursionError):
        return Unread.UNFIT
    if not isinstance(plain, dict):
        return Unread.UNFIT
    version = plain.get("v")
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        return Unread.UNFIT
    if version > VERSION:
        return Unread.NEWER
    kind = plain.get("kind")
    if not isinstance(kind, str):
        return Unread.UNFIT
    if kind not in _KINDS:
        return Unread.UNKNOWN
    return _event(_KINDS[kind], plain)


_KINDS: Final = {kind.value: kind for kind in Kind}


def _event(kind: Kind, plain: Mapping[str, Any]) -> Event | Unread:
    subject, stamp, origin = plain.get("subject"), plain.get("stamp"), plain.get("origin")
    until, said = plain.get("until"), plain.get("said")
    if (
        not isinstance(subject, str)
        or len(subject) > MOST_SUBJECT
        or not isinstance(stamp, int)
        or isinstance(stamp, bool)
        or not 0 <= stamp <= _MOST_STAMP
        or not isinstance(origin, str)
        or len(origin) != _ORIGIN_CHARACTERS
        or not (said is None or isinstance(said, dict))
        or not (until is None or is_moment(until))
    ):
        return Unread.UNFIT
    return Event(kind, subject, stamp, origin, math.inf if until is None else float(until), said)


def is_moment(found: object) -> TypeGuard[float]:
    """Tell whether a value that was read is a moment in Unix seconds."""
    return isinstance(found, int | float) and not isinstance(found, bool) and 0 <= found <= LATEST
