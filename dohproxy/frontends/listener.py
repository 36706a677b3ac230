"""Listening sockets, and the way of a connection from `accept` to its door.

Our own accept loop rather than `loop.create_server`, because three things must happen before TLS: a place is taken
(or the socket closed for the price of a system call), the PROXY header is read, and the handshake's deadline starts.
"""

import asyncio
import contextlib
import errno
import os
import socket
import ssl
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import structlog

from dohproxy.config import ConfigError, ListenAddress, Problem
from dohproxy.frontends.connections import Closing, Connections, Place
from dohproxy.frontends.peers import Peers, packed_peer
from dohproxy.policy.gate import Gate, Refusal
from dohproxy.policy.proxy_protocol import MAXIMUM_V2_BYTES, BadHeader, read_header

BACKLOG: Final = 1_024
"""Connections the kernel holds for us; Linux cuts it to net.core.somaxconn (4,096)."""
SHUTDOWN_SECONDS: Final = 2.0
"""For the peer's close_notify; nobody needs longer and nobody is owed it."""
OVERLOAD_PAUSE_SECONDS: Final = 0.1
"""After running out of descriptors or memory: other connections end meanwhile. trio waits as long."""
_OVERLOAD: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS})

_log = structlog.get_logger("dohproxy.listener")

DoorFactory = Callable[[bytes | None, Place], asyncio.Protocol]
"""Makes the handler of one connection from its client's packed address (None for a Unix socket) and its place."""


def open_listener(address: ListenAddress, *, key: str = "server.listen") -> socket.socket:
    """Return a bound, listening, non-blocking socket.

    Raises ConfigError, naming the configuration's `key`, if the address cannot be had.
    """
    family = socket.AF_UNIX if address.kind == "unix" else socket.AF_INET6 if ":" in address.host else socket.AF_INET
    opened = socket.socket(family, socket.SOCK_STREAM)
    try:
        if address.kind == "unix":
            _bind_unix(opened, Path(address.path))
        else:
            _bind_tcp(opened, address)
        opened.listen(BACKLOG)
    except OSError as error:
        opened.close()
        reason = os.strerror(error.errno) if error.errno else str(error)
        remedy = (
            "name a file that is free, in a directory that this user may write to"
            if address.kind == "unix"
            else "choose a free address and port"
        )
        raise ConfigError((
            Problem(key, f"cannot listen on {address}: {reason}; {remedy}"),
        )) from None  # fmt: skip
    opened.setblocking(False)
    return opened


def _bind_tcp(opened: socket.socket, address: ListenAddress) -> None:
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if opened.family == socket.AF_INET6:
        # [::] means IPv6 alone; IPv4 has a listener of its own, and so have its clients' addresses a plain form.
        opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    opened.bind((address.host, address.port))


def _bind_unix(opened: socket.socket, path: Path) -> None:
    """Bind a Unix socket, in place of one that a dead process left behind."""
    with contextlib.suppress(FileNotFoundError):
        if stat.S_ISSOCK(path.stat().st_mode) and _is_abandoned(path):
            path.unlink()
    opened.bind(str(path))
    # The front proxy runs under another user of the same group; the directory decides who gets here at all.
    path.chmod(0o660)


def _is_abandoned(path: Path) -> bool:
    """Tell whether nobody listens any more behind a Unix socket's file."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        return probe.connect_ex(str(path)) == errno.ECONNREFUSED


class _Refused(Exception):
    """The gate lets this connection not in."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.value)
        self.refusal = refusal


