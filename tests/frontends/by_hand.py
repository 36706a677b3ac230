"""One connection without a socket: a test gives bytes to a frontend, and sees what is written before that returns."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from dohproxy.frontends.connections import Connections
from dohproxy.frontends.protocol_chooser import FrontendMaker
from dohproxy.policy.standing import Standing
from tests.frontends.growth import Nowhere

ADDRESS = bytes((127, 0, 0, 1))


class ByHand:
    """The client's end. Made by `connected`."""

    def __init__(self, frontend: asyncio.Protocol) -> None:
        self._frontend = frontend
        self._transport = Nowhere(reads=False)
        frontend.connection_made(self._transport)

    def send(self, data: bytes) -> bytes:
        """Let the frontend receive bytes; return what it has written by the time that it returns."""
        self._frontend.data_received(data)
        return self.written()

    def written(self) -> bytes:
        """Return what the frontend has written since somebody has asked."""
        written = b"".join(self._transport.unread)
        self._transport.unread.clear()
        return written


@contextmanager
def connected(make: FrontendMaker, register: Connections) -> Iterator[ByHand]:
    """Open a connection to a frontend, and lose it at the end."""
    slot = register.take_slot((), Standing.MEMBER, 0.0)
    assert slot is not None
    frontend = make(ADDRESS, slot)
    try:
        yield ByHand(frontend)
    finally:
        frontend.connection_lost(None)
