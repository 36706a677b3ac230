"""What the walk needs of an HTTP/1.1 request, and what becomes of bytes that are none."""

from collections.abc import Iterable, Mapping
from typing import Final

from dohproxy.doh.exchange import LIST_STUBS, HttpRequest
from dohproxy.http1.errors import Fault
from dohproxy.http1.head import RequestHead
from dohproxy.outcomes import Reason

REASONS: Final[Mapping[Fault, Reason]] = {
    Fault.MALFORMED: Reason.BAD_HTTP,
    Fault.LONG_LINE: Reason.TARGET_TOO_LONG,
    Fault.LARGE_HEADER: Reason.HEADERS_TOO_LARGE,
    Fault.UNKNOWN_CODING: Reason.TRANSFER_CODING,
}

_WANTED: Final = frozenset({
    "accept", "content-type", "content-encoding", "x-pad", "user-agent", "accept-language", "if-none-match", "host",
})  # fmt: skip


def read_message(head: RequestHead, body: bytes) -> HttpRequest:
    """Return what the walk needs of a request."""
    wanted = _wanted(head.rest.fields)
    return HttpRequest(
        method=head.method,
        target=head.target,
        body=body,
        accept=wanted.get("accept"),
        content_type=wanted.get("content-type"),
        content_encoding=wanted.get("content-encoding"),
        pad_header="x-pad" in wanted,
        list_stub=wanted.get("user-agent") in LIST_STUBS,
        accept_language=wanted.get("accept-language"),
        if_none_match=wanted.get("if-none-match"),
        user_agent=wanted.get("user-agent"),
        authority=wanted.get("host"),
    )


def _wanted(fields: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return the fields that the walk looks at."""
    wanted: dict[str, str] = {}
    for name, value in fields:
        if name in _WANTED:
            wanted[name] = f"{wanted[name]}, {value}" if name in wanted else value
    return wanted
