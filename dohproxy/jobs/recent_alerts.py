"""The alerts of the last hours, for whoever comes to look: what began, what ended, and what was to be done."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from dohproxy.observability.detectors.judgement import AlertEvent

MOST_RECENT: Final = 32
"""Alerts, each some hundred bytes: a bad night's. A restart forgets them; the log has them all."""


@dataclass(frozen=True, slots=True)
class RecentAlert:
    """One alert."""

    kind: str
    subject: str
    words: str
    """As they were when it began."""
    remedy: str
    began: float
    """Unix seconds."""
    ended: float | None = None
    """None while it lasts."""


class RecentAlerts:
    """The last that began."""

    def __init__(self) -> None:
        self._recent: deque[RecentAlert] = deque(maxlen=MOST_RECENT)

    def note(self, event: AlertEvent, wall: float) -> None:
        """Take an event; `wall` is the moment at which it happened, in Unix seconds."""
        if event.has_begun:
            self._recent.append(RecentAlert(event.kind.value, event.subject, event.words, event.remedy, wall))
            return
        for number, one in enumerate(self._recent):
            if one.ended is None and (one.kind, one.subject) == (event.kind.value, event.subject):
                self._recent[number] = replace(one, ended=wall)

    def newest_first(self) -> Sequence[RecentAlert]:
        """Return all that are kept."""
        return list(reversed(self._recent))
