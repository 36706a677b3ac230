"""A client that writes the bytes it is told to, when it is told to, and reads only when asked."""

import asyncio
import base64
import contextlib
import socket
import ssl
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final, Self

import dns.message

PATH: Final = "/dns-query"
READ_SECONDS: Final = 10.0
MEDIA_TYPE: Final = "application/dns-message"
RESET: Final = struct.pack("ii", 1, 0)
"""SO_LINGER on, for no time: closing sends a reset."""


@dataclass(frozen=True, slots=True)
class Response:
    """One response."""

    status: int
    fields: dict[str, str]
    """Names in lower case."""
    body: bytes

    @property
    def closes(self) -> bool:
        """Whether it says that it is the connection's last."""
        return self.fields.get("connection") == "close"

    def message(self) -> dns.message.Message:
        """Its DNS message."""
        assert (self.status, self.fields.get("content-type")) == (200, MEDIA_TYPE), self
        return dns.message.from_wire(self.body)


class RawClient:
    """One connection."""

    def __init__(self, connected: socket.socket, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.socket = connected
        self._reader = reader
        self._writer = writer

    @classmethod
    async def connect(cls, address: Any, before: bytes = b"", context: ssl.SSLContext | None = None) -> Self:
        """Connect to a socket address (a text is a Unix socket's); `before` goes out ahead of TLS.

        Its receive buffer is small, so that a client that stops reading is soon noticed.
        """
        loop = asyncio.get_running_loop()
        family = (
            socket.AF_UNIX if isinstance(address, str) else socket.AF_INET if len(address) == 2 else socket.AF_INET6
        )
        connected = socket.socket(family, socket.SOCK_STREAM)
        connected.setblocking(False)
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)
        try:
            async with asyncio.timeout(READ_SECONDS):
                await loop.sock_connect(connected, address)
                await loop.sock_sendall(connected, before)
                reader, writer = await asyncio.open_connection(
                    sock=connected, ssl=context, server_hostname="localhost" if context else None
                )
        except BaseException:
            connected.close()
            raise
        return cls(connected, reader, writer)

    def write(self, data: bytes) -> None:
        """Hand bytes to the kernel, without waiting for anybody."""
        self._writer.write(data)

    async def send(self, data: bytes) -> None:
        """Send bytes, and wait until they are on their way."""
        self._writer.write(data)
        await self._writer.drain()

    def stop_reading(self) -> None:
        """Take nothing more from the kernel."""
        self._writer.transport.pause_reading()  # type: ignore[attr-defined]

    def read_again(self) -> None:
        """Take what the kernel has."""
        self._writer.transport.resume_reading()  # type: ignore[attr-defined]

    async def ask(self, data: bytes) -> Response:
        """Send bytes and read one response."""
        await self.send(data)
        return await self.response()

    async def response(self) -> Response:
        """Read one response."""
        async with asyncio.timeout(READ_SECONDS):
            return await self._next_response()

    async def responses(self, count: int, *, within_seconds: float) -> AsyncIterator[Response]:
        """Read so many responses under one deadline: setting one for each costs more than the responses themselves."""
        async with asyncio.timeout(within_seconds):
            for _ in range(count):
                yield await self._next_response()

    async def _next_response(self) -> Response:
        head = await self._reader.readuntil(b"\r\n\r\n")
        status_line, *lines = head.decode("ascii").removesuffix("\r\n\r\n").split("\r\n")
        assert status_line.startswith("HTTP/1.1 "), status_line
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        assert len(fields) == len(lines), f"a field twice: {lines}"
        status = int(status_line.split()[1])
        body = await self._reader.readexactly(0 if status == 100 else int(fields["content-length"]))
        return Response(status, fields, body)

    async def exactly(self, count: int) -> bytes:
        """Read so many bytes."""
        async with asyncio.timeout(READ_SECONDS):
            return await self._reader.readexactly(count)

    async def read(self) -> bytes:
        """Return what has come, waiting for it; nothing at the end."""
        async with asyncio.timeout(READ_SECONDS):
            with contextlib.suppress(OSError):
                return await self._reader.read(65_536)
        return b""

    async def rest(self) -> bytes:
        """Read until the server closes, in whatever way."""
        received = bytearray()
        async with asyncio.timeout(READ_SECONDS):
            with contextlib.suppress(OSError):
                while chunk := await self._reader.read(65_536):
                    received += chunk
        return bytes(received)

    def half_close(self) -> None:
        """Say that nothing more will come."""
        self._writer.write_eof()

    def cut(self) -> None:
        """Close."""
        self._writer.transport.abort()

    def reset(self) -> None:
        """Close with a reset."""
        transport_socket = self._writer.get_extra_info("socket")
        transport_socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self._writer.transport.abort()


def query(name: str = "localhost", rdtype: str = "A") -> bytes:
    """Return a query's wire form; `localhost` is answered without any upstream."""
    return dns.message.make_query(name, rdtype, id=0).to_wire()


def get(name: str = "localhost", fields: str = "", *, path: str = PATH, version: str = "1.1") -> bytes:
    """Return a GET."""
    encoded = base64.urlsafe_b64encode(query(name)).rstrip(b"=").decode()
    return f"GET {path}?dns={encoded} HTTP/{version}\r\nHost: localhost\r\n{fields}\r\n".encode()


def post_head(fields: str, *, path: str = PATH) -> bytes:
    """Return the header of a POST."""
    return f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {MEDIA_TYPE}\r\n{fields}\r\n".encode()


def post(name: str = "localhost", fields: str = "") -> bytes:
    """Return a POST."""
    body = query(name)
    return post_head(f"Content-Length: {len(body)}\r\n{fields}") + body


def chunked(body: bytes, size: int) -> bytes:
    """Return a body in chunks of `size`, with its end."""
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
