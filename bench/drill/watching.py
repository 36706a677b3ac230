"""When an alert is told, and when the service begins to refuse: the metrics are read twice a second."""

import re
import threading
import time
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Final

from tests.e2e.proxy import Proxy

POLL_SECONDS: Final = 0.5
ALERT: Final = "dohproxy_alert_active"
LOOP_DELAY: Final = ("dohproxy_loop_delay_seconds", "")
UPSTREAM_ALERT: Final = "dohproxy_upstream_alert"
_SAMPLE: Final = re.compile(r"^(\w+)(?:\{(.*)\})? ([-+.\deInfNa]+)$", re.MULTILINE)
_VALUE: Final = re.compile(r'"((?:[^"\\]|\\.)*)"')

Key = tuple[str, str]
"""The name of a figure, and one value of one of its labels."""


def read_page(text: str) -> dict[Key, float]:
    """Return what a page of metrics says, each sample under each value of its labels; without labels under ""."""
    found: dict[Key, float] = {}
    for name, labels, value in _SAMPLE.findall(text):
        for label in _VALUE.findall(labels) or [""]:
            found[name, label] = found.get((name, label), 0.0) + float(value)
    return found


def active_alerts(page: Mapping[Key, float]) -> set[str]:
    """Return the alerts that are told at this moment."""
    told = {label for (name, label), value in page.items() if name == ALERT and value > 0}
    return told | {"upstream" for (name, _), value in page.items() if name == UPSTREAM_ALERT and value > 0}


def knows_alerts(page: Mapping[Key, float]) -> bool:
    """Tell whether this service tells alerts at all."""
    return any(name == ALERT for name, _ in page)


def grown(before: Mapping[Key, float], page: Mapping[Key, float], keys: Iterable[Key]) -> float:
    """Return how much these figures have grown together."""
    return sum(page.get(key, 0.0) - before.get(key, 0.0) for key in keys)


class Watcher:
    """Reads while it is entered; a phase is over some seconds after its attack."""

    def __init__(self, proxy: Proxy, alerts: Iterable[str], refused: Iterable[Key]) -> None:
        self.alert_seconds: float | None = None
        """From the beginning to the first of the alerts that are waited for."""
        self.refusal_seconds: float | None = None
        """From the beginning to the first refusal that was seen."""
        self.loop_delay = 0.0
        """The latest that the service's event loop was seen to be, in seconds."""
        self.told: set[str] = set()
        """Every alert that was told meanwhile."""
        self._proxy = proxy
        self._alerts = set(alerts)
        self._refused = tuple(refused)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look_often, name="watcher", daemon=True)

    def __enter__(self) -> "Watcher":
        self.before = self._page()
        self.after = self.before
        self._told_before = active_alerts(self.before)
        self._began = time.monotonic()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        self._look()

    def changes(self) -> dict[Key, float]:
        """Return every counter that has grown, with by how much."""
        differences = {key: value - self.before.get(key, 0.0) for key, value in self.after.items()}
        return {key: value for key, value in differences.items() if value > 0 and key[0].endswith("_total")}

    def _look_often(self) -> None:
        while not self._stop.wait(POLL_SECONDS):
            self._look()

    def _look(self) -> None:
        try:
            self.after = self._page()
        except OSError:
            # Too busy to say anything: the next look will tell.
            return
        seconds = time.monotonic() - self._began
        self.told |= active_alerts(self.after) - self._told_before
        self.loop_delay = max(self.loop_delay, self.after.get(LOOP_DELAY, 0.0))
        if self.alert_seconds is None and self.told & self._alerts:
            self.alert_seconds = seconds
        if self.refusal_seconds is None and grown(self.before, self.after, self._refused) > 0:
            self.refusal_seconds = seconds

    def _page(self) -> dict[Key, float]:
        return read_page(self._proxy.metrics_text())
