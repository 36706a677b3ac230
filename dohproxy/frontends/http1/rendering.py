"""HTTP/1.1 responses as bytes, the same for answers given at once and for those that were waited for."""

import http
from collections.abc import Mapping
from typing import Final

from dohproxy.doh.exchange import HttpResponse
from dohproxy.frontends.http_date import http_date

_STATUS_LINES: Final[Mapping[int, str]] = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n" for status in http.HTTPStatus
}
WITHOUT_LENGTH: Final = (204, 304)
"""The first must not say any (RFC 9110 section 8.6). The second has no body, and would have to say the length of one
that is not sent, which some clients then wait for."""


def render_again(response: HttpResponse) -> bytes:
    """Return the whole response to a connection that stays open. What stands before its body is made once a second
    however often it is given; the body is kept as it is, and not once more behind that."""
    date = http_date()
    rendered: tuple[str, bytes] | None = response.rendered
    if rendered is None or rendered[0] is not date:
        rendered = date, _head(response, close=False)
        response.keep_rendered(rendered)
    return rendered[1] + response.body


def render(response: HttpResponse, *, close: bool) -> bytes:
    """Return the whole response."""
    return _head(response, close=close) + response.body


def _head(response: HttpResponse, *, close: bool) -> bytes:
    """Return what stands before the body. Content-Length wherever there can be a body, and never chunks: some clients
    read nothing else.

    Date is required of an origin server (RFC 9110 section 6.6.1); nothing else is said about the server.
    """
    head = [_STATUS_LINES[response.status]]
    head += [f"{name}: {value}\r\n" for name, value in response.fields]
    if response.status not in WITHOUT_LENGTH:
        head.append(f"content-length: {len(response.body) + response.omitted_bytes}\r\n")
    head.append(f"date: {http_date()}\r\n")
    head.append("connection: close\r\n\r\n" if close else "\r\n")
    return "".join(head).encode("ascii")
