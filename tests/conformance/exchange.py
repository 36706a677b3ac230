"""One request and one response as every test of this suite writes and reads them, whatever carries them."""

import base64
from dataclasses import dataclass
from typing import Protocol

import dns.message

MEDIA_TYPE = "application/dns-message"
PATH = "/dns-query"

Fields = tuple[tuple[str, str], ...]

ACCEPT = ("Accept", MEDIA_TYPE)
CONTENT_TYPE = ("Content-Type", MEDIA_TYPE)


@dataclass(frozen=True, slots=True)
class Request:
    """What a client sends; a Host and a body's Content-Length are added by what carries it."""

    method: str
    target: str
    fields: Fields = ()
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Response:
    """What a client reads; field names in lower case, in the order in which they came."""

    status: int
    fields: Fields
    body: bytes
    head_bytes: int = 0
    """The size of the whole header block."""

    def field(self, name: str) -> str | None:
        """The value of the field of this name, None without one. A second one is an error: none may repeat."""
        values = [value for found, value in self.fields if found == name]
        assert len(values) <= 1, self.fields
        return values[0] if values else None

    @property
    def max_age(self) -> int:
        """The freshness that an HTTP cache would give it; fails where none is said."""
        control = self.field("cache-control")
        assert control is not None
        name, _, seconds = control.partition("=")
        assert name == "max-age"
        return int(seconds)

    def message(self) -> dns.message.Message:
        """The DNS message, after the checks that the strictest of the known clients make before they look at it."""
        assert self.status == 200
        assert self.field("content-type") == MEDIA_TYPE
        assert self.field("content-length") == str(len(self.body))
        assert self.field("transfer-encoding") is None
        assert self.field("content-encoding") is None
        assert self.field("set-cookie") is None
        assert self.head_bytes < 4096
        return dns.message.from_wire(self.body)


class Client(Protocol):
    """A connection to a server, through one of its frontends."""

    @property
    def own_fields(self) -> int:
        """Fields that it adds to those of a GET."""

    def exchange(self, request: Request) -> Response:
        """Send one request and read its response."""

    def close(self) -> None:
        """Close the connection."""


def encode(wire: bytes) -> str:
    """base64url without padding (RFC 8484 section 6)."""
    return base64.urlsafe_b64encode(wire).rstrip(b"=").decode("ascii")


def decode(text: str) -> bytes:
    """The bytes of base64url without padding."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def get(wire: bytes, *fields: tuple[str, str], query: str = "dns={dns}", path: str = PATH) -> Request:
    """A GET whose query string says `{dns}` where the message goes."""
    return Request("GET", f"{path}?{query.format(dns=encode(wire))}", fields)


def post(wire: bytes, *fields: tuple[str, str], query: str = "", path: str = PATH) -> Request:
    """A POST of a message with exactly these fields."""
    return Request("POST", path + ("?" + query if query else ""), fields, wire)


def assert_echoes(reply: bytes, query: bytes) -> None:
    """The reply belongs to this query: ID, QR and the question, byte for byte."""
    end = 12
    while query[end]:
        end += query[end] + 1
    end += 5
    assert reply[:2] == query[:2]
    assert reply[2] & 0x80
    assert reply[4:6] == b"\x00\x01"
    assert reply[12:end] == query[12:end]


def assert_refused(response: Response, status: int) -> None:
    """An HTTP refusal: this status, and nothing that could be taken for an answer."""
    assert response.status == status
    assert response.body == b""
    assert response.field("content-length") == (None if status == 204 else "0")
    assert response.field("content-type") is None
    assert response.field("transfer-encoding") is None
