"""The way of a connection from `accept` to its frontend.

Our own accept loop rather than `loop.create_server`, because four things must happen before TLS: the PROXY header is
read, bans are looked up, the connection limiter is asked, and a slot is taken, or the socket closed for the price of a
system call. Nothing of that waits but for the PROXY header, so it happens in the callback that accepts, and only what
waits is a task.
"""

import asyncio
import errno
import os
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

import structlog

from dohproxy.frontends.client_resolver import ClientResolver, packed_address
from dohproxy.frontends.connections import Closing, Connections, ConnectionSlot
from dohproxy.frontends.handshake_scheduler import HandshakeScheduler
from dohproxy.frontends.kernel_buffers import reset_on_close
from dohproxy.frontends.tls_transport import TlsTransport
from dohproxy.outcomes import Client
from dohproxy.policy.connection_limiter import ConnectionLimiter, ConnectionRefusal
from dohproxy.policy.penalties import Offence, Penalties
from dohproxy.policy.proxy_protocol import MAXIMUM_V2_BYTES, BadHeader, read_header
from dohproxy.policy.standing import Standing

MOST_ACCEPTED_AT_ONCE: Final = 16
"""The most connections accepted in one turn of the event loop, so that those who are connected already get theirs."""
OVERLOAD_PAUSE_SECONDS: Final = 0.1
"""The pause after running out of descriptors or memory: other connections end meanwhile. trio waits as long."""
CROWDED_HANDSHAKE_SHARE: Final = 0.4
"""Part of the time for a handshake that those who are no members have while nearly all handshakes that may be under way
are: with the usual 5 seconds two, which is two round trips on a poor mobile network."""
_BLAMED: Final = frozenset({ConnectionRefusal.TOO_MANY_PER_CLIENT, ConnectionRefusal.CLIENT_RATE})
"""Refusals that are their client's own doing, and not everybody's."""
_OVERLOAD: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS})

_log = structlog.get_logger("dohproxy.listener")

FrontendFactory = Callable[[bytes | None, ConnectionSlot], asyncio.Protocol]
"""Makes the handler of one connection from its client's packed address (None for a Unix socket) and its slot."""


@dataclass(slots=True)
class _Arriving:
    """A connection between `accept` and its frontend."""

    sock: socket.socket
    packed: bytes | None
    """Its client's address, None for a Unix socket."""
    slot: ConnectionSlot
    until: float
    """The event loop's time by which its handshake has to be there."""
    client: Client
    standing: Standing = Standing.MEMBER
    """A front proxy brings members too."""
    is_hurried: bool = False
    """It has less time for its handshake than others, as there are so many."""


