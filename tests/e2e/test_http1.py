"""Does the small HTTP/1.1 client judge servers as small DoH clients do? Asked of the standard library's server."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import dns.message
import pytest

from tests.e2e.http1 import MEDIA_TYPE, Http1Client, HttpError

QUERY = dns.message.make_query("www.e2e.example", "A", id=0x1234)
ECHO = dns.message.make_response(QUERY).to_wire()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", MEDIA_TYPE)
        match self.path.partition("?")[0]:
            case "/chunked":
                self.send_header("Transfer-Encoding", "chunked")
                body = b"0\r\n\r\n"
            case "/no-length":
                body = b""
            case "/big-head":
                self.send_header("X-Big", "x" * 8192)
                body = b""
            case _:
                self.send_header("Content-Length", str(len(ECHO)))
                body = ECHO
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name in the standard library
        """Keep quiet."""


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """The port of a server that answers in each of the ways below."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join(timeout=5)


def test_one_connection_carries_many_requests_of_both_methods(port: int) -> None:
    with Http1Client(port) as client:
        answers = [client.get(QUERY.to_wire()), client.post(QUERY.to_wire()), client.get(QUERY.to_wire())]
    assert [answer.message().id for answer in answers] == [0x1234] * 3


@pytest.mark.parametrize(
    "path",
    ["/chunked", "/no-length", "/big-head"],
    ids=["a chunked answer is refused", "an answer without length is refused", "a big head is refused"],
)
def test_what_small_clients_cannot_read(port: int, path: str) -> None:
    with Http1Client(port, path=path) as client, pytest.raises(HttpError):
        client.get(QUERY.to_wire())
