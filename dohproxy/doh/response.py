"""From an outcome to an HTTP response: status, fields, freshness (RFC 8484 sections 4.2 and 5.1)."""

import math
from functools import lru_cache
from typing import Final

from dohproxy.doh.exchange import HttpResponse
from dohproxy.doh.media import DNS_MESSAGE
from dohproxy.outcomes import OUTCOMES, Reason, Refused, Reply

_CONTENT_TYPE: Final = ("content-type", DNS_MESSAGE)
_CLOSING: Final = frozenset({
    Reason.BAD_HTTP, Reason.TRANSFER_CODING, Reason.HEADERS_TOO_LARGE, Reason.BODY_TOO_LARGE, Reason.SLOW_REQUEST,
    Reason.BUG, Reason.LIST_STUB,
})  # fmt: skip
"""After these the rest of the connection is unread, unreadable or in doubt; or nothing more is wanted of its client."""


def http_response(said: Reply | Refused, method: str, *, is_private: bool = False) -> HttpResponse:
    """Return what the walk has said as a response to a request with this method: the same one each time it is said
    again, so that the frontend need not render it anew.

    `is_private`: the URL has a member's token. No cache that others share may keep it (RFC 9111 section 5.2.2.7), as a
    cache writes down the URL and would go on answering when the token is revoked; and nowhere is it to be told where
    somebody came from.
    """
    response: HttpResponse | None = said.rendered
    if response is None:
        if isinstance(said, Reply):
            response = response_to(said, is_private=is_private)
        else:
            response = refusal(
                said.reason, cacheable=method == "GET", retry_after=said.retry_seconds, is_private=is_private
            )
        said.rendered = response
    return response


def response_to(reply: Reply, *, is_private: bool = False) -> HttpResponse:
    """Return the response that carries a DNS reply."""
    return HttpResponse(200, _private_fields(reply.max_age) if is_private else _fields(reply.max_age), reply.wire)


# 1 % of a name that is asked for the first time; but without it the frontends' requests take a quarter more memory, as
# each keeps its response.
@lru_cache(maxsize=4_096)
def _fields(max_age: int) -> tuple[tuple[str, str], ...]:
    return _CONTENT_TYPE, ("cache-control", f"max-age={max_age}")


@lru_cache(maxsize=4_096)
def _private_fields(max_age: int) -> tuple[tuple[str, str], ...]:
    return _CONTENT_TYPE, ("cache-control", f"private, max-age={max_age}")


def refusal(
    reason: Reason, *, cacheable: bool = False, retry_after: float = 0.0, is_private: bool = False
) -> HttpResponse:
    """Return the response for a request that gets no DNS message: a status and an empty body.

    `cacheable` is true for GET; what can never work may then be kept by HTTP caches, so it is asked once. Nothing else
    may be kept, whatever a cache is told of statuses: it does not know what else decides (RFC 9111 section 5.2.2.5).
    `retry_after` in seconds, for 429 and 503 (RFC 9110 section 10.2.3), rounded up.
    """
    ending = OUTCOMES[reason]
    fields: list[tuple[str, str]] = []
    match ending.status:
        case 405:
            fields.append(("allow", "GET, POST"))
        case 415:
            fields.append(("accept", DNS_MESSAGE))
        case 429 | 503:
            fields.append(("retry-after", str(max(1, math.ceil(retry_after)))))
        case _:
            pass
    is_kept = cacheable and ending.keep_seconds > 0 and not is_private
    if is_private:
        fields.append(("referrer-policy", "no-referrer"))
    fields.append(("cache-control", f"max-age={ending.keep_seconds}" if is_kept else "no-store"))
    return HttpResponse(ending.status, tuple(fields), close=reason in _CLOSING)
