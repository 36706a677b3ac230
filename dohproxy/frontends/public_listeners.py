"""Where clients connect: one listener an address, and those of a reload in place of those before."""

import socket
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from dohproxy.config import Config, ListenAddress
from dohproxy.config.addresses import bracketed
from dohproxy.frontends.listener import Listener
from dohproxy.frontends.opener import Opener
from dohproxy.service_manager.activation import DOT_KEY, SERVER_KEY

Place = tuple[str, ListenAddress]
"""A key of the configuration and one of its addresses: the key says which protocol a client speaks there that does not
say so itself."""


def places(config: Config) -> tuple[Place, ...]:
    """Return where clients connect, by this configuration."""
    return (
        *((SERVER_KEY, address) for address in config.server.listen),
        *((DOT_KEY, address) for address in config.dot.listen),
    )


class PublicListeners:
    """All listeners of one process that clients reach."""

    def __init__(
        self,
        opener: Opener,
        make: Callable[[str, socket.socket], Listener],
        begin: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        """`make` returns who accepts on a listening socket of this key, and `begin` lets what it is given run."""
        self._opener = opener
        self._make = make
        self._begin = begin
        self.by_place: dict[Place, Listener] = {}

    @property
    def bound(self) -> tuple[str, ...]:
        """Where clients connect now, with the ports that the system chose for port 0."""
        return tuple(_bound_address(one.listening) for one in self.by_place.values())

    def open(self, wanted: Iterable[Place], write_seconds: float) -> dict[Place, socket.socket]:
        """Open the listening sockets that there are not yet; all or none. Raises ConfigError."""
        return self._opener.open_all([place for place in wanted if place not in self.by_place], write_seconds)

    def add(self, opened: dict[Place, socket.socket]) -> None:
        """Have a listener on each of these sockets; nothing is accepted before `accept`."""
        for place, one in opened.items():
            self.by_place[place] = self._make(place[0], one)

    def accept(self) -> None:
        """Let every listener that there is accept from now on."""
        for listener in self.by_place.values():
            self._begin(listener.accept_forever())

    def switch(self, wanted: Iterable[Place], opened: dict[Place, socket.socket]) -> None:
        """Listen at these places alone, of which `opened` are new; connections that came elsewhere go on."""
        self.add(opened)
        for place in opened:
            self._begin(self.by_place[place].accept_forever())
        kept = frozenset(wanted)
        for place in tuple(self.by_place):
            if place not in kept:
                gone = self.by_place.pop(place)
                gone.stop()
                self._opener.close(gone.listening)

    def stop(self) -> None:
        """Take nothing new; what has been accepted goes on."""
        for listener in self.by_place.values():
            listener.stop()
            listener.listening.close()
        self.by_place.clear()  # Who asks meanwhile where clients connect is told: nowhere.


def _bound_address(listening: socket.socket) -> str:
    """Return where a socket listens, with the port that the system chose for port 0."""
    name = listening.getsockname()
    if listening.family == socket.AF_UNIX:
        return f"unix:{name}"
    return f"{bracketed(name[0])}:{name[1]}"
