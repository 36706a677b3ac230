"""Every dialect with its exact example: served, or refused without a thought, and counted under its name."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from dohproxy.config import DIALECTS, DialectsConfig
from dohproxy.doh.dialects import Dialect
from tests.conformance.conftest import Connect, StartServer
from tests.conformance.exchange import (
    ACCEPT,
    CONTENT_TYPE,
    Client,
    Fields,
    Request,
    assert_echoes,
    assert_refused,
    decode,
    get,
    post,
)
from tests.conformance.queries import query
from tests.fakes.conformance import RunningServer, Setup

Q33 = "AAABAAABAAAAAAAAA3d3dwdleGFtcGxlA2NvbQAAAQAB"
WWW = decode(Q33)
CAFE = "yv4BAAABAAAAAAABAAACAAEAACkQAAAAgAAAAA"
STANDARD = "+v4BAAABAAAAAAAAAAACAAE"
"""A query whose ID needs the other alphabet's plus: base64url would write a minus."""
DAY = ("cache-control", "max-age=86400")
FIVE_MINUTES = ("cache-control", "max-age=300")
NOT_KEPT = ("cache-control", "no-store")
ALLOW = ("allow", "GET, HEAD, POST")
TYPE = ("accept", "application/dns-message")
TEXT = ("content-type", "text/plain")
X31 = 31 * "X"

PROXY = ("User-Agent", "dnscrypt-proxy")
M13253 = ("User-Agent", "DNS-over-HTTPS/2.3.10 (+https://github.com/m13253/dns-over-https)")
M13253_ACCEPT = ("Accept", "application/dns-message, application/dns-udpwireformat, application/json")
DRAFT = "application/dns-udpwireformat"
DRAFT_ACCEPT = ("Accept", DRAFT)
JSON_ACCEPT = ("Accept", "application/dns-json")
BODY_HASH = "body_hash=dce644338d9d8cf663368c4c27af4374a3f96a34077b8864385f83f22cef3902"


def _typed(content_type: str) -> tuple[str, str]:
    return ("Content-Type", content_type)


def _target(target: str, *fields: tuple[str, str], method: str = "GET") -> Request:
    return Request(method, target, fields)


@dataclass(frozen=True, slots=True)
class Row:
    """One request and what becomes of it."""

    what: str
    request: Request
    status: int
    label: str
    fields: Fields = ()
    """Fields of the response, besides those that every response has."""
    is_told: bool = False
    """Whether a sentence says what to send instead."""


def _served() -> Iterator[Row]:
    proxy = (PROXY, ACCEPT)
    stale = ("Cache-Control", "max-stale")
    pad = ("X-Pad", X31)
    hashed = post(WWW, *proxy, CONTENT_TYPE, stale, query=BODY_HASH)
    padded = post(WWW, *proxy, CONTENT_TYPE, pad, query=BODY_HASH)
    yield Row("POST with body_hash", hashed, 200, "post-body-hash")
    yield Row("POST with X-Pad", padded, 200, "post-x-pad")
    yield Row("an empty ct", get(WWW, *proxy, query="ct=&dns={dns}"), 200, "get-ct-empty")
    query_string = f"ct=&dns={{dns}}&random_padding={X31}"
    yield Row("random_padding", get(WWW, *proxy, query=query_string), 200, "get-random-padding")
    query_string = f"body={Q33}&{query_string}"
    yield Row("a body parameter", get(WWW, *proxy, query=query_string), 200, "get-body-param")
    with_type = get(WWW, M13253, M13253_ACCEPT, query="ct=application/dns-message&dns={dns}")
    yield Row("a ct of today", with_type, 200, "get-ct-message")
    yield Row("a bare ct that takes our type", get(WWW, ACCEPT, query="ct&dns={dns}"), 200, "get-ct-empty")


