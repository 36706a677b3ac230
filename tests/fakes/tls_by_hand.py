"""TLS of which a test chooses each record: those that say nothing, and a server that sends them to who asks it."""

import _ssl
import asyncio
import contextlib
import ctypes
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from tests.fakes.upstream import LOOPBACK, make_reply

READ_BYTES = 65_536


def key_updates(tls: ssl.SSLObject, out: ssl.MemoryBIO, count: int) -> list[bytes]:
    """Return so many records by which one end says that it uses its next key, and has the other do so."""
    return [_record_of("SSL_key_update", tls, out, ctypes.c_int(1)) for _ in range(count)]


def session_tickets(tls: ssl.SSLObject, out: ssl.MemoryBIO, count: int) -> list[bytes]:
    """Return so many records by which a server of TLS 1.3 gives a ticket for another connection."""
    return [_record_of("SSL_new_session_ticket", tls, out) for _ in range(count)]


def renegotiation(tls: ssl.SSLObject, out: ssl.MemoryBIO) -> bytes:
    """Return the record by which a server of TLS 1.2 asks for another handshake within the connection."""
    return _record_of("SSL_renegotiate", tls, out)


def _record_of(function: str, tls: ssl.SSLObject, out: ssl.MemoryBIO, *arguments: ctypes.c_int) -> bytes:
    # Python has no way to ask for one: the native module has OpenSSL, and its object has the connection behind it.
    library = ctypes.CDLL(_ssl.__file__)
    behind = object.__basicsize__ + ctypes.sizeof(ctypes.c_void_p)  # Behind the weak reference to a socket.
    connection = ctypes.c_void_p.from_address(id(tls._sslobj) + behind)  # type: ignore[attr-defined]
    assert library[function](connection, *arguments) == 1
    library.SSL_do_handshake(connection)
    return out.read()


class Session:
    """The server's side of one connection."""

    def __init__(self, context: ssl.SSLContext, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._in, self.out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self._in, self.out, server_side=True)

    async def shake_hands(self) -> None:
        """Let the client connect. Raises EOFError if it goes."""
        while True:
            try:
                self.tls.do_handshake()
            except ssl.SSLWantReadError:
                await self.send(self.out.read())
                await self._read()
            else:
                await self.send(self.out.read())
                return

    async def question(self) -> bytes:
        """Return the client's next query, which is a frame and a record of its own. Raises EOFError if it goes."""
        while True:
            try:
                frame = self.tls.read(READ_BYTES)
            except ssl.SSLWantReadError:
                await self._read()
            else:
                if not frame:
                    raise EOFError
                return frame[2:]

    def data(self, data: bytes) -> bytes:
        """Return the record that carries this."""
        self.tls.write(data)
        return self.out.read()

    def answer(self, query: bytes) -> bytes:
        """Return the record that answers this."""
        reply = make_reply(query)
        return self.data(len(reply).to_bytes(2) + reply)

    async def send(self, records: bytes) -> None:
        """Send, and wait while the client does not take it. Raises OSError if it is gone."""
        self._writer.write(records)
        await self._writer.drain()

    def goodbye(self) -> bytes:
        """Return the record that says that no more will come."""
        with contextlib.suppress(ssl.SSLWantReadError):
            self.tls.unwrap()
        return self.out.read()

    async def received(self) -> bytes:
        """Return what the client sends next, as it is on the line."""
        return await self._reader.read(READ_BYTES)

    async def gone(self) -> int:
        """Wait until the client is gone; return how many bytes it has sent meanwhile."""
        size = 0
        with contextlib.suppress(OSError):
            while data := await self._reader.read(READ_BYTES):
                size += len(data)
        return size

    async def _read(self) -> None:
        data = await self._reader.read(READ_BYTES)
        if not data:
            raise EOFError
        self._in.write(data)


Play = Callable[[Session], Awaitable[None]]


class ServerByHand:
    """An upstream over TLS on loopback that does `play` on each connection, from before the handshake."""

    def __init__(self, context: ssl.SSLContext, play: Play) -> None:
        self.connections_made = 0
        self.port = 0
        self._context = context
        self._play = play

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Serve."""
        server = await asyncio.start_server(self._serve, LOOPBACK, 0)
        self.port = server.sockets[0].getsockname()[1]
        async with server:
            yield

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections_made += 1
        try:
            await self._play(Session(self._context, reader, writer))
        except (OSError, EOFError):
            pass
        finally:
            writer.close()
