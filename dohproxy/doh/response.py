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
_ANY_ORIGIN: Final = ("access-control-allow-origin", "*")
"""Scripts of every page may read the response; but with "*" a browser shows none of them what it was told when it sent
cookies, a password or a certificate along (Fetch standard, "CORS check")."""
_PREFLIGHT: Final = (
    ("access-control-allow-methods", "GET, POST"),
    ("access-control-allow-headers", "accept, content-type"),
    ("access-control-max-age", "86400"),
)
"""What a script may send. HEAD needs no leave. A day is the longest that any browser keeps it (Firefox; Chromium two
hours), and so the fewest preflights; where it is taken back meanwhile, responses are not to be read all the same."""
_READABLE: Final = ("access-control-expose-headers", "retry-after")
"""A script sees some fields and not this one, unless it is named."""
_METHODS: Final = "GET, HEAD, POST"
_NO_JSON: Final = (
    b"There is no JSON API here. Send a DNS message (RFC 8484), by GET as the parameter dns, in base64url without"
    b" padding, or by POST with content-type: application/dns-message; the answer is one, too.\n"
)


def http_response(
    said: Reply | Refused,
    method: str,
    *,
    is_private: bool = False,
    any_origin: bool = False,
    wants_json: bool = False,
) -> HttpResponse:
    """Return what the walk has said as a response to a request with this method: the same one each time it is said
    again, so that the frontend need not render it anew.

    `is_private`: the URL has a member's token. No cache that others share may keep it (RFC 9111 section 5.2.2.7), as a
    cache writes down the URL and would go on answering when the token is revoked; and nowhere is it to be told where
    somebody came from. `any_origin`: scripts of all pages may read it. `wants_json`: it was asked in the way of a JSON
    API, which is told what to send.
    """
    response: HttpResponse | None = said.rendered
    if response is None:
        if isinstance(said, Reply):
            response = response_to(said, is_private=is_private, any_origin=any_origin)
        else:
            response = refusal(
                said.reason,
                cacheable=method in ("GET", "HEAD"),
                retry_after=said.retry_seconds,
                is_private=is_private,
                any_origin=any_origin,
                wants_json=wants_json,
            )
        if method == "HEAD":
            response = _without_body(response)
        said.rendered = response
    return response


def _without_body(response: HttpResponse) -> HttpResponse:
    return HttpResponse(response.status, response.fields, close=response.close, omitted_bytes=len(response.body))


def response_to(reply: Reply, *, is_private: bool = False, any_origin: bool = False) -> HttpResponse:
    """Return the response that carries a DNS reply."""
    if any_origin:
        return HttpResponse(200, _open_fields(reply.max_age, is_private), reply.wire)
    return HttpResponse(200, _private_fields(reply.max_age) if is_private else _fields(reply.max_age), reply.wire)


# 1 % of a name that is asked for the first time; but without it the frontends' requests take a quarter more memory, as
# each keeps its response.
@lru_cache(maxsize=4_096)
def _fields(max_age: int) -> tuple[tuple[str, str], ...]:
    return _CONTENT_TYPE, ("cache-control", f"max-age={max_age}")


@lru_cache(maxsize=4_096)
def _private_fields(max_age: int) -> tuple[tuple[str, str], ...]:
    return _CONTENT_TYPE, ("cache-control", f"private, max-age={max_age}")


@lru_cache(maxsize=4_096)
def _open_fields(max_age: int, is_private: bool) -> tuple[tuple[str, str], ...]:
    return *(_private_fields(max_age) if is_private else _fields(max_age)), _ANY_ORIGIN


def refusal(
    reason: Reason,
    *,
    cacheable: bool = False,
    retry_after: float = 0.0,
    is_private: bool = False,
    any_origin: bool = False,
    wants_json: bool = False,
) -> HttpResponse:
    """Return the response for a request that gets no DNS message: a status and an empty body, but for a sentence to who
    wants JSON.

    `cacheable` is true for GET and HEAD; what can never work may then be kept by HTTP caches, so it is asked once.
    Nothing else may be kept, whatever a cache is told of statuses: it does not know what else decides (RFC 9111 section
    5.2.2.5). `retry_after` in seconds, for 429 and 503 (RFC 9110 section 10.2.3), rounded up.
    """
    ending = OUTCOMES[reason]
    fields: list[tuple[str, str]] = [_ANY_ORIGIN] if any_origin else []
    match ending.status:
        case 204:
            fields += (("allow", f"{_METHODS}, OPTIONS"), *_PREFLIGHT)
        case 405:
            fields.append(("allow", f"{_METHODS}, OPTIONS" if any_origin else _METHODS))
        case 415:
            fields.append(("accept", DNS_MESSAGE))
        case 429 | 503:
            fields.append(("retry-after", str(max(1, math.ceil(retry_after)))))
            if any_origin:
                fields.append(_READABLE)
        case _:
            pass
    is_kept = cacheable and ending.keep_seconds > 0 and not is_private
    if is_private:
        fields.append(("referrer-policy", "no-referrer"))
    fields.append(("cache-control", f"max-age={ending.keep_seconds}" if is_kept else "no-store"))
    body = b""
    if wants_json and reason in (Reason.DNS_PARAMETER, Reason.NOT_ACCEPTABLE):
        fields.append(("content-type", "text/plain"))
        body = _NO_JSON
    return HttpResponse(ending.status, tuple(fields), body, close=reason in _CLOSING)
