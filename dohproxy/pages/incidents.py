"""What went wrong, as it is told to everybody: when it began, when it was over, and in a sentence what it was.

It is made of alerts, and says less than they do. An alert has figures, names and a remedy, and is for the person on
duty; here several kinds of flood are one, what harms nobody who asks is left out, and no number is told that an
attacker could steer by.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import IntEnum, StrEnum
from typing import Final

from dohproxy.observability.detectors.judgement import AlertKind
from dohproxy.saved import Saved, UnfitState, read_dict, read_list, read_number

MOST_INCIDENTS: Final = 40
"""Those that began last; a feed with all of them is 15 KiB long."""
REOPEN_SECONDS: Final = 900.0
"""What begins again within this is the same incident: one that comes and goes is told once."""
LAST_INSTANT: Final = 1e11
"""Unix seconds; nothing later is believed."""
STOPPED_SECONDS: Final = 180.0
"""A service that has looked at nothing for longer was not there. A restart takes seconds, and after a crash the last
look that is known of may be a minute old."""


class Level(IntEnum):
    """How the service is for those who ask; higher is worse."""

    WELL = 0
    LIMITED = 1
    """It is there, and some are served less than usual."""
    DISTURBED = 2
    """Many questions come to nothing."""

    @property
    def word(self) -> str:
        """Its name in texts, JSON and style."""
        return self.name.lower()


class IncidentKind(StrEnum):
    """What is told."""

    LISTED = "listed"
    FLOOD = "flood"
    BUDGET = "budget"
    CROWDED = "crowded"
    FAILING = "failing"
    UPSTREAM = "upstream"
    WAY_OUT = "way_out"
    MEMBERS_ONLY = "members_only"
    STOPPED = "stopped"


LEVELS: Final[Mapping[IncidentKind, Level]] = {
    IncidentKind.LISTED: Level.LIMITED,
    IncidentKind.FLOOD: Level.LIMITED,
    IncidentKind.BUDGET: Level.LIMITED,
    IncidentKind.CROWDED: Level.LIMITED,
    IncidentKind.FAILING: Level.DISTURBED,
    # One of several: the others are asked, and whoever asks us notices nothing; what he notices is FAILING.
    IncidentKind.UPSTREAM: Level.WELL,
    IncidentKind.WAY_OUT: Level.DISTURBED,
    IncidentKind.MEMBERS_ONLY: Level.LIMITED,
    IncidentKind.STOPPED: Level.DISTURBED,
}
OF_ALERTS: Final[Mapping[AlertKind, IncidentKind]] = {
    AlertKind.LISTED: IncidentKind.LISTED,
    AlertKind.REQUEST_FLOOD: IncidentKind.FLOOD,
    AlertKind.CONNECTION_FLOOD: IncidentKind.FLOOD,
    AlertKind.HANDSHAKE_FLOOD: IncidentKind.FLOOD,
    AlertKind.BUDGET_EXHAUSTED: IncidentKind.BUDGET,
    AlertKind.MEMBERS_SUFFER: IncidentKind.CROWDED,
    AlertKind.BOUND_FULL: IncidentKind.CROWDED,
    AlertKind.FAILING: IncidentKind.FAILING,
    AlertKind.UPSTREAM: IncidentKind.UPSTREAM,
    AlertKind.WAY_OUT: IncidentKind.WAY_OUT,
}
"""Malformed requests, random names below one domain, the certificate's age and the disk are the operator's alone."""


@dataclass(frozen=True, slots=True)
class Incident:
    """One of them; instants are Unix seconds."""

    kind: IncidentKind
    since: float
    until: float | None = None
    """None while it goes on."""

    @property
    def key(self) -> str:
        """What it is known by, always."""
        return f"{self.kind}-{int(self.since)}"


def told(alerts: Iterable[tuple[AlertKind, float]]) -> dict[IncidentKind, float]:
    """Return what is told of alerts, each a kind and Unix seconds: since when, by what it is told as."""
    found: dict[IncidentKind, float] = {}
    for kind, since in alerts:
        incident = OF_ALERTS.get(kind)
        if incident is not None:
            found[incident] = min(since, found.get(incident, since))
    return found


class IncidentBook:
    """All that are remembered, and how the service is."""

    def __init__(self, now: float) -> None:
        """`now` is Unix seconds."""
        self._incidents: list[Incident] = []
        self._level_since = now
        self._level = Level.WELL
        self._looked_at = now

    @property
    def incidents(self) -> tuple[Incident, ...]:
        """All of them, the one that began last first."""
        return tuple(sorted(self._incidents, key=lambda one: one.since, reverse=True))

    @property
    def level(self) -> Level:
        """How the service is."""
        return self._level

    @property
    def level_since(self) -> float:
        """Since when it is so, in Unix seconds."""
        return self._level_since

    def observe(self, going_on: Mapping[IncidentKind, float], now: float) -> bool:
        """Take what goes on, with since when; return whether that is news. `now` is Unix seconds."""
        before = self._incidents
        known = {one.kind for one in before if one.until is None}
        after = [replace(one, until=now) if one.until is None and one.kind not in going_on else one for one in before]
        for kind in sorted(going_on.keys() - known):
            again = next((one for one in after if one.kind is kind and now - (one.until or now) < REOPEN_SECONDS), None)
            if again is None:
                after.append(Incident(kind, min(going_on[kind], now)))
            else:
                after[after.index(again)] = replace(again, until=None)
        self._incidents = sorted(after, key=lambda one: (one.until is None, one.since))[-MOST_INCIDENTS:]
        level = max((LEVELS[kind] for kind in going_on), default=Level.WELL)
        if level is not self._level:
            self._level, self._level_since = level, now
        self._looked_at = now
        return self._incidents != before

    def export(self) -> Saved:
        """Return all that is remembered."""
        return {
            "incidents": {
                "all": [{"kind": one.kind.value, "since": one.since, "until": one.until} for one in self._incidents],
                "level": int(self._level),
                "level_since": self._level_since,
                "looked_at": self._looked_at,
            }
        }

    def restore(self, saved: Saved, now: float) -> None:
        """Go on with what another process has exported; the time between the two is an incident too, if it was long.
        Raises UnfitState, and then nothing has changed."""
        part = read_dict(saved, "incidents")
        found = [_read_incident({"one": one}) for one in read_list(part, "all", MOST_INCIDENTS)]
        level = Level(int(read_number(part, "level", min(Level), max(Level))))
        level_since = read_number(part, "level_since", 0.0, LAST_INSTANT)
        looked_at = read_number(part, "looked_at", 0.0, LAST_INSTANT)
        self._incidents, self._level, self._level_since = found, level, min(level_since, now)
        if now - looked_at > STOPPED_SECONDS:
            gone_on = [replace(one, until=looked_at) if one.until is None else one for one in found]
            self._incidents = [*gone_on, Incident(IncidentKind.STOPPED, looked_at, now)][-MOST_INCIDENTS:]
            self._level, self._level_since = Level.WELL, now


def _read_incident(saved: Saved) -> Incident:
    part = read_dict(saved, "one")
    if part.get("kind") not in [kind.value for kind in IncidentKind]:
        raise UnfitState("kind")
    since = read_number(part, "since", 0.0, LAST_INSTANT)
    until = None if part.get("until") is None else read_number(part, "until", since, LAST_INSTANT)
    return Incident(IncidentKind(part["kind"]), since, until)
