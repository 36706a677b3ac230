"""The level of the log, changed for a while: it goes back by itself, so that nobody has to remember it."""

import math
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import structlog

from dohproxy.control.command import Result
from dohproxy.observability.logs import set_level

_log = structlog.get_logger("dohproxy.control")


class Timer(Protocol):
    """What `call_later` of an event loop returns."""

    def cancel(self) -> None:
        """Do not call."""

    def when(self) -> float:
        """Return when it calls, in seconds of the loop's clock."""


class LogLevel:
    """The configured level, and the one that holds in its place for a while."""

    def __init__(
        self, configured: str, call_later: Callable[..., Timer], apply: Callable[[str], None] = set_level
    ) -> None:
        """`call_later` is the event loop's, `apply` sets the level."""
        self.configured = configured
        self.now = configured
        self._call_later = call_later
        self._apply = apply
        self._timer: Timer | None = None

    def adopt(self, configured: str) -> None:
        """Take another configured level; what holds for a while goes on."""
        self.configured = configured
        if self._timer is None:
            self._set(configured)

    def change(self, level: str, seconds: float) -> None:
        """Hold to another level for so many seconds, or to the configured one if it is that."""
        self._stop_timer()
        self._set(level)
        if level != self.configured:
            self._timer = self._call_later(seconds, self.go_back)

    def go_back(self) -> None:
        """Hold to the configured level again."""
        self._stop_timer()
        self._set(self.configured)
        _log.info("the log has its configured level again", level=self.configured)

    def seconds_left(self, now: float) -> int:
        """Return how long another level than the configured one holds from now on, 0 if none does."""
        return 0 if self._timer is None else max(0, math.ceil(self._timer.when() - now))

    def _set(self, level: str) -> None:
        self.now = level
        self._apply(level)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class HasLogLevel(Protocol):
    """A service whose log has a level."""

    log_level: LogLevel


async def log_level(service: HasLogLevel, values: Mapping[str, Any]) -> Result:
    """Change the level of the log for a while."""
    level, minutes = values["level"], values["minutes"]
    changed = service.log_level
    changed.change(level, 60.0 * minutes)
    if level == changed.configured:
        return Result(f"The log has its configured level, {level}.", {"level": level, "minutes": 0})
    minute = "1 minute" if minutes == 1 else f"{minutes} minutes"
    sentence = f"The log has the level {level} for {minute}, then {changed.configured} again, as configured."
    return Result(sentence, {"level": level, "minutes": minutes})