class Listener:
    """Accepts on one socket and leads each connection to its door."""

    def __init__(
        self,
        listening: socket.socket,
        door: DoorFactory,
        connections: Connections,
        peers: Peers,
        tls: ssl.SSLContext | None,
        gate: Gate | None = None,
    ) -> None:
        self.listening = listening
        self._door = door
        self._connections = connections
        self._peers = peers
        self._tls = tls
        self._gate = gate
        self._accepting: asyncio.Task[None] | None = None

    async def accept_forever(self) -> None:
        """Accept until cancelled, or until `stop` and the end of all handshakes."""
        async with asyncio.TaskGroup() as tasks:
            self._accepting = tasks.create_task(self._accept(tasks))

    async def stop(self) -> None:
        """Accept nothing more. Only then may the listening socket be closed: the event loop no longer looks at it."""
        if self._accepting is not None:
            self._accepting.cancel()
            await asyncio.wait([self._accepting])

    async def _accept(self, tasks: asyncio.TaskGroup) -> None:
        """Survives the lack of descriptors and memory."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                accepted, _ = await loop.sock_accept(self.listening)
            except OSError as error:
                if error.errno in _OVERLOAD:
                    _log.warning("cannot accept connections for now", error=os.strerror(error.errno))
                # Also after any other error: one that repeats at once would leave no time to anybody else.
                await asyncio.sleep(OVERLOAD_PAUSE_SECONDS)
                continue
            place = self._connections.take_place()
            if place is None:
                accepted.close()
            else:
                tasks.create_task(self._welcome(accepted, place))

    async def _welcome(self, accepted: socket.socket, place: Place) -> None:
        """Take one connection through PROXY header and handshake; its place is the door's from then on."""
        closing: Closing | None = Closing.PROXY_HEADER
        is_handed_over = False
        try:
            async with asyncio.timeout(self._connections.limits.handshake_seconds):
                packed = await self._client_address(accepted)
                self._admit(packed, place)
                closing = Closing.HANDSHAKE
                door = self._door(packed, place)
                with self._handshake():
                    is_handed_over = True
                    await self._hand_over(accepted, door)
                closing = None
        except _Refused as refused:
            closing = Closing(refused.refusal.value)
        except (OSError, BadHeader, EOFError):
            pass
        except Exception:
            _log.exception("a connection met a bug")
        finally:
            if not is_handed_over:
                accepted.close()  # Later the socket is its transport's, which closes by itself.
            if closing is not None:
                place.free()
                self._connections.count(closing)

    def _admit(self, packed: bytes | None, place: Place) -> None:
        """Ask the gate for this client, before TLS costs anything; a front proxy stands for many and is not asked."""
        gate = self._gate
        if gate is None or self._peers.speaks_for_others(packed):
            return
        client = self._peers.of_connection(packed)
        refusal = gate.enter(client, asyncio.get_running_loop().time())
        if refusal is not None:
            raise _Refused(refusal)
        place.when_freed(lambda: gate.leave(client))

    @contextlib.contextmanager
    def _handshake(self) -> Iterator[None]:
        """Hold one of the handshakes that may be under way."""
        if self._gate is None or self._tls is None:
            yield
            return
        if not self._gate.begin_handshake():
            raise _Refused(Refusal.TOO_MANY_HANDSHAKES)
        try:
            yield
        finally:
            self._gate.end_handshake()

    async def _hand_over(self, accepted: socket.socket, door: asyncio.Protocol) -> None:
        loop = asyncio.get_running_loop()
        if self._tls is None:
            await loop.connect_accepted_socket(lambda: door, accepted)
            return
        await loop.connect_accepted_socket(
            lambda: door,
            accepted,
            ssl=self._tls,
            ssl_handshake_timeout=self._connections.limits.handshake_seconds,
            ssl_shutdown_timeout=SHUTDOWN_SECONDS,
        )

    async def _client_address(self, accepted: socket.socket) -> bytes | None:
        packed = packed_peer(accepted)
        if not self._peers.expects_proxy_header(packed):
            return packed
        source = await read_proxy_header(accepted)
        return source if source is not None else packed


async def read_proxy_header(accepted: socket.socket) -> bytes | None:
    """Read the PROXY header at the start of a connection and nothing behind it; return its source address.

    Raises BadHeader, and EOFError if the peer closes first.
    """
    read = b""
    while True:
        await _wait_readable(accepted)
        peeked = accepted.recv(MAXIMUM_V2_BYTES, socket.MSG_PEEK)
        if not peeked:
            raise EOFError
        header = read_header(read + peeked)
        # An unfinished header is all that is there, so all of it may be taken; a finished one ends at `consumed`.
        taken = len(peeked) if header is None else header.consumed - len(read)
        read += accepted.recv(taken)
        if header is not None:
            return header.source


async def _wait_readable(accepted: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    readable: asyncio.Future[None] = loop.create_future()

    def wake() -> None:
        if not readable.done():
            readable.set_result(None)

    loop.add_reader(accepted, wake)
    try:
        await readable
    finally:
        loop.remove_reader(accepted)
