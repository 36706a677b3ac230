"""From an HTTP/2 request to its parsed request: what a request says, whoever sends it, is read once.

Two memories, because requests come again in two ways. A client that repeats itself sends the same header block, and the
engine gives out the same head for it: there the parsed request is noted, or a cached answer would cost 3.6 % more. And
popular names are asked for by everybody, each with a header block of its own: they are known by all that the walk looks
at. What that is, but for path and body, is noted at the rest of the head: 21 % where the path alone changes.
"""

from typing import Final

from dohproxy.doh.exchange import LIST_STUBS, HttpRequest
from dohproxy.frontends.request_cache import CachedRequest, RequestCache
from dohproxy.frontends.service import Service
from dohproxy.http2.fields import RequestHead, RestOfHead
from dohproxy.outcomes import Frontend
from dohproxy.parsed_request import ParsedRequest

_WANTED: Final = frozenset({"accept", "content-type", "content-encoding", "x-pad", "user-agent"})
"""What a query depends on: of these alone are the keys of what is known."""
_READ: Final = _WANTED | {"accept-language", "if-none-match"}
"""What a page depends on too: of one nothing is noted but at the head that was sent."""


class RequestReader:
    """What is known of the requests of all connections."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self.known = RequestCache()

    def find(self, head: RequestHead, body: bytes) -> ParsedRequest | None:
        """Return what a request says, if its like has been read under the rules that hold."""
        version = self._service.pipeline.rules_version
        note: tuple[bytes, ParsedRequest] | None = head.note
        if note is not None and note[0] == body and note[1].rules_version == version:
            return note[1]
        rest = head.rest
        kind: bytes = rest.note or _note_kind(rest)
        known = self.known.find((kind, head.path, body), version)
        if known is None:
            return None
        head.note = body, known.parsed
        return known.parsed

    def read(self, head: RequestHead, body: bytes) -> ParsedRequest:
        """Return what a request says whose like `find` has not found."""
        rest = head.rest
        kind: bytes = rest.note or _note_kind(rest)
        parsed = self._service.read(read_head(head, body), Frontend.HTTP2)
        if parsed.page is None:
            self.known.remember((kind, head.path, body), CachedRequest(parsed, len(kind) + len(head.path) + len(body)))
        head.note = body, parsed
        return parsed


def read_head(head: RequestHead, body: bytes) -> HttpRequest:
    """Return what the walk needs of an HTTP/2 request."""
    rest = head.rest
    wanted = _wanted(rest.fields, _READ)
    return HttpRequest(
        method=rest.method,
        target=head.path,
        body=body,
        accept=wanted.get("accept"),
        content_type=wanted.get("content-type"),
        content_encoding=wanted.get("content-encoding"),
        pad_header="x-pad" in wanted,
        list_stub="user-agent" in wanted,
        accept_language=wanted.get("accept-language"),
        if_none_match=wanted.get("if-none-match"),
        # Not among the others: what stands there is the same for all who are no stubs.
        user_agent=next((value for name, value in rest.fields if name == "user-agent"), None),
        authority=rest.authority,
    )


def _note_kind(rest: RestOfHead) -> bytes:
    """Note and return bytes that are the same for what is the same to the walk, target and body apart."""
    kind: bytes = repr((rest.method, _wanted(rest.fields, _WANTED))).encode()
    rest.note = kind
    return kind


def _wanted(fields: tuple[tuple[str, str], ...], names: frozenset[str]) -> dict[str, str]:
    wanted: dict[str, str] = {}
    for name, value in [field for field in fields if field[0] in names]:
        if name == "x-pad":
            wanted[name] = ""  # Random, and nothing to us.
        elif name == "user-agent":
            if value in LIST_STUBS:
                wanted[name] = ""  # Of all others it is nothing to us, and there are many.
        else:
            wanted[name] = f"{wanted[name]}, {value}" if name in wanted else value
    return wanted
