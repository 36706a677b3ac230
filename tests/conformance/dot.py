"""DNS over TLS behind what ends TLS: messages in a stream, for the tests that any frontend has to pass.

Of a request it sends the message alone, and what it reads is told as HTTP would tell a reply: a transport without
statuses has no other.
"""

import socket
from types import TracebackType
from urllib.parse import parse_qs, urlsplit

from tests.conformance.exchange import MEDIA_TYPE, Request, Response, decode
from tests.conformance.http1 import TIMEOUT_SECONDS, Closed


class DotClient:
    """One connection; one message at a time."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._read = self.socket.makefile("rb")

    def __enter__(self) -> "DotClient":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def own_fields(self) -> int:
        """Fields that it adds to those of a request: there are none."""
        return 0

    def close(self) -> None:
        """Close the connection."""
        self._read.close()
        self.socket.close()

    def exchange(self, request: Request) -> Response:
        """Send the message of one request and read its reply. Raises Closed if there is none."""
        wire = self.ask(message_of(request))
        return Response(200, (("content-type", MEDIA_TYPE), ("content-length", str(len(wire)))), wire)

    def ask(self, wire: bytes) -> bytes:
        """Send one message and read another. Raises Closed if the connection ends instead."""
        try:
            self.socket.sendall(len(wire).to_bytes(2) + wire)
        except ConnectionError:
            raise Closed from None
        return self.receive()

    def receive(self) -> bytes:
        """Read one message. Raises Closed if the connection ends before it does."""
        return self._exactly(int.from_bytes(self._exactly(2)))

    def _exactly(self, count: int) -> bytes:
        try:
            read = self._read.read(count)
        except ConnectionError:
            read = b""
        if len(read) < count:
            raise Closed
        return read


def message_of(request: Request) -> bytes:
    """The DNS message that a request carries over HTTP."""
    return request.body if request.method == "POST" else decode(parse_qs(urlsplit(request.target).query)["dns"][0])
