"""Looks at the service every few seconds: what begins to be wrong is logged once, told, and met as configured."""

from collections.abc import Callable, Collection

import structlog

from dohproxy.durations import in_words
from dohproxy.observability.detectors.board import ActiveAlert, AlertBoard
from dohproxy.observability.detectors.floods import FLOODS
from dohproxy.observability.detectors.judgement import AlertEvent, AlertKind, Detector
from dohproxy.observability.detectors.listed import make_listed
from dohproxy.observability.detectors.normal import Normals
from dohproxy.observability.detectors.reading import History, Reading
from dohproxy.observability.detectors.service import SERVICE

_log = structlog.get_logger("dohproxy.alerts")


class AlertWatch:
    """The detectors, and what follows from what they say."""

    def __init__(
        self,
        read: Callable[[float], Reading],
        new_networks_per_minute: float,
        tell: Callable[[AlertEvent], None],
        now: float,
        off: Collection[str] = (),
    ) -> None:
        """`read` returns the counters at an instant, `tell` is called with what begins and ends. Kinds of alert that
        are `off` are not looked for."""
        self._read = read
        self._tell = tell
        self._history = History(read(now))
        self._widen: Callable[[Reading], Reading] | None = None
        self._of_all: History | None = None
        self.normals = Normals(now)
        self._board = AlertBoard(detectors(new_networks_per_minute, off), self.normals)

    def adopt(self, new_networks_per_minute: float, off: Collection[str] = ()) -> None:
        """Look for a public list from this rate on, and for nothing that is `off`; alerts that have begun are kept,
        unless nobody looks for them any more: then they end."""
        self._board.use(detectors(new_networks_per_minute, off))

    @property
    def is_listed(self) -> bool:
        """Whether a public list seems to have us."""
        return self._board.is_active(AlertKind.LISTED)

    def active(self) -> list[ActiveAlert]:
        """Return all alerts, the oldest first."""
        return self._board.active()

    def judge_all(self, widen: Callable[[Reading], Reading]) -> None:
        """Look at what all nodes have counted from now on, where that says more; `widen` adds what the others have."""
        self._widen = widen
        self._of_all = History(widen(self._history.last))

    @property
    def last(self) -> Reading:
        """The newest reading of this node."""
        return self._history.last

    @property
    def last_of_all(self) -> Reading:
        """The newest of all nodes together."""
        return self._history.last if self._of_all is None else self._of_all.last

    def poll(self, now: float) -> None:
        """Look once."""
        self._history.add(self._read(now))
        if self._of_all is not None and self._widen is not None:
            self._of_all.add(self._widen(self._history.last))
        for event in self._board.look(self._history, self._of_all):
            if event.is_logged:
                log_event(event)
            self._tell(event)


def detectors(new_networks_per_minute: float, off: Collection[str] = ()) -> tuple[Detector, ...]:
    """Return all detectors there are, but for the kinds that are `off`."""
    every = (make_listed(new_networks_per_minute), *FLOODS, *SERVICE)
    return tuple(one for one in every if one.kind not in off)


def log_event(event: AlertEvent) -> None:
    """Write the one line that an event has."""
    about = {"alert": event.kind.value} | ({"subject": event.subject} if event.subject else {})
    if event.has_begun:
        _log.warning("alert begins", **about, says=event.words, remedy=event.remedy)
    else:
        _log.info("alert ends", **about, lasted=in_words(event.at - event.since))
