"""HTTP/2 by a client library that is not ours, for the tests that any frontend has to pass."""

import socket
import ssl
from types import TracebackType

import h2.config
import h2.connection
import h2.errors
import h2.events

from tests.conformance.exchange import Request, Response
from tests.conformance.http1 import HOST, TIMEOUT_SECONDS, Closed

FIELD_OVERHEAD = 32
"""What each field counts besides its bytes (RFC 9113 section 10.5.1)."""


class Reset(Exception):
    """The server ended the stream without a whole response."""

    def __init__(self, code: int) -> None:
        super().__init__(h2.errors.ErrorCodes(code).name)
        self.code = h2.errors.ErrorCodes(code)


class Http2Client:
    """One connection, in the clear with prior knowledge or over TLS with ALPN; one request at a time."""

    def __init__(self, port: int, trust: ssl.SSLContext | None = None) -> None:
        connection = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_SECONDS)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = connection
        if trust is not None:
            self.socket = encrypted = trust.wrap_socket(connection, server_hostname=HOST)
            assert encrypted.selected_alpn_protocol() == "h2"
        # What a test wants to send is sent: the server is judged, not the client.
        config = h2.config.H2Configuration(
            header_encoding="latin-1", validate_outbound_headers=False, normalize_outbound_headers=False
        )
        self.connection = h2.connection.H2Connection(config)
        self.connection.initiate_connection()
        self._flush()

    def __enter__(self) -> "Http2Client":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def own_fields(self) -> int:
        """Fields that it adds to those of a request: the pseudo-header fields."""
        return 4

    def close(self) -> None:
        """Close the connection."""
        self.socket.close()

    def exchange(self, request: Request) -> Response:
        """Send one request and read its response."""
        stream_id = self.send(request)
        return self.receive(stream_id)

    def send(self, request: Request) -> int:
        """Send one request and return its stream; a body only as far as the server's window goes."""
        stream_id = self.connection.get_next_available_stream_id()
        has_body = bool(request.body) or request.method == "POST"
        self.connection.send_headers(stream_id, header_list(request), end_stream=not has_body)
        if has_body:
            self._send_body(stream_id, request.body)
        self._flush()
        return stream_id

    def receive(self, stream_id: int) -> Response:
        """Read the response on a stream; raises Reset or Closed if the server ends one before it does."""
        fields: tuple[tuple[str, str], ...] = ()
        body = b""
        while True:
            for event in self._read():
                match event:
                    case h2.events.ResponseReceived() if event.stream_id == stream_id:
                        fields = tuple((str(name), str(value)) for name, value in event.headers)
                    case h2.events.DataReceived() if event.stream_id == stream_id:
                        body += event.data
                        self.connection.acknowledge_received_data(event.flow_controlled_length, stream_id)
                    case h2.events.StreamEnded() if event.stream_id == stream_id:
                        self._flush()
                        return _response(fields, body)
                    case h2.events.StreamReset() if event.stream_id == stream_id:
                        raise Reset(event.error_code)
                    case h2.events.ConnectionTerminated() if event.error_code:
                        raise Reset(event.error_code)
                    case _:
                        pass
            self._flush()

    def is_at_end(self) -> bool:
        """Tell whether the server closes and answers nothing more."""
        try:
            while not any(isinstance(event, h2.events.ResponseReceived) for event in self._read()):
                pass
        except Closed:
            return True
        return False

    def _send_body(self, stream_id: int, body: bytes) -> None:
        sent = 0
        while sent < len(body):
            size = min(
                self.connection.local_flow_control_window(stream_id),
                self.connection.max_outbound_frame_size,
                len(body) - sent,
            )
            if not size:
                return
            self.connection.send_data(stream_id, body[sent : sent + size])
            sent += size
        self.connection.end_stream(stream_id)

    def _read(self) -> list[h2.events.Event]:
        try:
            received = self.socket.recv(65_536)
        except ConnectionResetError:
            received = b""
        if not received:
            raise Closed
        return self.connection.receive_data(received)

    def _flush(self) -> None:
        self.socket.sendall(self.connection.data_to_send())


def header_list(request: Request) -> list[tuple[str, str]]:
    """The fields of a request: Host becomes the authority, what has a body gets its length, and Connection, which
    HTTP/2 has not (RFC 9113 section 8.2.2), is left out as every client does that speaks both."""
    given = {name.lower(): value for name, value in request.fields}
    fields = [
        (":method", request.method),
        (":scheme", "https"),
        (":authority", given.get("host", HOST)),
        (":path", request.target),
    ]
    fields += [(name.lower(), value) for name, value in request.fields if name.lower() not in ("host", "connection")]
    if (request.body or request.method == "POST") and "content-length" not in given:
        fields.append(("content-length", str(len(request.body))))
    return fields


def _response(fields: tuple[tuple[str, str], ...], body: bytes) -> Response:
    (name, status), *rest = fields
    assert name == ":status"
    size = sum(len(name) + len(value) + FIELD_OVERHEAD for name, value in fields)
    return Response(int(status), tuple(rest), body, head_bytes=size)
