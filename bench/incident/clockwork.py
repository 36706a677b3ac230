"""An event loop in which a day takes half a minute: time passes when nobody has anything left to do.

Sockets on loopback work in it as usual: what was sent has arrived before the kernel returns, so whoever waits for it is
served before time goes on.
"""

import asyncio
import selectors
from collections.abc import Mapping
from typing import Any


class _PatientSelector(selectors.SelectSelector):
    """Never waits: instead of letting time pass it moves the clock."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout:
            self.now += timeout
        return ready


class ClockworkLoop(asyncio.SelectorEventLoop):
    """Its `time` is seconds since its start that have passed only here."""

    def __init__(self) -> None:
        self._patient = _PatientSelector()
        super().__init__(self._patient)

    def time(self) -> float:
        """Return the virtual time."""
        return self._patient.now

    def call_exception_handler(self, context: Mapping[str, Any]) -> None:
        """Fail loudly: nothing here may go wrong unseen."""
        raise RuntimeError(str(context.get("message"))) from context.get("exception")