def _drafts() -> Iterator[Row]:
    both = f"body={Q33}&ct=&dns={{dns}}"
    yield Row("the first drafts' GET", get(WWW, PROXY, DRAFT_ACCEPT, query=both), 406, "udpwireformat", (NOT_KEPT,))
    padded = get(WWW, PROXY, DRAFT_ACCEPT, query=f"{both}&random_padding={X31}")
    yield Row("the first drafts' GET, padded", padded, 406, "udpwireformat", (NOT_KEPT,))
    old_post = post(WWW, PROXY, DRAFT_ACCEPT, _typed(DRAFT))
    yield Row("the first drafts' POST", old_post, 415, "udpwireformat", (TYPE, NOT_KEPT))
    old_type = get(WWW, M13253_ACCEPT, M13253, query=f"ct={DRAFT}&dns={{dns}}")
    yield Row("the drafts' ct", old_type, 415, "udpwireformat", (TYPE, NOT_KEPT))
    bare = get(WWW, DRAFT_ACCEPT, query="ct&dns={dns}")
    yield Row("a bare ct of the drafts", bare, 406, "udpwireformat", (NOT_KEPT,))
    target = f"/.well-known/dns-query?ct&body={Q33}"
    yield Row("the well-known path of -02", _target(target, DRAFT_ACCEPT), 404, "well-known", (FIVE_MINUTES,))
    target = f"/.well-known/dns-query?content-type={DRAFT}&body={Q33}"
    accept = ("Accept", f"{DRAFT}, application/simpledns+json")
    yield Row("the well-known path of -01", _target(target, accept), 404, "well-known", (FIVE_MINUTES,))
    two_days = (("Accept", "message/dns"), _typed("message/dns"))
    yield Row("POST of message/dns", post(WWW, *two_days), 415, "message-dns", (TYPE, NOT_KEPT))
    yield Row("GET for message/dns", get(WWW, two_days[0]), 406, "message-dns", (NOT_KEPT,))


def _json() -> Iterator[Row]:
    json_first = ("Accept", "application/json, application/dns-message, application/dns-udpwireformat")
    target = "/dns-query?ct=application/dns-json&name=www.example.com&type=1&cd=1&do=1&edns_client_subnet=192.0.2.0/24"
    yield Row("m13253's JSON", _target(target, json_first), 400, "json-cloudflare", (NOT_KEPT, TEXT), is_told=True)
    target = "/resolve?name=www.example.com&type=A&cd=false&do=false&edns_client_subnet=0.0.0.0/0&random_padding=XmkMw"
    yield Row("Google's JSON", _target(target), 404, "json-google", (FIVE_MINUTES,))
    target = "/dns-query?name=www.example.com&type=AAAA"
    fields = (NOT_KEPT, TEXT)
    yield Row("Cloudflare's JSON", _target(target, JSON_ACCEPT), 406, "json-cloudflare", fields, is_told=True)
    yield Row("Cloudflare's JSON, any type", _target(target), 400, "json-cloudflare", fields, is_told=True)


def _broken() -> Iterator[Row]:
    yield Row("padded base64", _target(f"/dns-query?dns={CAFE}=="), 400, "b64-padded", (FIVE_MINUTES,))
    yield Row("the standard alphabet", _target(f"/dns-query?dns={STANDARD}"), 400, "rfc-get", (FIVE_MINUTES,))
    yield Row("two dns", _target(f"/dns-query?dns={Q33}&dns={CAFE}"), 400, "other", (NOT_KEPT,))
    yield Row("POST with dns", post(WWW, CONTENT_TYPE, query=f"dns={Q33}"), 400, "other", (NOT_KEPT,))
    prefixed = post(len(WWW).to_bytes(2) + WWW, CONTENT_TYPE)
    yield Row("a length prefix", prefixed, 400, "rfc-post", (NOT_KEPT,))
    prefixed = post((33).to_bytes(2) + b"\xca\xfe" + WWW[2:], CONTENT_TYPE)
    yield Row("a length prefix before an ID that reads as QR", prefixed, 400, "rfc-post", (NOT_KEPT,))
    yield Row("a length prefix in a GET", get(b"\x00\x21" + WWW, ACCEPT), 400, "rfc-get", (DAY,))
    preflight = (
        ("Origin", "https://app.example"),
        ("Access-Control-Request-Method", "POST"),
        ("Access-Control-Request-Headers", "content-type"),
    )
    yield Row("a preflight", Request("OPTIONS", "/dns-query", preflight), 405, "other", (ALLOW, NOT_KEPT))
    form = post(f"dns={Q33}".encode(), _typed("application/x-www-form-urlencoded"))
    yield Row("a form", form, 415, "other", (TYPE, NOT_KEPT))
    multipart = post(b"--x--", _typed("multipart/form-data; boundary=x"))
    yield Row("a multipart form", multipart, 415, "other", (TYPE, NOT_KEPT))
    yield Row("no type at all", post(WWW), 415, "other", (TYPE, NOT_KEPT))
    target = "targethost=dns.example&targetpath=/dns-query"
    oblivious = post(WWW, _typed("application/oblivious-dns-message"), query=target)
    yield Row("oblivious DNS", oblivious, 415, "oblivious", (TYPE, NOT_KEPT))
    yield Row("oblivious HTTP", post(WWW, _typed("message/ohttp-req")), 415, "oblivious", (TYPE, NOT_KEPT))
    yield Row("no query at all", _target("/dns-query"), 400, "other", (NOT_KEPT,))


