"""The listening sockets of all workers: one set for each, opened before any worker begins and kept until the end.

On each TCP address every worker has a socket of its own (SO_REUSEPORT): the kernel spreads new connections among them
by a hash of both addresses and ports, and none is given to two. The supervisor holds each of them too. So the queue of
a worker that has died waits for the one that takes its place, and nobody is refused meanwhile.

A socket that was inherited from systemd, and a Unix socket, is one for all: whoever is free takes the next connection.
"""

import contextlib
import socket
from dataclasses import replace

from dohproxy.config import Config, ListenAddress
from dohproxy.frontends.listening import open_listener, remover_of_file
from dohproxy.frontends.public_listeners import address_in_words, places
from dohproxy.service_manager.activation import InheritedSockets
from dohproxy.workers.handover import HandedSocket


class ListeningSets:
    """One set of sockets a worker, by the worker's number."""

    def __init__(self, config: Config, count: int, inherited: InheritedSockets, sockets: contextlib.ExitStack) -> None:
        """Open all of them; they are closed with `sockets`, the files of Unix sockets removed. Raises ConfigError if an
        address cannot be had."""
        self._sets: list[dict[tuple[str, str], socket.socket]] = [{} for _ in range(count)]
        self.bound: tuple[str, ...] = ()
        """Where clients connect, with the ports that the system chose for port 0."""
        self.shared: tuple[str, ...] = ()
        """Those among them at which all workers take connections from one socket."""
        sockets.callback(self._close)
        opened_here: list[tuple[str, ListenAddress]] = []
        for key, address in places(config):
            taken = inherited.take(key, address)
            if taken is None:
                opened_here.append((key, address))
            if taken is not None or address.kind == "unix":
                one = taken or open_listener(address, key=key)
                if taken is None:
                    sockets.callback(remover_of_file(one))
                opened = [one] * count
                self.shared += (address_in_words(one),)
            else:
                opened = open_one_each(address, key, count)
            for number, one in enumerate(opened):
                self._sets[number][key, str(address)] = one
            self.bound += (address_in_words(opened[0]),)
        self.warnings = inherited.warnings(opened_here)

    def of(self, number: int) -> tuple[HandedSocket, ...]:
        """Return the sockets of one worker as it is handed them."""
        return tuple(HandedSocket(key, address, one.fileno()) for (key, address), one in self._sets[number].items())

    @property
    def descriptors(self) -> set[int]:
        """All sockets that any worker has."""
        return {one.fileno() for sockets in self._sets for one in sockets.values()}

    def strange_to(self, number: int) -> tuple[int, ...]:
        """Return the sockets that are other workers' alone."""
        return tuple(self.descriptors - {one.fileno() for one in self._sets[number].values()})

    def let_go(self, number: int) -> None:
        """Keep the sockets of one worker no longer: once it closes them too, the kernel gives them no connection."""
        mine, self._sets[number] = self._sets[number], {}
        held = {one for others in self._sets for one in others.values()}
        for one in mine.values():
            if one not in held:
                one.close()

    def _close(self) -> None:
        for number in range(len(self._sets)):
            self.let_go(number)


def open_one_each(address: ListenAddress, key: str, count: int) -> list[socket.socket]:
    """Return as many sockets that listen at one TCP address. Raises ConfigError if it cannot be had.

    One that shares with nobody comes first and goes: with SO_REUSEPORT a second service of the same user would have the
    address as well, and take half of this one's clients.
    """
    with open_listener(address, key=key) as alone:
        found = replace(address, port=alone.getsockname()[1])
    opened: list[socket.socket] = []
    try:
        while len(opened) < count:
            opened.append(open_listener(found, key=key, shares_port=True))
    except BaseException:
        for one in opened:
            one.close()
        raise
    return opened
