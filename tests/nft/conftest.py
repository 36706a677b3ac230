"""A helper that runs, with a program in the place of nft that writes down what it is told."""

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dohproxy.nft.drops import Drops
from dohproxy.nft.helper import Helper, Nft, listen
from dohproxy.nft.protocol import Command, Hello, Network, Reply, read_hello, read_recalled, read_reply, write_command

STAND_IN = """#!/bin/sh
# In the place of nft: keeps what it is told, and does what it is bidden.
here=$(dirname "$0")
[ -e "$here/broken" ] && { echo '/dev/stdin:1:5-9: Error: No such file 192.0.2.7 or 2001:db8::/64 there'; exit 1; } >&2
case $1 in
    -j) echo '{"nftables": [{"metainfo": {}}, {"counter": {"packets": 3}}, {"counter": {"packets": 4}}]}' ;;
    *) { cat; echo; } >>"$here/told" ;;
esac
"""


class Connection:
    """The service's end."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(10)
        self._socket.connect(str(path))
        self._lines = self._socket.makefile("rb")

    def hello(self) -> Hello:
        """The first line."""
        return read_hello(self._lines.readline())

    def say(self, *commands: Command | bytes) -> None:
        """Send these."""
        for one in commands:
            self._socket.sendall(one if isinstance(one, bytes) else write_command(one))

    def ask(self, *commands: Command | bytes) -> Reply:
        """Send these, of which the last one is answered."""
        self.say(*commands)
        return read_reply(self._lines.readline())

    def recalled(self) -> tuple[Network, ...]:
        """The networks that are told up to the empty line."""
        found: tuple[Network, ...] = ()
        while networks := read_recalled(self._lines.readline()).networks:
            found += networks
        return found

    def is_closed(self) -> bool:
        """Whether the helper has closed it."""
        try:
            return self._lines.readline() == b""
        except ConnectionError:
            return True

    def close(self) -> None:
        """Go."""
        self._lines.close()
        self._socket.close()


class Running:
    """A helper, and what it has said to nft and to the journal."""

    def __init__(self, directory: Path, allowed: int, most: int = 100) -> None:
        self.path = directory / "socket"
        self.said: list[str] = []
        self._directory = directory
        program = directory / "nft"
        program.write_text(STAND_IN)
        program.chmod(0o755)
        self.nft = Nft(str(program))
        self.drops = Drops([443], (), most)
        self._wake, self._waker = socket.socketpair()
        self._listening = listen(self.path)
        self.helper = Helper(self._listening, allowed, self.drops, self.nft, self.said.append)
        self._thread = threading.Thread(target=self.helper.serve, args=(self._wake,))
        self._thread.start()

    def connect(self) -> Connection:
        """Connect as the service does."""
        return Connection(self.path)

    def told(self) -> str:
        """What nft was told."""
        file = self._directory / "told"
        return file.read_text() if file.exists() else ""

    def break_nft(self, *, is_broken: bool) -> None:
        """Have nft fail from now on, or not."""
        mark = self._directory / "broken"
        if is_broken:
            mark.touch()
        else:
            mark.unlink()

    def stop(self) -> None:
        """End it."""
        self._waker.send(b".")
        self._thread.join(20)
        assert not self._thread.is_alive()
        for one in (self._wake, self._waker, self._listening):
            one.close()


RunHelper = Callable[..., Running]


@pytest.fixture
def run_helper(tmp_path: Path) -> Iterator[RunHelper]:
    """Start a helper that listens to this user, or to another."""
    started: list[Running] = []

    def run(allowed: int = os.getuid(), most: int = 100) -> Running:
        started.append(Running(tmp_path, allowed, most))
        return started[-1]

    yield run
    for one in started:
        one.stop()


@contextmanager
def connected(running: Running) -> Iterator[Connection]:
    """A connection that has been greeted."""
    connection = running.connect()
    try:
        connection.hello()
        yield connection
    finally:
        connection.close()
