"""HTTP/1.1 as bytes on a socket, for tests that say exactly what is sent and see exactly what comes."""

import socket
import ssl
from types import TracebackType

from tests.conformance.exchange import Request, Response

HOST = "localhost"
TIMEOUT_SECONDS = 15.0


class Closed(Exception):
    """The server closed the connection before a whole response."""


class Http1Client:
    """One connection, in the clear or over TLS."""

    def __init__(self, port: int, trust: ssl.SSLContext | None = None) -> None:
        connection = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_SECONDS)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = connection if trust is None else trust.wrap_socket(connection, server_hostname=HOST)
        self._buffer = b""

    def __enter__(self) -> "Http1Client":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def own_fields(self) -> int:
        """Fields that it adds to those of a GET: Host."""
        return 1

    def close(self) -> None:
        """Close the connection."""
        self.socket.close()

    def exchange(self, request: Request) -> Response:
        """Send one request and read its response."""
        self.send(render(request))
        return self.receive(has_body=request.method != "HEAD")

    def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.socket.sendall(data)

    def receive(self, *, has_body: bool = True) -> Response:
        """Read one response; raises Closed if the connection ends before it does."""
        while (end := self._buffer.find(b"\r\n\r\n")) < 0:
            self._fill()
        head, self._buffer = self._buffer[: end + 4], self._buffer[end + 4 :]
        status_line, *lines = head[:-4].decode("ascii").split("\r\n")
        version, status, _ = status_line.split(" ", 2)
        assert version == "HTTP/1.1"
        fields = tuple((name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines))
        has_body = has_body and not status.startswith("1") and status not in ("204", "304")
        length = int(dict(fields)["content-length"]) if has_body else 0
        while len(self._buffer) < length:
            self._fill()
        body, self._buffer = self._buffer[:length], self._buffer[length:]
        return Response(int(status), fields, body, head_bytes=len(head))

    def is_at_end(self) -> bool:
        """Tell whether the server has closed and sent nothing more."""
        try:
            self._fill()
        except Closed:
            return not self._buffer
        return False

    def _fill(self) -> None:
        try:
            received = self.socket.recv(65_536)
        except ConnectionResetError:
            received = b""
        if not received:
            raise Closed(self._buffer)
        self._buffer += received


def render(request: Request) -> bytes:
    """The bytes of a request: a Host unless it has one, and a Content-Length for what has a body."""
    names = {name.lower() for name, _ in request.fields}
    lines = [f"{request.method} {request.target} HTTP/1.1"]
    if "host" not in names:
        lines.append(f"Host: {HOST}")
    lines += [f"{name}: {value}" for name, value in request.fields]
    if (request.body or request.method == "POST") and not names & {"content-length", "transfer-encoding"}:
        lines.append(f"Content-Length: {len(request.body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + request.body
