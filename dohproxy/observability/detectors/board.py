"""All detectors side by side: which alerts there are, which begin and which end."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from dohproxy.observability.detectors.judgement import AlertEvent, AlertKind, Detector, Hysteresis
from dohproxy.observability.detectors.normal import Normals
from dohproxy.observability.detectors.reading import History

MOST_SUBJECTS: Final = 128
"""Of all kinds together: 64 upstreams, the bounds, and one of each other kind; what would be more is not told."""


@dataclass(frozen=True, slots=True)
class ActiveAlert:
    """An alert that has begun and not ended."""

    kind: AlertKind
    subject: str
    words: str
    """As of now."""
    remedy: str
    since: float
    """Monotonic instant."""


class AlertBoard:
    """Asks each detector at each look, and remembers what has begun."""

    def __init__(self, detectors: Sequence[Detector], normals: Normals) -> None:
        self._detectors = tuple(detectors)
        self.normals = normals
        self._states: dict[tuple[AlertKind, str], Hysteresis] = {}

    def use(self, detectors: Sequence[Detector]) -> None:
        """Ask others from now on; what has begun by one of the same kind goes on, and what nobody is asked about any
        more ends with the next look."""
        self._detectors = tuple(detectors)

    def look(self, history: History, of_all: History | None = None) -> list[AlertEvent]:
        """Return what begins and what ends with the newest reading. `of_all`: the same of all nodes together, for the
        detectors that look at these; without it there is one node."""
        events = list(self._end_unasked(history.last.at))
        for detector in self._detectors:
            looked_at = of_all if of_all is not None and detector.judges_all else history
            events += self._ask(detector, looked_at)
        return events

    def is_active(self, kind: AlertKind) -> bool:
        """Tell whether there is an alert of this kind."""
        return any(one.kind is kind for one in self.active())

    def active(self) -> list[ActiveAlert]:
        """Return all alerts that have begun and not ended, the oldest first."""
        found = [
            ActiveAlert(kind, subject, state.words, state.remedy, state.since)
            for (kind, subject), state in self._states.items()
            if state.since is not None
        ]
        return sorted(found, key=lambda one: one.since)

    def _end_unasked(self, now: float) -> Iterator[AlertEvent]:
        asked = {detector.kind for detector in self._detectors}
        for key in [key for key in self._states if key[0] not in asked]:
            state = self._states.pop(key)
            if state.since is not None:
                yield AlertEvent(*key, False, state.begun, state.remedy, state.since, now)

    def _ask(self, detector: Detector, history: History) -> Iterator[AlertEvent]:
        now = history.last.at
        judgements = {one.subject: one for one in detector.judge(history, self.normals)}
        known = [subject for kind, subject in self._states if kind is detector.kind]
        for subject in dict.fromkeys((*judgements, *known)):
            key = detector.kind, subject
            state = self._states.get(key)
            if state is None:
                if len(self._states) >= MOST_SUBJECTS:
                    continue
                state = self._states[key] = Hysteresis()
            since = state.since
            told = state.step(detector, judgements.get(subject), now)
            if told is not None:
                began = now if since is None else since
                yield AlertEvent(
                    detector.kind, subject, told, state.begun, state.remedy, began, now, is_logged=detector.is_logged
                )
            if state.is_idle:
                del self._states[key]
