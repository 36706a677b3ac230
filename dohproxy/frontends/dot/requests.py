"""From a DNS message to its parsed request, and from a refusal to its reply.

Of a message the ID alone belongs to its client, so both are made once for the same bytes behind any ID.
"""

from typing import Final

from dohproxy.doh.dialects import Dialect
from dohproxy.dot.framing import ID_BYTES
from dohproxy.dot.refusal import refuse_message, refuse_query
from dohproxy.frontends.connections import Connections
from dohproxy.frontends.request_cache import CachedRequest, RequestCache
from dohproxy.frontends.service import Service
from dohproxy.outcomes import Frontend, Refused
from dohproxy.parsed_request import ParsedRequest

VARIANT: Final = "query"
"""What the books have for a message over DoT, in the place of HTTP's method."""
LONGEST_KEEPALIVE: Final = 0xFFFF
"""Tenths of a second: the option has two bytes for it (RFC 7828 section 3.1)."""
_NO_ID: Final = bytes(ID_BYTES)
"""The ID under which a message is read, whatever its own is."""


class RequestReader:
    """What is known of the messages of all connections."""

    def __init__(self, service: Service, register: Connections) -> None:
        self._service = service
        self._register = register
        self.known = RequestCache()

    def find(self, spelled: bytes) -> ParsedRequest | None:
        """Return what a message says, without its ID, if its like has been read under the rules that hold."""
        known = self.known.find(spelled, self._service.pipeline.rules_version)
        return None if known is None else known.parsed

    def read(self, spelled: bytes) -> ParsedRequest:
        """Return what a message says whose like `find` has not found."""
        version = self._service.pipeline.rules_version
        parsed = ParsedRequest(Frontend.DOT, version, VARIANT, Dialect.DOT.value, _NO_ID + spelled)
        # Every reload is another version of the rules, so this is never an old one.
        parsed.keepalive = int(min(self._register.limits.idle_seconds * 10, LONGEST_KEEPALIVE))
        self.known.remember(spelled, CachedRequest(parsed, len(spelled)))
        return parsed


def render_refusal(refused: Refused, parsed: ParsedRequest) -> bytes | None:
    """Return the reply to a message that was turned away, None if the connection is to be closed: made once, as it is
    said to the same bytes again."""
    rendered: tuple[bytes | None] | None = refused.rendered
    if rendered is None:
        if parsed.query is not None:
            rendered = (refuse_query(parsed.query, refused.reason),)
        else:
            rendered = (refuse_message(parsed.wire, refused.reason),)
        refused.rendered = rendered
    return rendered[0]
