"""Where clients connect: one listener an address, and those of a reload in place of those before."""

import socket
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from dohproxy.config import ListenAddress
from dohproxy.config.addresses import bracketed
from dohproxy.frontends.listener import Listener
from dohproxy.frontends.opener import Opener
from dohproxy.service_manager.activation import PUBLIC_KEY


class PublicListeners:
    """All listeners of one process that clients reach."""

    def __init__(
        self,
        opener: Opener,
        make: Callable[[socket.socket], Listener],
        begin: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        """`make` returns who accepts on a listening socket, and `begin` lets what it is given run."""
        self._opener = opener
        self._make = make
        self._begin = begin
        self.by_address: dict[ListenAddress, Listener] = {}

    @property
    def bound(self) -> tuple[str, ...]:
        """Where clients connect now, with the ports that the system chose for port 0."""
        return tuple(_bound_address(one.listening) for one in self.by_address.values())

    def open(self, addresses: Iterable[ListenAddress], write_seconds: float) -> dict[ListenAddress, socket.socket]:
        """Open the listening sockets that there are not yet; all or none. Raises ConfigError."""
        new = [address for address in addresses if address not in self.by_address]
        return self._opener.open_all(PUBLIC_KEY, new, write_seconds)

    def add(self, opened: dict[ListenAddress, socket.socket]) -> None:
        """Have a listener on each of these sockets; nothing is accepted before `accept`."""
        for address, one in opened.items():
            self.by_address[address] = self._make(one)

    def accept(self) -> None:
        """Let every listener that there is accept from now on."""
        for listener in self.by_address.values():
            self._begin(listener.accept_forever())

    def switch(self, addresses: Iterable[ListenAddress], opened: dict[ListenAddress, socket.socket]) -> None:
        """Listen at these addresses alone, of which `opened` are new; connections that came elsewhere go on."""
        self.add(opened)
        for address in opened:
            self._begin(self.by_address[address].accept_forever())
        wanted = frozenset(addresses)
        for address in tuple(self.by_address):
            if address not in wanted:
                gone = self.by_address.pop(address)
                gone.stop()
                self._opener.close(gone.listening)

    def stop(self) -> None:
        """Take nothing new; what has been accepted goes on."""
        for listener in self.by_address.values():
            listener.stop()
            listener.listening.close()


def _bound_address(listening: socket.socket) -> str:
    """Return where a socket listens, with the port that the system chose for port 0."""
    name = listening.getsockname()
    if listening.family == socket.AF_UNIX:
        return f"unix:{name}"
    return f"{bracketed(name[0])}:{name[1]}"
