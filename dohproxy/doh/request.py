"""From an HTTP request to the bytes of a DNS query, or to the reason why there are none.

The checks stand in the order of their cost: method and path before parameters, parameters before headers, headers
before base64. Nothing here looks into the DNS message.
"""

import re
from collections.abc import Mapping
from dataclasses import field
from typing import Final

from dohproxy.doh.base64url import decode, decoded_bytes
from dohproxy.doh.dialects import CONFIGURABLE, Dialect, dialect_of
from dohproxy.doh.exchange import HttpRequest
from dohproxy.doh.media import DNS_MESSAGE, accepts_dns_message, is_dns_message
from dohproxy.doh.path_token import digest_in
from dohproxy.outcomes import Reason
from dohproxy.value import value

LONGEST_TARGET: Final = 4_096
"""Bytes. A 1,024-byte query is 1,366 characters; m13253's client switches to POST at 2,048."""
MOST_PARAMETERS: Final = 16
"""The most parameters of a query string, which is taken apart before any limit is looked at. No dialect has more than
three."""
KNOWN_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"})
"""RFC 9110 section 9 and RFC 5789: known but not allowed here is 405, unknown is 501."""

MOST_ESCAPES: Final = 128
"""Characters of a target that are written so and looked at; the longest query has some forty of the two."""

_UNRESERVED_ESCAPED: Final = re.compile(r"%(2[DEde]|3[0-9]|[46][1-9A-Fa-f]|[57][0-9Aa]|5[Ff]|7[Ee])")
"""Letters, digits, "-", ".", "_" and "~" (RFC 3986 section 2.3)."""
_DNS_MESSAGE_ESCAPED: Final = DNS_MESSAGE.replace("/", "%2f")


@value
class RequestRules:
    """What this service takes."""

    path: str
    max_query_bytes: int
    dialects: Mapping[str, str] = field(default_factory=dict)
    """Dialect name to "serve", "count" or "refuse"; what is not named is served."""
    tokens: frozenset[bytes] = frozenset()
    """The digests of the tokens that are valid now."""
    takes_tokens: bool = False
    """Whether there may be any: a wrong path that ends with what could be one is told apart."""
    any_origin: bool = False
    """Whether scripts of any web page may ask, and read what they get."""


@value
class AcceptedRequest:
    """A request that carries a query, not yet looked into."""

    wire: bytes
    dialect: Dialect
    shadow: bool = False
    """Its dialect is set to "count": what "refuse" would have hit."""
    token: bytes | None = None
    """The digest of the valid token that it came with."""


@value
class RefusedRequest:
    """A request that cannot carry a query."""

    reason: Reason
    dialect: Dialect
    token: bytes | None = None
    """The digest of the valid token that it came with."""


def find_token(target: str, rules: RequestRules) -> bytes | None:
    """Return the digest of the valid token in a request's target, None if there is none; nothing else is read."""
    if not rules.tokens or len(target) > LONGEST_TARGET:
        return None
    return _token_in(path_of(target), rules)


def path_of(target: str) -> str:
    """Return the path of a target, as it is compared with the service's own."""
    return _normal(_origin_form(target[: LONGEST_TARGET + 1])).partition("?")[0]


def _token_in(path: str, rules: RequestRules) -> bytes | None:
    digest = _digest_in(path, rules)
    return digest if digest in rules.tokens else None


def _digest_in(path: str, rules: RequestRules) -> bytes | None:
    """Return the digest of what stands in a path where members have their tokens."""
    if path == rules.path or not (rules.tokens or rules.takes_tokens):
        return None
    return digest_in(path, rules.path)


def read_request(request: HttpRequest, rules: RequestRules) -> AcceptedRequest | RefusedRequest:
    """Return the query's bytes, or why there are none (the outcome table's HTTP rows)."""
    if len(request.target) > LONGEST_TARGET:
        return RefusedRequest(Reason.TARGET_TOO_LONG, Dialect.OTHER)
    if request.method not in KNOWN_METHODS:
        return RefusedRequest(Reason.METHOD_UNKNOWN, Dialect.OTHER)
    path, _, query_string = _normal(_origin_form(request.target)).partition("?")
    digest = _digest_in(path, rules)
    token = digest if digest in rules.tokens else None
    is_ours = path == rules.path or token is not None
    wrong = Reason.WRONG_PATH if digest is None else Reason.UNKNOWN_TOKEN
    if request.method not in ("GET", "HEAD", "POST"):
        reason = _judge_method(request.method, rules) if is_ours else wrong
        return RefusedRequest(reason, Dialect.OTHER, token)
    parameters = _parse_parameters(query_string)
    dialect = dialect_of(request, path, parameters or {})
    if not is_ours:
        return RefusedRequest(wrong, dialect)
    if parameters is None:
        return RefusedRequest(Reason.DNS_PARAMETER, Dialect.OTHER, token)
    read = _read_post if request.method == "POST" else _read_get
    found = read(request, parameters, rules)
    if isinstance(found, Reason):
        return RefusedRequest(found, dialect, token)
    return _judge_dialect(found, dialect, rules, token)


