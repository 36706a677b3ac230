"""Every listener of one process: inherited where it can be, opened here where not, and bounded alike."""

import contextlib
import socket

from dohproxy.config import ListenAddress, Problem
from dohproxy.frontends.kernel_buffers import bound_sending
from dohproxy.frontends.listening import open_listener, remover_of_file, take_over
from dohproxy.service_manager.activation import InheritedSockets


class Opener:
    """Opens listeners until `sockets` is left."""

    def __init__(self, inherited: InheritedSockets, sockets: contextlib.ExitStack, write_seconds: float) -> None:
        """`write_seconds`: for a client to take its response, after which the kernel cuts it too."""
        self._inherited = inherited
        self._sockets = sockets
        self._write_seconds = write_seconds
        self._opened_here: list[tuple[str, ListenAddress]] = []

    def __call__(self, key: str, address: ListenAddress) -> socket.socket:
        """Return a listening, non-blocking socket for a key of the configuration, which has this address.

        The file of a Unix socket goes with it, unless it was inherited: then it is whose who bound it. Raises
        ConfigError if the address cannot be had.
        """
        inherited = self._inherited.take(key, address)
        if inherited is not None:
            opened = self._sockets.enter_context(take_over(inherited))
        else:
            opened = self._sockets.enter_context(open_listener(address, key=key))
            self._sockets.callback(remover_of_file(opened))
            self._opened_here.append((key, address))
        bound_sending(opened, self._write_seconds)
        return opened

    def warnings(self) -> tuple[Problem, ...]:
        """Return what does not fit between inherited sockets and what was opened; see `InheritedSockets.warnings`."""
        return self._inherited.warnings(self._opened_here)
