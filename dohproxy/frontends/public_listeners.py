"""Where clients connect: one listener an address, and those of a reload in place of those before.

An address that goes from one protocol to the other keeps its socket: nobody else can have it meanwhile, and who is in
its queue is accepted by the next listener.
"""

import socket
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any

from dohproxy.config import Config, ListenAddress
from dohproxy.config.addresses import bracketed
from dohproxy.frontends.listener import Listener
from dohproxy.frontends.opener import Opener
from dohproxy.service_manager.activation import DOT_KEY, SERVER_KEY, is_same

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
        return tuple(address_in_words(one.listening) for one in self.by_place.values())

    def open(self, wanted: Sequence[Place], write_seconds: float) -> dict[Place, socket.socket]:
        """Return a socket for each place that has no listener yet: that of a place which is not wanted any more, if it
        is at the same address, else one that is opened here. All or none; until `switch` those there are go on.
        Raises ConfigError."""
        left = [place for place in self.by_place if place not in frozenset(wanted)]
        found: dict[Place, socket.socket] = {}
        for place in wanted:
            before = next((one for one in left if is_same(one[1], place[1])), None)
            if before is not None and place not in self.by_place:
                found[place] = self.by_place[before].listening
        new = [place for place in wanted if place not in self.by_place and place not in found]
        return found | self._opener.open_all(new, write_seconds)

    def add(self, opened: dict[Place, socket.socket]) -> None:
        """Have a listener on each of these sockets; nothing is accepted before `accept`."""
        for place, one in opened.items():
            self.by_place[place] = self._make(place[0], one)

    def accept(self) -> None:
        """Let every listener that there is accept from now on."""
        for listener in self.by_place.values():
            self._begin(listener.accept_forever())

    def switch(self, wanted: Iterable[Place], opened: dict[Place, socket.socket]) -> None:
        """Listen at these places alone, for which `open` has returned `opened`; connections that came elsewhere, or
        before, go on as they began."""
        gone = [self.by_place.pop(place) for place in self.by_place.keys() - frozenset(wanted)]
        # The event loop has one reader a socket: who had it leaves before the next one comes.
        for listener in gone:
            listener.stop()
        self.add(opened)
        for place, one in opened.items():
            self._opener.note_place(one, place)
            self._begin(self.by_place[place].accept_forever())
        handed_on = frozenset(opened.values())
        for listener in gone:
            if listener.listening not in handed_on:
                self._opener.close(listener.listening)

    def stop(self) -> None:
        """Take nothing new; what has been accepted goes on."""
        for listener in self.by_place.values():
            listener.stop()
            listener.listening.close()
        self.by_place.clear()  # Who asks meanwhile where clients connect is told: nowhere.


def address_in_words(listening: socket.socket) -> str:
    """Return where a socket listens, with the port that the system chose for port 0."""
    name = listening.getsockname()
    if listening.family == socket.AF_UNIX:
        return f"unix:{name}"
    return f"{bracketed(name[0])}:{name[1]}"
