"""Which nodes there are: what each says of itself every second, who has fallen silent, and what all have counted.

Nobody trusts another's clock: a node is there while what it says changes, by the clock of who listens.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from dohproxy.sharing.events import is_moment
from dohproxy.value import value

VERSION: Final = 1
MOST_BYTES: Final = 16_384
"""Of one report; with all counters it has 2 KiB."""
MOST_NODES: Final = 256
MOST_COUNTERS: Final = 256
SILENT_SECONDS: Final = 3.5
"""After so long without news a node is gone: three reports were missed."""
FORGOTTEN_SECONDS: Final = 86_400.0
"""For so long a node that is gone is still told of."""
CLOCK_SECONDS: Final = 5.0
"""Clocks that differ by more than this let bans end at other times, and are told of."""
_MOST_TEXT: Final = 100
_MOST_COUNT: Final = 1 << 62


@value
class Report:
    """What one node says of itself."""

    name: str
    instance: str
    """This run of it, 16 hexadecimal digits."""
    beat: int
    """One more each time."""
    since: float
    """When it began to serve, in Unix seconds."""
    wall: float
    """What its clock says, the same."""
    version: str
    """Of the program."""
    configuration: str
    """What its configuration is known by, without what differs from node to node on purpose."""
    behind: float
    """How old what it has read last of what others said is, if it has not read all; 0.0 if it has."""
    counters: Mapping[str, int]
    """What it has counted since it began, as far as it is judged together."""


def encode(report: Report) -> bytes:
    """Return a report as it is written."""
    plain = {
        "v": VERSION,
        "name": report.name,
        "instance": report.instance,
        "beat": report.beat,
        "since": round(report.since, 3),
        "wall": round(report.wall, 3),
        "version": report.version,
        "configuration": report.configuration,
        "behind": round(report.behind, 3),
        "counters": {name: count for name, count in report.counters.items() if count},
    }
    return json.dumps(plain, ensure_ascii=False, separators=(",", ":")).encode()


def decode(written: bytes) -> Report | None:
    """Return the report that was written so; None for what is none, or is one of a later release that differs."""
    if len(written) > MOST_BYTES:
        return None
    try:
        plain = json.loads(written)
    except (ValueError, RecursionError):
        return None
    if not isinstance(plain, dict) or plain.get("v") != VERSION:
        return None
    texts = [plain.get(key) for key in ("name", "instance", "version", "configuration")]
    moments = [plain.get(key) for key in ("since", "wall", "behind")]
    counters = plain.get("counters")
    if (
        not all(isinstance(text, str) and len(text) <= _MOST_TEXT and text.isprintable() for text in texts)
        or not all(is_moment(moment) for moment in moments)
        or not _is_count(plain.get("beat"))
        or not isinstance(counters, dict)
        or len(counters) > MOST_COUNTERS
        or not all(_is_count(count) for count in counters.values())
    ):
        return None
    name, instance, version, configuration = (str(text) for text in texts)
    since, wall, behind = (float(moment or 0) for moment in moments)
    return Report(name, instance, plain["beat"], since, wall, version, configuration, behind, counters)


def _is_count(found: Any) -> bool:
    return isinstance(found, int) and not isinstance(found, bool) and 0 <= found <= _MOST_COUNT


@dataclass(slots=True)
class _Seen:
    report: Report
    changed_at: float
    clock_ahead: float


@dataclass(frozen=True, slots=True)
class NodeNow:
    """One node as another sees it."""

    report: Report
    silent_seconds: float
    """Since it has said anything new."""
    is_there: bool
    clock_ahead: float
    """By how much its clock is ahead of ours, in seconds; less than a second means nothing."""
    is_self: bool


class Roster:
    """All nodes that have said something within a day, seen by one of them."""

    def __init__(self, name: str, instance: str) -> None:
        self._name = name
        self._instance = instance
        self._seen: dict[str, _Seen] = {}
        self._others: dict[str, int] = {}
        self._namesake_said: tuple[str, int] | None = None
        self.namesake: str | None = None
        """The run of another node that has our name; None if there is none."""

    def note(self, reports: Iterable[Report], now: float, wall: float) -> list[str]:
        """Take what is found now; return the names of nodes that have not been there before."""
        new = []
        for report in reports:
            if report.name == self._name and report.instance != self._instance:
                self._note_namesake(report)
                continue
            before = self._seen.get(report.name)
            if before is None and len(self._seen) >= MOST_NODES:
                continue
            if before is None or before.report.instance != report.instance:
                # What it had counted before it was seen is nothing that has happened since.
                self._seen[report.name] = _Seen(report, now, report.wall - wall)
                new.append(report.name)
            elif report.beat != before.report.beat:
                if report.name != self._name:
                    self._add(before.report.counters, report.counters)
                self._seen[report.name] = _Seen(report, now, report.wall - wall)
        for name in [name for name, seen in self._seen.items() if now - seen.changed_at > FORGOTTEN_SECONDS]:
            del self._seen[name]
        return new

    def _note_namesake(self, report: Report) -> None:
        """Take notice of what lies under our own name and is not ours: an earlier run has left it, if it stays so."""
        said, before = (report.instance, report.beat), self._namesake_said
        self._namesake_said = said
        if before is not None and before != said and before[0] == said[0]:
            self.namesake = report.instance

    def _add(self, before: Mapping[str, int], after: Mapping[str, int]) -> None:
        for name, count in after.items():
            if len(self._others) < MOST_COUNTERS or name in self._others:
                self._others[name] = self._others.get(name, 0) + max(0, count - before.get(name, 0))

    def others(self) -> Mapping[str, int]:
        """Return what all other nodes together have counted since each was first seen; it only grows."""
        return dict(self._others)

    def forget(self, name: str) -> None:
        """Know nothing of a node any more."""
        self._seen.pop(name, None)

    def all(self, now: float) -> list[NodeNow]:
        """Return all nodes, by name."""
        return [
            NodeNow(
                seen.report,
                now - seen.changed_at,
                now - seen.changed_at < SILENT_SECONDS,
                seen.clock_ahead,
                seen.report.instance == self._instance,
            )
            for _, seen in sorted(self._seen.items())
        ]

    def there(self, now: float) -> list[str]:
        """Return the names of the nodes that are there."""
        return [one.report.name for one in self.all(now) if one.is_there]

    def find(self, name: str, now: float) -> NodeNow | None:
        """Return the node of this name."""
        return next((one for one in self.all(now) if one.report.name == name), None)

    def otherwise_configured(self, configuration: str, now: float) -> list[str]:
        """Return the names of nodes that are there and have another configuration than this."""
        return [one.report.name for one in self.all(now) if one.is_there and one.report.configuration != configuration]
