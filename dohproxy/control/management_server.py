"""The frontends for scrapers and for whoever is on duty: few connections, and short deadlines.

aiohttp serves them, and keeps a connection that says nothing for as long as one that has just been served. So a
connection is let in through here: only so many, a new one in the place of one that does nothing, and who has not asked
within some seconds goes.
"""

import asyncio
import socket
from collections.abc import Callable
from typing import Final, cast

from aiohttp import web

from dohproxy.descriptors import MANAGEMENT_CONNECTIONS

FIRST_REQUEST_SECONDS: Final = 5.0
"""The time from connecting to a first byte."""
IDLE_SECONDS: Final = 75.0
"""A scraper keeps its connection between scrapes, commonly 15 to 60 seconds apart."""


class ManagementServer:
    """Serves one application on one listening socket."""

    def __init__(self, application: web.Application) -> None:
        self._runner = web.AppRunner(application, access_log=None, keepalive_timeout=IDLE_SECONDS)
        self._server: asyncio.Server | None = None
        # In the order in which they came; who asks goes behind.
        self._open: dict[_Limited, None] = {}

    @property
    def count(self) -> int:
        """How many connections are open."""
        return len(self._open)

    async def start(self, listening: socket.socket) -> None:
        """Serve until `stop`."""
        await self._runner.setup()
        handlers = cast(Callable[[], asyncio.Protocol], self._runner.server)
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Limited(handlers(), self), sock=listening)

    async def stop(self) -> None:
        """Close everything."""
        if self._server is not None:
            self._server.close()
        await self._runner.cleanup()
        for connection in tuple(self._open):
            connection.cut()

    def enter(self, connection: "_Limited") -> None:
        """Let a connection in; who has been silent longest makes room, if nothing is under way for it."""
        self._open[connection] = None
        if len(self._open) > MANAGEMENT_CONNECTIONS:
            # The newest itself goes where all the others are being served.
            next((one for one in self._open if not one.is_served), connection).cut()

    def leave(self, connection: "_Limited") -> None:
        """A connection is closed."""
        self._open.pop(connection, None)

    def note_request(self, connection: "_Limited") -> None:
        """A connection has said something."""
        if self._open.pop(connection, self) is None:
            self._open[connection] = None


class _Limited(asyncio.Protocol):
    """The protocol before aiohttp's handler of one connection, which passes everything on."""

    def __init__(self, handler: asyncio.Protocol, frontend: ManagementServer) -> None:
        self._handler = handler
        self._frontend = frontend
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_served(self) -> bool:
        """Whether a request of it is under way."""
        return self._timer is None and bool(getattr(self._handler, "_current_request", None))

    def cut(self) -> None:
        """Close at once."""
        if self._transport is not None:
            self._transport.abort()
        self._frontend.leave(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take a slot."""
        self._transport = cast(asyncio.Transport, transport)
        self._timer = asyncio.get_running_loop().call_later(FIRST_REQUEST_SECONDS, self.cut)
        self._handler.connection_made(transport)
        self._frontend.enter(self)

    def data_received(self, data: bytes) -> None:
        """Pass on what is asked."""
        self._stop_timer()
        self._frontend.note_request(self)
        self._handler.data_received(data)

    def eof_received(self) -> bool | None:
        """Pass on that nothing more comes."""
        return self._handler.eof_received()

    def pause_writing(self) -> None:
        """Pass on that the client does not read."""
        self._handler.pause_writing()

    def resume_writing(self) -> None:
        """Pass on that it does again."""
        self._handler.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Give the slot back."""
        self._stop_timer()
        self._frontend.leave(self)
        self._handler.connection_lost(exc)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