def _judge_method(method: str, rules: RequestRules) -> Reason:
    """Return what becomes of a method by which no query comes. What a preflight asks is not looked at: the answer is
    the same to all, and the browser compares (Fetch standard, "CORS-preflight fetch")."""
    return Reason.PREFLIGHT if rules.any_origin and method == "OPTIONS" else Reason.METHOD_NOT_ALLOWED


def _judge_dialect(
    wire: bytes, dialect: Dialect, rules: RequestRules, token: bytes | None
) -> AcceptedRequest | RefusedRequest:
    action = rules.dialects.get(dialect, "serve") if dialect in CONFIGURABLE else "serve"
    if action == "refuse":
        return RefusedRequest(Reason.DIALECT_REFUSED, dialect, token)
    return AcceptedRequest(wire, dialect, shadow=action == "count", token=token)


def _origin_form(target: str) -> str:
    """Return path and query of a target; a server must take the absolute form too (RFC 9112 section 3.2.2)."""
    if target.startswith("/"):
        return target
    scheme, separator, rest = target.partition("://")
    if separator and scheme.lower() in ("http", "https"):
        # The authority ends at the first of both: "http://host?x=/dns-query" asks for "/".
        authority = rest.partition("?")[0].partition("/")[0]
        return "/" + rest[len(authority) :].removeprefix("/")
    return target


def _normal(target: str) -> str:
    """Return a target in which no character is percent-encoded that need not be: that is the same target (RFC 3986
    section 6.2.2.2), and some clients write a query's "-" and "_" so."""
    if not 0 < target.count("%") <= MOST_ESCAPES:
        return target
    return _UNRESERVED_ESCAPED.sub(lambda escape: chr(int(escape[1], 16)), target)


def _parse_parameters(query_string: str) -> dict[str, str] | None:
    """Return the parameters by name, values as sent; None if `dns` stands there twice, or there are too many."""
    parameters: dict[str, str] = {}
    if query_string.count("&") >= MOST_PARAMETERS:
        return None
    for element in query_string.split("&") if query_string else ():
        name, _, value = element.partition("=")
        if name == "dns" and "dns" in parameters:
            return None
        parameters[name] = value
    return parameters


def _read_post(request: HttpRequest, parameters: Mapping[str, str], rules: RequestRules) -> bytes | Reason:
    if not is_dns_message(request.content_type) or request.content_encoding or _names_another_type(parameters):
        return Reason.MEDIA_TYPE
    if "dns" in parameters:
        return Reason.DNS_PARAMETER
    if not accepts_dns_message(request.accept):
        return Reason.NOT_ACCEPTABLE
    if len(request.body) > rules.max_query_bytes:
        return Reason.BODY_TOO_LARGE
    return request.body or Reason.EMPTY_BODY


def _read_get(request: HttpRequest, parameters: Mapping[str, str], rules: RequestRules) -> bytes | Reason:
    acceptable = accepts_dns_message(request.accept)
    encoded = parameters.get("dns")
    if not encoded:
        return Reason.DNS_PARAMETER if acceptable else Reason.NOT_ACCEPTABLE
    if request.content_encoding or _names_another_type(parameters):
        return Reason.MEDIA_TYPE
    if not acceptable:
        return Reason.NOT_ACCEPTABLE
    if decoded_bytes(encoded) > rules.max_query_bytes:
        return Reason.TARGET_TOO_LONG
    try:
        return decode(encoded)
    except ValueError:
        return Reason.BASE64


def _names_another_type(parameters: Mapping[str, str]) -> bool:
    """Tell whether `ct`, a parameter of drafts before RFC 8484, names something else than a DNS message."""
    content_type = parameters.get("ct", "").lower()
    return content_type not in ("", DNS_MESSAGE, _DNS_MESSAGE_ESCAPED)