SERVED = list(_served())
REFUSED = [*_drafts(), *_json(), *_broken()]


def _name(row: Row) -> str:
    return f"{row.what} gets {row.status}"


def _dialect(server: RunningServer, label: str, *, shadow: bool = False) -> float:
    name = "dohproxy_dialect_shadow_requests_total" if shadow else "dohproxy_dialect_requests_total"
    return server.figure(name, dialect=label)


_numbers = itertools.count()


def assert_nothing_was_asked(server: RunningServer, client: Client, before: int) -> None:
    """The upstream got nothing since `before`: one more question that is new to it is all that it sees."""
    fresh = query(f"fence{next(_numbers)}.example")
    assert client.exchange(post(fresh, CONTENT_TYPE)).status == 200
    assert server.call(lambda: server.upstream.asked) == before + 1


def test_every_dialect_that_has_a_name_is_here() -> None:
    assert {row.label for row in SERVED + REFUSED} == {one.value for one in Dialect if one is not Dialect.DOT}


@pytest.mark.parametrize("row", SERVED, ids=_name)
def test_a_dialect_that_real_clients_speak_is_served(server: RunningServer, client: Client, row: Row) -> None:
    before = _dialect(server, row.label)
    response = client.exchange(row.request)
    assert response.status == row.status
    assert_echoes(response.body, WWW)
    assert response.message().answer
    assert _dialect(server, row.label) == before + 1
    assert _dialect(server, row.label, shadow=True) == 0


@pytest.mark.parametrize("row", REFUSED, ids=_name)
def test_a_dialect_that_cannot_be_answered_is_refused_for_nothing(
    server: RunningServer, connect: Connect, client: Client, row: Row
) -> None:
    asked, counted = server.upstream.asked, _dialect(server, row.label)
    response = client.exchange(row.request)
    if row.is_told:
        assert response.status == row.status
        assert response.body.startswith(b"There is no JSON API here. Send a DNS message")
    else:
        assert_refused(response, row.status)
    assert {name: value for name, value in response.fields if name not in ("content-length", "date")} == dict(
        row.fields
    )
    assert _dialect(server, row.label) == counted + 1
    assert_nothing_was_asked(server, connect(server), asked)


# --- As the operator wants it ---


@pytest.fixture(scope="module", params=["count", "refuse"])
def strict_server(start: StartServer, request: pytest.FixtureRequest) -> Iterator[tuple[str, RunningServer]]:
    """A service whose operator has set every dialect to the same action."""
    action = str(request.param)
    setup = Setup()
    dialects = DialectsConfig(actions=dict.fromkeys(DIALECTS, action))
    with start(replace(setup, config=replace(setup.config, dialects=dialects))) as running:
        yield action, running


@pytest.mark.parametrize("row", SERVED, ids=lambda row: row.what)
def test_a_dialect_is_counted_or_refused_as_configured(
    strict_server: tuple[str, RunningServer], connect: Connect, row: Row
) -> None:
    action, server = strict_server
    client = connect(server)
    asked = server.upstream.asked
    counted, shadows = (_dialect(server, row.label, shadow=shadow) for shadow in (False, True))
    response = client.exchange(row.request)
    assert _dialect(server, row.label) == counted + 1
    if action == "refuse":
        assert_refused(response, 400)
        assert response.field("cache-control") == "no-store"
        assert _dialect(server, row.label, shadow=True) == shadows
        assert_nothing_was_asked(server, client, asked)
    else:
        assert response.message().answer
        assert _dialect(server, row.label, shadow=True) == shadows + 1


@pytest.mark.parametrize("request_", [get(WWW, ACCEPT), post(WWW, CONTENT_TYPE)], ids=["GET", "POST"])
def test_the_rfc_is_served_whatever_is_configured(
    strict_server: tuple[str, RunningServer], connect: Connect, request_: Request
) -> None:
    assert connect(strict_server[1]).exchange(request_).message().answer
