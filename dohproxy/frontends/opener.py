"""Every listener of one process: inherited where it can be, opened here where not, and bounded alike."""

import contextlib
import socket
from collections.abc import Callable, Iterable

from dohproxy.config import ConfigError, ListenAddress, Problem
from dohproxy.frontends.kernel_buffers import bound_sending
from dohproxy.frontends.listening import defer_accepting, open_listener, remover_of_file, take_over
from dohproxy.service_manager.activation import InheritedSockets


class Opener:
    """Opens listeners, and closes each of them when it is told to or when `sockets` is left."""

    def __init__(self, inherited: InheritedSockets, sockets: contextlib.ExitStack) -> None:
        self._inherited = inherited
        self._sockets = sockets
        self._opened_here: dict[socket.socket, tuple[str, ListenAddress]] = {}
        self._removers: dict[socket.socket, Callable[[], None]] = {}

    def open(self, key: str, address: ListenAddress, write_seconds: float) -> socket.socket:
        """Return a listening, non-blocking socket for a key of the configuration, which has this address.

        `write_seconds` is the time for a client to take its response, after which the kernel cuts it too. Raises
        ConfigError if the address cannot be had.
        """
        inherited = self._inherited.take(key, address)
        opened = take_over(inherited) if inherited is not None else open_listener(address, key=key)
        self._sockets.callback(self.close, opened)
        if inherited is None:
            self._opened_here[opened] = key, address
            self._removers[opened] = remover_of_file(opened)
        bound_sending(opened, write_seconds)
        return opened

    def open_all(
        self, wanted: Iterable[tuple[str, ListenAddress]], write_seconds: float
    ) -> dict[tuple[str, ListenAddress], socket.socket]:
        """Return a socket for clients for each key and address, all or none. Raises ConfigError."""
        opened: dict[tuple[str, ListenAddress], socket.socket] = {}
        try:
            for key, address in wanted:
                opened[key, address] = self.open(key, address, write_seconds)
                defer_accepting(opened[key, address])
        except ConfigError:
            for one in opened.values():
                self.close(one)
            raise
        return opened

    def note_place(self, opened: socket.socket, place: tuple[str, ListenAddress]) -> None:
        """Note for which key and address a socket is from now on; `warnings` names them."""
        if opened in self._opened_here:
            self._opened_here[opened] = place

    def close(self, opened: socket.socket) -> None:
        """Close a socket, unless that was done.

        The file of a Unix socket goes with it, unless it was inherited: then it is whose who bound it.
        """
        if self._opened_here.pop(opened, None) is None:
            self._inherited.give_back(opened)
        self._removers.pop(opened, _do_nothing)()
        opened.close()

    def warnings(self) -> tuple[Problem, ...]:
        """Return what does not fit between inherited sockets and what was opened; see `InheritedSockets.warnings`."""
        return self._inherited.warnings(tuple(self._opened_here.values()))


def _do_nothing() -> None:
    pass
