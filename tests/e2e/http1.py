"""A small HTTP/1.1 client on a raw socket: one connection kept open, one request at a time, bytes as given.

It accepts only what a DoH client on a small device accepts: a Content-Length, never chunks.
"""

import base64
import socket
import ssl
from dataclasses import dataclass
from types import TracebackType

import dns.message

MEDIA_TYPE = "application/dns-message"

# dnscrypt-proxy reads no larger block of header fields.
MAX_HEAD_BYTES = 4096
MAX_BODY_BYTES = 65535


class HttpError(Exception):
    """The server broke HTTP/1.1, or the narrower form of it that DNS clients need."""


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """One response."""

    status: int
    fields: tuple[tuple[str, str], ...]
    """Header fields in order, names in lower case."""
    body: bytes

    def field(self, name: str) -> str | None:
        """The value of the first header field of this name, which is given in lower case."""
        return next((value for field, value in self.fields if field == name), None)

    def message(self) -> dns.message.Message:
        """The DNS message in the body; raise HttpError when this is not a DNS answer."""
        if self.status != 200 or self.field("content-type") != MEDIA_TYPE:
            raise HttpError(f"no DNS answer: {self}")
        return dns.message.from_wire(self.body)


class Http1Client:
    """A connection to one server, in the clear or over TLS."""

    def __init__(
        self,
        port: int,
        *,
        host: str = "127.0.0.1",
        context: ssl.SSLContext | None = None,
        path: str = "/dns-query",
        timeout_seconds: float = 20.0,
    ) -> None:
        self._host = host
        self._path = path
        connection = socket.create_connection(("127.0.0.1", port), timeout=timeout_seconds)
        self._socket = connection if context is None else context.wrap_socket(connection, server_hostname=host)
        self._buffer = b""

    def __enter__(self) -> "Http1Client":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    def get(self, wire: bytes) -> HttpAnswer:
        """Ask as RFC 8484 GET."""
        self.send_get(wire)
        return self.receive()

    def post(self, wire: bytes) -> HttpAnswer:
        """Ask as RFC 8484 POST."""
        fields = f"Accept: {MEDIA_TYPE}\r\nContent-Type: {MEDIA_TYPE}\r\n"
        return self.request("POST", self._path, fields, wire)

    def request(self, method: str, target: str, fields: str = "", body: bytes = b"") -> HttpAnswer:
        """Send one request, adding Host and a body's Content-Length to `fields`, and read its answer."""
        self._send(method, target, fields, body)
        return self.receive(has_body=method != "HEAD")

    def send_get(self, wire: bytes) -> None:
        """Send a GET and leave its answer to `receive`."""
        encoded = base64.urlsafe_b64encode(wire).rstrip(b"=").decode("ascii")
        self._send("GET", f"{self._path}?dns={encoded}", f"Accept: {MEDIA_TYPE}\r\n", b"")

    def receive(self, *, has_body: bool = True) -> HttpAnswer:
        """Read one answer; raise HttpError when it is not one that every DNS client can read."""
        head = self._read_head()
        status_line, *lines = head.decode("latin-1").split("\r\n")
        fields = tuple(_field(line) for line in lines)
        version, status, *_ = status_line.split(" ", 2)
        if version != "HTTP/1.1" or not status.isdigit():
            raise HttpError(f"bad status line {status_line!r}")
        answer = HttpAnswer(int(status), fields, b"")
        body = self._read_body(answer) if has_body else b""
        return HttpAnswer(answer.status, fields, body)

    def _send(self, method: str, target: str, fields: str, body: bytes) -> None:
        length = f"Content-Length: {len(body)}\r\n" if body else ""
        head = f"{method} {target} HTTP/1.1\r\nHost: {self._host}\r\n{fields}{length}\r\n"
        self._socket.sendall(head.encode("latin-1") + body)

    def _read_head(self) -> bytes:
        while (end := self._buffer.find(b"\r\n\r\n")) < 0:
            if len(self._buffer) > MAX_HEAD_BYTES:
                raise HttpError(f"more than {MAX_HEAD_BYTES} bytes of header fields")
            self._fill()
        head, self._buffer = self._buffer[:end], self._buffer[end + 4 :]
        return head

    def _read_body(self, answer: HttpAnswer) -> bytes:
        if answer.field("transfer-encoding") is not None:
            raise HttpError("a transfer coding, where many DNS clients know none")
        length = answer.field("content-length")
        if length is None or not length.isdigit() or int(length) > MAX_BODY_BYTES:
            raise HttpError(f"no usable Content-Length: {length!r}")
        while len(self._buffer) < int(length):
            self._fill()
        body, self._buffer = self._buffer[: int(length)], self._buffer[int(length) :]
        return body

    def _fill(self) -> None:
        received = self._socket.recv(65536)
        if not received:
            raise HttpError(f"connection closed after {self._buffer!r}")
        self._buffer += received


def _field(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon or not name or name != name.strip():
        raise HttpError(f"bad header field {line!r}")
    return name.lower(), value.strip()
