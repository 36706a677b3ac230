"""What must hold whatever a client writes into an HTTP request: its base64url, its media fields, the rules.

1. Nothing is raised but what the docstrings name.
2. A query has one spelling in base64url: what is accepted is what encoding its bytes gives.
3. Case and blanks around a media type change nothing; what the limits forbid is refused.
4. Reading is a function: the same request is read alike, and "count" serves what "serve" serves.
5. What scripts of other pages may do changes nothing but what becomes of OPTIONS.
"""

import base64
from dataclasses import replace
from typing import Final
from urllib.parse import unquote

from dohproxy.doh.base64url import decode, decoded_bytes
from dohproxy.doh.dialects import CONFIGURABLE, Dialect
from dohproxy.doh.exchange import HttpRequest
from dohproxy.doh.media import DNS_MESSAGE, accepts_dns_message, is_dns_message
from dohproxy.doh.path_token import member_path
from dohproxy.doh.request import (
    LONGEST_TARGET,
    AcceptedRequest,
    RefusedRequest,
    RequestRules,
    find_token,
    read_request,
)
from dohproxy.member_token import TOKEN_BYTES, digest_of, token_of
from dohproxy.outcomes import OUTCOMES, Reason

PATH: Final = "/dns-query"
MOST_BYTES: Final = 512
TOKEN: Final = token_of(bytes(TOKEN_BYTES))
RULES: Final = {
    action: RequestRules(
        PATH, MOST_BYTES, dict.fromkeys(map(str, CONFIGURABLE), action), frozenset((digest_of(TOKEN),))
    )
    for action in ("serve", "count", "refuse")
}


def check_base64url(data: bytes) -> bytes | None:
    """Hold the promises of `decode` on a text of these characters; return what it decodes to."""
    text = data.decode("latin-1")
    try:
        decoded = decode(text)
    except ValueError:
        decoded = None
    is_the_spelling = text.isascii() and text == _spelled(text)
    assert (decoded is not None) == is_the_spelling
    if decoded is not None:
        assert base64.urlsafe_b64encode(decoded).rstrip(b"=").decode() == text
        assert len(decoded) == decoded_bytes(text)
    return decoded


def _spelled(text: str) -> str | None:
    """Return how Python's own encoder spells what its decoder makes of a text; None if that is nothing."""
    try:
        decoded = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError:
        return None
    return base64.urlsafe_b64encode(decoded).rstrip(b"=").decode()


def check_media(data: bytes) -> None:
    """Hold the promises about Accept and Content-Type on a field of these characters."""
    text = data.decode("latin-1")
    assert accepts_dns_message(text) == accepts_dns_message(text)
    if text.isascii():
        assert is_dns_message(text) == is_dns_message(f" {text.upper()} ")
        assert is_dns_message(text) == is_dns_message(f"{text}; charset=x") or ";" in text
    assert accepts_dns_message(f"{DNS_MESSAGE};q=1")
    assert not is_dns_message(f"x{text}")


def request_of(data: bytes) -> HttpRequest:
    """Return the request that these bytes stand for: lines of a method, a target and three fields, and then a body."""
    method, target, accept, content_type, encoding, body = (*data.split(b"\n", 5), *[b""] * 5)[:6]
    return HttpRequest(
        method.decode("latin-1"),
        target.decode("latin-1"),
        body,
        accept=accept.decode("latin-1") or None,
        content_type=content_type.decode("latin-1") or None,
        content_encoding=encoding.decode("latin-1") or None,
        pad_header=len(data) % 7 == 0,
    )


def check_request(data: bytes) -> AcceptedRequest | RefusedRequest:
    """Hold the promises of `read_request` on the request that these bytes stand for."""
    request = request_of(data)
    found = {action: read_request(request, rules) for action, rules in RULES.items()}
    served, counted, refused = found["serve"], found["count"], found["refuse"]
    assert read_request(replace(request), RULES["serve"]) == served
    assert served.dialect == counted.dialect == refused.dialect
    _check_token(request, served)
    opened = read_request(request, replace(RULES["serve"], any_origin=True))
    if isinstance(opened, RefusedRequest) and opened.reason is Reason.PREFLIGHT:
        assert request.method == "OPTIONS"
        assert served == replace(opened, reason=Reason.METHOD_NOT_ALLOWED)
    else:
        assert opened == served
    if isinstance(served, RefusedRequest):
        assert OUTCOMES[served.reason].status >= 400
        assert counted == refused == served
        return served
    assert isinstance(counted, AcceptedRequest)
    assert counted.wire == served.wire
    assert counted.shadow == isinstance(refused, RefusedRequest) == (Dialect(served.dialect) in CONFIGURABLE)
    assert 0 < len(served.wire) <= MOST_BYTES
    assert len(request.target) <= LONGEST_TARGET
    assert request.method in ("GET", "HEAD", "POST")
    assert request.content_encoding is None
    if request.method == "POST":
        assert served.wire == request.body
        assert is_dns_message(request.content_type)
    return served


def _check_token(request: HttpRequest, found: AcceptedRequest | RefusedRequest) -> None:
    """A request is a member's if its path says so in full, and no wrong path is one."""
    if found.token is not None:
        assert found.token == digest_of(TOKEN) == find_token(request.target, RULES["serve"])
        assert unquote(request.target.partition("?")[0]).endswith(member_path(PATH, TOKEN))
    if isinstance(found, RefusedRequest) and found.reason in (Reason.WRONG_PATH, Reason.UNKNOWN_TOKEN):
        assert found.token is None
        assert find_token(request.target, RULES["serve"]) is None
