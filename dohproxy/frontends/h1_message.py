"""What aiohttp's parser makes of bytes, and what the walk needs of that; and the limits that it is given."""

from collections.abc import Sequence
from typing import Any, Final

from aiohttp import web
from aiohttp.http import HttpVersion11, RawRequestMessage
from aiohttp.http_exceptions import BadHttpMethod, LineTooLong
from multidict import CIMultiDictProxy

from dohproxy.config import ConnectionsConfig
from dohproxy.doh.exchange import HttpRequest
from dohproxy.verdict import Reason

LONGEST_LINE: Final = 8_190
"""Bytes of a request line that are read at all; over 4,096 the walk says 414 by itself."""
MOST_FIELDS: Final = 64
"""Header fields; real clients send at most a dozen, dnsdist takes 256, aiohttp 128."""
LONGEST_FIELD: Final = 4_096
"""Bytes of one header field; X-Padding of 1,000 characters is the longest seen."""
LARGEST_HEADER: Final = 8_192
"""Bytes of all header fields together, as the outcome table says."""
LARGEST_UNFINISHED_HEADER: Final = LONGEST_LINE + LARGEST_HEADER + 4_096
"""Bytes read while a header has not ended, before the connection is cut."""
READ_BUFFER_BYTES: Final = 16_384
"""aiohttp's soft limit for a body that arrives faster than it is read; a body here is one small packet."""
LINGERING_SECONDS: Final = 1.0
"""How long the rest of a body that is too long is read and thrown away: a socket closed with bytes unread is reset, and
the client, or the proxy before it, never sees why it was refused."""


def is_spelled(message: RawRequestMessage, body: bytes, data: bytes) -> bool:
    """Tell whether these bytes, read by themselves, are this request: as clients usually spell it, and nothing else.

    What the parser still held from before cannot have been part of it then. So bytes may be remembered for everybody
    whatever went before them on this connection.
    """
    line = f"{message.method} {message.path} HTTP/1.1\r\n".encode("utf-8", "surrogateescape")
    fields = b"".join([name + b": " + value + b"\r\n" for name, value in message.raw_headers])
    return data == b"".join((line, fields, b"\r\n", body))


def ends_with_body(data: bytes, message: RawRequestMessage) -> bool:
    """Tell whether bytes that begin with a request end with the last byte of its body, by its Content-Length."""
    announced = message.headers.get("Content-Length", "")
    head = data.find(b"\r\n\r\n") + 4
    return head > 3 and announced.isdecimal() and len(data) - head == int(announced)


def waits_to_be_invited(request: web.BaseRequest) -> bool:
    """Tell whether the client holds its body back; one of HTTP/1.0 would take the invitation for the answer."""
    expects = request.headers.get("expect", "").lower() == "100-continue"
    return expects and request.version == HttpVersion11 and not request.content.is_eof()


def aiohttp_limits(limits: ConnectionsConfig) -> dict[str, Any]:
    """Return the keywords that aiohttp's handler is built with."""
    return {
        "keepalive_timeout": limits.idle_seconds,
        "tcp_keepalive": True,
        "access_log": None,
        "max_line_size": LONGEST_LINE,
        "max_headers": MOST_FIELDS,
        "max_field_size": LONGEST_FIELD,
        "lingering_time": LINGERING_SECONDS,
        "read_bufsize": READ_BUFFER_BYTES,
        "auto_decompress": False,
    }


def read_message(message: RawRequestMessage, body: bytes) -> HttpRequest:
    """Return what the walk needs of an HTTP/1.1 request."""
    headers = message.headers
    return HttpRequest(
        method=message.method,
        target=message.path,
        body=body,
        accept=_field(headers, "Accept"),
        content_type=_field(headers, "Content-Type"),
        content_encoding=_field(headers, "Content-Encoding"),
        pad_header="X-Pad" in headers,
    )


def _field(headers: "CIMultiDictProxy[str]", name: str) -> str | None:
    values: Sequence[str] = headers.getall(name, ())
    if not values:
        return None
    return values[0] if len(values) == 1 else ", ".join(values)


def reason_of_parse_error(error: BaseException | None) -> Reason:
    """Return what became of bytes that aiohttp's parser refused."""
    if isinstance(error, LineTooLong):
        return Reason.HEADERS_TOO_LARGE if error.args[1] == LONGEST_FIELD else Reason.TARGET_TOO_LONG
    if isinstance(error, BadHttpMethod) and "HTTPS" not in str(error):
        return Reason.METHOD_UNKNOWN
    if error is not None and "header" in str(error).lower() and "many" in str(error).lower():
        return Reason.HEADERS_TOO_LARGE
    return Reason.BAD_HTTP