class Listener:
    """Accepts on one socket and leads each connection to its frontend."""

    def __init__(
        self,
        listening: socket.socket,
        frontend: FrontendFactory,
        connections: Connections,
        client_resolver: ClientResolver,
        tls: ssl.SSLContext | None,
        connection_limiter: ConnectionLimiter | None = None,
        scheduler: HandshakeScheduler | None = None,
        penalties: Penalties | None = None,
    ) -> None:
        """`scheduler`: of the handshakes of all listeners together; without one this listener has its own. Without
        `penalties` nobody is banned."""
        self.listening = listening
        self._frontend = frontend
        self._connections = connections
        self._client_resolver = client_resolver
        self._tls = tls
        self._connection_limiter = connection_limiter
        self._scheduler = scheduler
        self._penalties = penalties
        self._loop: asyncio.AbstractEventLoop
        self._tasks: asyncio.TaskGroup
        self._is_accepting = False
        self._awaited_headers = 0
        """Connections from front proxies that have not said yet whom they bring."""
        self._count_flood = partial(connections.count, Closing.TLS_FLOOD)
        self._handshakes: set[TlsTransport] = set()
        """The handshakes under way."""

    async def accept_forever(self) -> None:
        """Accept until `stop`, and lead on what was accepted, until cancelled."""
        self._loop = asyncio.get_running_loop()
        if self._scheduler is None:
            percent = self._connections.limits.stranger_handshake_percent
            self._scheduler = HandshakeScheduler(self._loop.call_soon, self._loop.call_later, percent)
        async with asyncio.TaskGroup() as self._tasks:
            self._is_accepting = True
            self._look()
            try:
                await self._loop.create_future()
            finally:
                self.stop()
                for transport in tuple(self._handshakes):
                    transport.abort()

    def stop(self) -> None:
        """Accept nothing more. Only then may the listening socket be closed: the event loop no longer looks at it."""
        if self._is_accepting:
            self._is_accepting = False
            self._loop.remove_reader(self.listening.fileno())

    def _look(self) -> None:
        if self._is_accepting:
            self._loop.add_reader(self.listening.fileno(), self._accept)

    def _accept(self) -> None:
        for _ in range(MOST_ACCEPTED_AT_ONCE):
            try:
                accepted, address = self.listening.accept()
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                self._pause(error)
                return
            self._welcome(accepted, packed_address(accepted.family, address))

    def _pause(self, error: OSError) -> None:
        """Survive the lack of descriptors and memory."""
        if error.errno in _OVERLOAD:
            _log.warning("cannot accept connections for now", error=os.strerror(error.errno))
        # Also after any other error: one that repeats at once would leave no time to anybody else.
        self._loop.remove_reader(self.listening.fileno())
        self._loop.call_later(OVERLOAD_PAUSE_SECONDS, self._look)

    # --- Bans ---

    def _is_banned(self, packed: bytes | None, client: Client, now: float) -> bool:
        """Tell whether the client at the other end is banned. A front proxy is not asked about: it stands for many."""
        penalties = self._penalties
        if penalties is None or not penalties.bans.is_active or self._client_resolver.is_front_proxy(packed):
            return False
        is_known = self._client_resolver.member_networks.knows(client, now)
        return penalties.bans.judge(client, now, is_known=is_known) is not None

    def _blame(self, packed: bytes | None, client: Client, offence: Offence) -> None:
        if self._penalties is not None and not self._client_resolver.is_front_proxy(packed):
            self._penalties.note(client, offence, self._loop.time())

    # --- Before the handshake ---

    def _welcome(self, accepted: socket.socket, packed: bytes | None) -> None:
        """Lead a connection on as far as can be gone without waiting; its slot is the frontend's in the end."""
        try:
            accepted.setblocking(False)
            now = self._loop.time()
            if not self._client_resolver.expects_proxy_header(packed):
                self._admit(accepted, packed, now)
            elif self._awaited_headers < self._connections.limits.max_handshakes:
                self._awaited_headers += 1
                self._tasks.create_task(self._read_header(accepted, packed, now))
            else:
                self._connections.count(Closing.TOO_MANY_HANDSHAKES)
                accepted.close()
        except Exception:
            _log.exception("a connection met a bug")
            accepted.close()

    def _take_slot(
        self, accepted: socket.socket, packed: bytes | None, client: Client, standing: Standing, now: float
    ) -> _Arriving | None:
        """Return a connection that has a slot; one for which there is none is closed."""
        slot = self._connections.take_slot(client.path, standing, now)
        if slot is None:
            accepted.close()
            return None
        until = now + self._connections.limits.handshake_seconds
        return _Arriving(accepted, packed, slot, until, client, standing)

    async def _read_header(self, accepted: socket.socket, packed: bytes | None, now: float) -> None:
        """Read the PROXY header, and go on with the client that it names. Until then it has no slot: nobody knows yet
        whose that would be."""
        until = now + self._connections.limits.handshake_seconds
        source: bytes | None = None
        is_read = False
        try:
            async with asyncio.timeout_at(until):
                source = await read_proxy_header(accepted)
            is_read = True
        except BadHeader as bad:
            self._connections.count_defect(bad.defect)
        except (OSError, EOFError):
            pass
        except Exception:
            _log.exception("a connection met a bug")
        finally:
            self._awaited_headers -= 1
            if not is_read:
                self._connections.count(Closing.PROXY_HEADER)
                accepted.close()
        if is_read:
            self._admit(accepted, packed if source is None else source, self._loop.time(), until=until)

    def _hold_on(self, arriving: _Arriving) -> None:
        """Let this task end if its connection has to make room. Raises ConnectionAbortedError if it had to already."""
        if arriving.slot.is_lost:
            raise ConnectionAbortedError
        task = asyncio.current_task()

        def end() -> None:
            if task is not None:
                task.cancel()

        arriving.slot.when_lost = end

    def _admit(self, accepted: socket.socket, packed: bytes | None, now: float, until: float | None = None) -> None:
        """Ask whether this client is banned or over its limits, before TLS costs anything. `until`: what is left of its
        time, if some has passed."""
        client = self._client_resolver.of_connection(packed)
        if self._is_banned(packed, client, now):
            # Reset: a close would leave something of each of thousands to the kernel for a minute (TIME_WAIT).
            reset_on_close(accepted)
            accepted.close()
            self._connections.count(Closing.BANNED)
            return
        limiter = None if self._client_resolver.speaks_for_others(packed) else self._connection_limiter
        standing = Standing.MEMBER if limiter is None else limiter.standing(client, now)
        entered = None if limiter is None else limiter.enter(client, standing, now)
        if isinstance(entered, ConnectionRefusal):
            self._connections.count(Closing(entered.value))
            accepted.close()
            if entered in _BLAMED:
                self._blame(packed, client, Offence.CONNECTION_LIMIT)
            return
        arriving = self._take_slot(accepted, packed, client, standing, now)
        if arriving is None:
            if entered is not None:
                entered()
            return
        if entered is not None:
            arriving.slot.when_freed(entered)
        if until is not None:
            arriving.until = until
        self._lead_on(arriving)

    def _lead_on(self, arriving: _Arriving) -> None:
        try:
            if self._tls is None:
                self._tasks.create_task(self._serve_plain(arriving))
            elif self._begin_handshake(arriving):
                self._shake_hands(arriving, self._tls)
            else:
                self._turn_away(arriving, Closing.TOO_MANY_HANDSHAKES)
        except OSError:
            self._turn_away(arriving, Closing.HANDSHAKE)  # It has gone already.
        except Exception:
            _log.exception("a connection met a bug")
            self._turn_away(arriving, Closing.HANDSHAKE)

    def _begin_handshake(self, arriving: _Arriving) -> bool:
        """Tell whether a handshake may begin. If others have to make room for it, they do."""
        limiter = self._connection_limiter
        if limiter is None:
            return True
        handshakes, now = limiter.handshakes, self._loop.time()
        if arriving.standing is not Standing.MEMBER and handshakes.is_crowded:
            arriving.until -= (1 - CROWDED_HANDSHAKE_SHARE) * self._connections.limits.handshake_seconds
            arriving.is_hurried = True
        is_taken, loser = handshakes.join(arriving.slot, arriving.client.path, arriving.standing, now)
        if isinstance(loser, ConnectionSlot):
            self._connections.count(Closing.MADE_ROOM)
            loser.lose()
        return is_taken

    def _turn_away(self, arriving: _Arriving, closing: Closing) -> None:
        arriving.sock.close()
        if not arriving.slot.is_lost:  # That has been counted as what it is.
            self._connections.count(closing)
        arriving.slot.free()

    # --- To the frontend ---

    async def _serve_plain(self, arriving: _Arriving) -> None:
        is_served = False
        try:
            self._hold_on(arriving)
            frontend = self._frontend(arriving.packed, arriving.slot)
            await self._loop.connect_accepted_socket(lambda: frontend, arriving.sock)
            is_served = True
        except OSError:
            pass
        except Exception:
            _log.exception("a connection met a bug")
        finally:
            if not is_served:
                self._turn_away(arriving, Closing.HANDSHAKE)

    def _shake_hands(self, arriving: _Arriving, tls: ssl.SSLContext) -> None:
        """Begin one of the handshakes that the connection limiter allows to be under way at once."""
        scheduler = self._scheduler
        assert scheduler is not None  # noqa: S101 - `accept_forever` has seen to it.

        def end(transport: TlsTransport, is_open: bool) -> None:
            self._handshakes.discard(transport)
            if self._connection_limiter is not None:
                self._connection_limiter.handshakes.leave(arriving.slot)
            if is_open:
                self._open_frontend(arriving, transport)
            else:
                if self._is_to_blame(arriving, transport):
                    self._blame(arriving.packed, arriving.client, Offence.HANDSHAKE)
                self._turn_away(arriving, Closing.HANDSHAKE)

        def flooded() -> None:
            self._count_flood()
            self._blame(arriving.packed, arriving.client, Offence.TLS_FLOOD)

        try:
            seconds = arriving.until - self._loop.time()
            is_stranger = arriving.standing is Standing.STRANGER
            transport = TlsTransport(
                self._loop, arriving.sock, tls, seconds, end, flooded, scheduler, is_stranger=is_stranger
            )
        except BaseException:
            if self._connection_limiter is not None:
                self._connection_limiter.handshakes.leave(arriving.slot)
            raise
        self._handshakes.add(transport)
        arriving.slot.when_lost = transport.abort

    def _is_to_blame(self, arriving: _Arriving, transport: TlsTransport) -> bool:
        """Tell whether a handshake that came to nothing is its client's doing: not if it waits for us, or has waited
        for long, if others got its slot or the most of its time, or if this is the end."""
        is_ours = transport.was_kept_waiting or arriving.slot.is_lost or arriving.is_hurried
        return self._is_accepting and not is_ours

    def _open_frontend(self, arriving: _Arriving, transport: TlsTransport) -> None:
        if self._is_banned(arriving.packed, arriving.client, self._loop.time()):  # Since the handshake began.
            self._connections.count(Closing.BANNED)
            transport.abort()
            arriving.slot.free()
            return
        try:
            certificate = transport.certificate_digest()
            if certificate is not None:
                now = self._loop.time()
                self._client_resolver.note_certificate(arriving.client, certificate, arriving.slot, now)
            transport.start(self._frontend(arriving.packed, arriving.slot))
        except Exception:
            _log.exception("a connection met a bug")
            transport.abort()
            arriving.slot.free()


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
