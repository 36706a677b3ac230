"""Bans on connections that are open: whoever is banned loses them, within a moment.

All connections are looked at after a ban, some in each turn of the event loop; bans that come meanwhile have one look
together. It is the same for a ban by rule, by command, or of a network with a thousand connections.
"""

from collections.abc import Callable, Iterator
from typing import Final

import structlog

from dohproxy.frontends.connections import Closing, Connection, Connections
from dohproxy.policy.bans import Bans

PAUSE_SECONDS: Final = 0.1
"""From a ban to the look, and between two looks: in a flood that gets hundreds banned, they share it."""
LOOKED_AT_ONCE: Final = 500
"""Connections in one turn of the event loop: about a millisecond, with those that are cut."""

_log = structlog.get_logger("dohproxy.bans")


class BanSweep:
    """Closes the connections of banned clients. A front proxy's are nobody's, and stay."""

    def __init__(
        self,
        bans: Bans,
        connections: Connections,
        clock: Callable[[], float],
        call_later: Callable[..., object],
    ) -> None:
        """`call_later` is the event loop's."""
        self._bans = bans
        self._connections = connections
        self._clock = clock
        self._call_later = call_later
        self._left: Iterator[Connection] = iter(())
        self._is_due = False
        self._is_wanted = False

    def begin(self) -> None:
        """Somebody has been banned: look at all connections soon."""
        self._is_wanted = True
        if not self._is_due:
            self._is_due = True
            self._call_later(PAUSE_SECONDS, self._start)

    def _start(self) -> None:
        self._is_wanted = False
        self._left = iter(self._connections.everybody())
        self._go_on()

    def _go_on(self) -> None:
        now = self._clock()
        for _ in range(LOOKED_AT_ONCE):
            connection = next(self._left, None)
            if connection is None:
                self._is_due = False
                if self._is_wanted:
                    self.begin()
                return
            try:
                self._look_at(connection, now)
            except Exception:
                _log.exception("a connection met a bug", stage="ban")
        self._call_later(0.0, self._go_on)

    def _look_at(self, connection: Connection, now: float) -> None:
        if self._bans.is_banned(connection.client, now, is_known=connection.slot.is_members):
            self._connections.count(Closing.BANNED)
            connection.close_for(Closing.BANNED)
