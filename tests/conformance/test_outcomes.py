"""Every way in which a request can end, made to happen over real sockets, with the answer that the table has for it.

Each `Reason` has a row here, or says in `NOT_MADE_HERE` why not. What a row checks is one and the same for all: the
status, the rcode, the extended error, Retry-After where it belongs, and that the outcome is counted under its label.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import dns.edns
import dns.flags
import dns.message
import pytest

from dohproxy.builders import clock
from dohproxy.member_token import TOKEN_CHARACTERS
from dohproxy.outcomes import OUTCOMES, Reason
from dohproxy.policy.prefixes import parse_prefix
from dohproxy.wire.numbers import ExtendedError, Rcode
from tests.conformance.conftest import Connect, StartServer
from tests.conformance.exchange import ACCEPT, CONTENT_TYPE, Client, Request, Response, assert_refused, get, post
from tests.conformance.http1 import HOST, Closed, Http1Client
from tests.conformance.queries import query
from tests.conformance.setups import (
    ANY_ORIGIN,
    BEHIND_A_PROXY,
    DEAF,
    DENYING,
    FEW_FAILURES,
    FEW_IN_ALL,
    FEW_MISSES,
    FEW_REQUESTS,
    IMPATIENT,
    LISTING,
    LISTING_CLIENTS,
    LITTLE_BUDGET,
    NO_PLACE,
    ORDINARY,
    STRICT,
    WITH_TOKENS,
)
from tests.fakes.conformance import TTL, RunningServer, Setup, resolve_over_stream
from tests.wire import messages

MEMBER = query("www.example.com")

NOT_MADE_HERE = {
    Reason.BUG: "nothing that a client sends may lead there; the service's own tests put a bug into the walk",
}


Scene = Callable[[RunningServer, Client], Response]


@dataclass(frozen=True, slots=True)
class Row:
    """How one outcome comes about."""

    reason: Reason
    scene: Scene
    setup: Setup = ORDINARY
    what: str = ""
    rcode: Rcode | None = None
    """Where it comes with the answer and not from the table."""
    errors: tuple[int, ...] | None = None
    """The same of extended errors."""
    fields: dict[str, str] = field(default_factory=dict)
    frontends: tuple[str, ...] = ("http1", "http2")


def _sends(*requests: Request) -> Scene:
    """The response to the last of these."""

    def scene(server: RunningServer, client: Client) -> Response:
        for request in requests[:-1]:
            client.exchange(request)
        return client.exchange(requests[-1])

    return scene


def _sends_bytes(data: bytes) -> Scene:
    def scene(server: RunningServer, client: Client) -> Response:
        with Http1Client(server.port) as raw:
            raw.send(data)
            return raw.receive()

    return scene


def _finds_stale(label: str) -> Scene:
    """An answer is known whose time is over, and the upstream has nothing better."""

    def scene(server: RunningServer, client: Client) -> Response:
        wire, known = query(f"{label}.stale.example"), query("www.stale.example")
        if label == "nxdomain":
            known = query("nxdomain.stale.example")
        reply = dns.message.from_wire(resolve_over_stream(known)[0])
        asked = dns.message.from_wire(wire).question[0]
        for rrset in (*reply.question, *reply.answer):
            rrset.name = asked.name
        server.learn(wire, reply.to_wire(), age=TTL + 600)
        return client.exchange(get(wire, ACCEPT))

    return scene


def _of(name: str, rdtype: str = "A") -> Request:
    return get(query(name, rdtype), ACCEPT)


def _of_bytes(wire: bytes) -> Request:
    return post(wire, CONTENT_TYPE)


def _of_stub(name: str) -> Request:
    return get(query(name), ACCEPT, ("User-Agent", "dnscrypt-proxy"))


def _held(request: Request, *, members_only: bool = False, stubs_away: bool = False) -> Scene:
    """The response once strangers are held so."""

    def scene(server: RunningServer, client: Client) -> Response:
        server.core.pipeline.restrict(members_only=members_only, stubs_away=stubs_away, spare_strangers=False)
        return client.exchange(request)

    return scene


def _until_refused(server: RunningServer, client: Client) -> Response:
    """One miss after the other; a slow machine earns a token now and then."""
    responses = (client.exchange(_of(f"m{number}.all.example")) for number in range(20))
    return next(one for one in responses if one.status != 200 or int(one.message().rcode()) == Rcode.SERVFAIL)


def _while_one_waits(server: RunningServer, client: Client) -> Response:
    """The only place for misses is taken by a question that the upstream does not answer."""
    with Http1Client(server.port) as waiting:
        waiting.send(b"GET " + _of("silent.place.example").target.encode() + b" HTTP/1.1\r\nHost: a\r\n\r\n")
        assert server.wait_until(lambda: server.core.request_limiter.statistics(0.0).slots.taken)
        return client.exchange(_of("other.place.example"))


def _sends_banned(server: RunningServer, client: Client) -> Response:
    """The next client on the same connection of a front proxy is answered."""
    prefix = parse_prefix("192.0.2.0/24")
    server.call(lambda: server.core.bans.ban(prefix, 600.0, "", clock(), spares=True))
    response = client.exchange(get(MEMBER, ACCEPT, ("X-Forwarded-For", "192.0.2.7")))
    assert client.exchange(get(MEMBER, ACCEPT, ("X-Forwarded-For", "192.0.3.7"))).status == 200
    return response


HEAD = f"POST /dns-query HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/dns-message\r\n".encode()
SHORT_HEAD = f"GET /dns-query HTTP/1.1\r\nHost: {HOST}\r\n".encode()
OPT = messages.opt()
QUESTION = messages.question()
GONE = ExtendedError.NO_REACHABLE_AUTHORITY
REMEMBERED = (GONE, ExtendedError.CACHED_ERROR)
ALLOW = {"allow": "GET, HEAD, POST"}
TYPE = {"accept": "application/dns-message"}
STALE = (ExtendedError.STALE_ANSWER,)
STALE_NXDOMAIN = (ExtendedError.STALE_NXDOMAIN,)
CLOSE = {"connection": "close"}
"""HTTP/2 has no such field; nor has it to close, as frames say where a request ends."""
HTTP1 = ("http1",)
"""What is broken in a way that only HTTP/1.1 can be; HTTP/2 has its own, which end the connection without an answer."""

ROWS = [
    Row(Reason.FORWARDED, _sends(_of("new.example")), rcode=Rcode.NOERROR, errors=()),
    Row(Reason.CACHED, _sends(_of("known.example"), _of("known.example")), rcode=Rcode.NOERROR, errors=()),
    Row(Reason.STALE, _finds_stale("servfail"), rcode=Rcode.NOERROR, errors=STALE, what="the upstream fails"),
    Row(Reason.STALE, _finds_stale("silent"), IMPATIENT, "the upstream is silent", Rcode.NOERROR, STALE),
    Row(Reason.STALE, _finds_stale("away"), DEAF, "the upstream is away", Rcode.NOERROR, STALE),
    Row(Reason.STALE, _finds_stale("nxdomain"), DEAF, "a name that was not", Rcode.NXDOMAIN, STALE_NXDOMAIN),
    Row(Reason.LOCAL, _sends(_of("localhost")), rcode=Rcode.NOERROR, errors=()),
    Row(Reason.LOCAL, _sends(_of("a.onion")), what="NXDOMAIN", rcode=Rcode.NXDOMAIN, errors=()),
    Row(Reason.UNDELEGATED, _sends(_of("abcdefghijklmnop.test.dnscrypt", "NS")), DENYING, "", Rcode.NXDOMAIN, ()),
    Row(Reason.MINIMAL_ANY, _sends(_of("www.example.com", "ANY")), errors=()),
    Row(Reason.WRONG_PATH, _sends(get(MEMBER, path="/")), fields={"cache-control": "max-age=300"}),
    Row(
        Reason.UNKNOWN_TOKEN,
        _sends(get(MEMBER, path=f"/dns-query/{'x' * TOKEN_CHARACTERS}")),
        WITH_TOKENS,
        fields={"cache-control": "no-store"},
    ),
    Row(Reason.PREFLIGHT, _sends(Request("OPTIONS", "/dns-query")), ANY_ORIGIN),
    Row(Reason.METHOD_NOT_ALLOWED, _sends(Request("PUT", "/dns-query")), fields=ALLOW),
    Row(Reason.METHOD_UNKNOWN, _sends(Request("BREW", "/dns-query"))),
    Row(Reason.TARGET_TOO_LONG, _sends(get(MEMBER, query="dns={dns}&x=" + 5000 * "x"))),
    Row(
        Reason.TARGET_TOO_LONG,
        _sends(get(MEMBER, query="dns={dns}&x=" + 9000 * "x")),
        what="unread",
        fields=CLOSE,
        frontends=HTTP1,
    ),
    Row(
        Reason.HEADERS_TOO_LARGE,
        _sends(get(MEMBER, ("X", 5000 * "x"))),
        what="one field",
        fields=CLOSE,
        frontends=HTTP1,
    ),
    Row(
        Reason.HEADERS_TOO_LARGE,
        _sends(get(MEMBER, *((f"X{n}", 900 * "x") for n in range(10)))),
        what="all fields together",
        fields=CLOSE,
    ),
    Row(Reason.HEADERS_TOO_LARGE, _sends_bytes(SHORT_HEAD + b"X: " + 30_000 * b"x"), what="no end", frontends=HTTP1),
    Row(Reason.BODY_TOO_LARGE, _sends(_of_bytes(bytes(1025))), fields=CLOSE),
    Row(
        Reason.BODY_TOO_LARGE,
        _sends_bytes(HEAD + b"Content-Length: 99999\r\n\r\n"),
        what="announced",
        fields=CLOSE,
        frontends=HTTP1,
    ),
    Row(
        Reason.BODY_TOO_LARGE,
        _sends_bytes(HEAD + b"Transfer-Encoding: chunked\r\n\r\n800\r\n" + bytes(0x800) + b"\r\n"),
        what="in chunks",
        fields=CLOSE,
        frontends=HTTP1,
    ),
    Row(Reason.MEDIA_TYPE, _sends(post(MEMBER)), fields=TYPE),
    Row(Reason.NOT_ACCEPTABLE, _sends(get(MEMBER, ("Accept", "text/html")))),
    Row(Reason.DNS_PARAMETER, _sends(Request("GET", "/dns-query"))),
    Row(Reason.BASE64, _sends(Request("GET", "/dns-query?dns=AAAA="))),
    Row(Reason.EMPTY_BODY, _sends(_of_bytes(b""))),
    Row(Reason.BAD_HTTP, _sends_bytes(SHORT_HEAD + b"Host: other\r\n\r\n"), fields=CLOSE, frontends=HTTP1),
    Row(
        Reason.TRANSFER_CODING,
        _sends_bytes(HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
        fields=CLOSE,
        frontends=HTTP1,
    ),
    Row(Reason.SLOW_REQUEST, _sends_bytes(SHORT_HEAD), IMPATIENT, "its head", fields=CLOSE, frontends=HTTP1),
    Row(
        Reason.SLOW_REQUEST,
        _sends_bytes(HEAD + b"Content-Length: 33\r\n\r\n" + bytes(20)),
        IMPATIENT,
        "its body",
        fields=CLOSE,
        frontends=HTTP1,
    ),
    Row(Reason.DIALECT_REFUSED, _sends(post(MEMBER, CONTENT_TYPE, query="body_hash=ab")), STRICT),
    Row(Reason.UNREADABLE, _sends(_of_bytes(bytes(16)))),
    Row(Reason.UNREADABLE, _sends(_of_bytes(messages.query(flags=messages.QR))), what="an answer"),
    Row(Reason.FORMAT_ERROR, _sends(_of_bytes(messages.query(QUESTION, OPT, OPT)))),
    Row(Reason.NOT_IMPLEMENTED, _sends(_of_bytes(messages.message(0x2000, [QUESTION])))),
    Row(Reason.BAD_VERSION, _sends(_of_bytes(messages.query(QUESTION, messages.opt(version=1))))),
    Row(Reason.CLASS_REFUSED, _sends(_of_bytes(messages.query(messages.question(qclass=3), OPT)))),
    Row(Reason.TYPE_REFUSED, _sends(_of("www.example.com", "AXFR"))),
    Row(Reason.RECURSION_NOT_DESIRED, _sends(_of_bytes(messages.query(QUESTION, OPT, flags=0)))),
    Row(Reason.BLOCKED, _sends(_of("operator.listed.example")), LISTING),
    Row(Reason.CENSORED, _sends(_of("law.listed.example")), LISTING),
    Row(Reason.HARMFUL, _sends(_of("harm.listed.example")), LISTING, rcode=Rcode.NXDOMAIN),
    Row(Reason.FILTERED, _sends(_of("requested.listed.example")), LISTING, rcode=Rcode.NOERROR),
    Row(Reason.PROHIBITED, _sends(_of("www.example.com")), LISTING_CLIENTS),
    Row(Reason.MEMBERS_ONLY, _held(_of("www.example.com"), members_only=True)),
    Row(Reason.LIST_STUB, _held(_of_stub("www.example.com"), stubs_away=True), fields=CLOSE),
    Row(Reason.BANNED, _sends_banned, BEHIND_A_PROXY, fields={"retry-after": "300"}),
    Row(Reason.CLIENT_LIMIT, _sends(*3 * [_of("limit.example")]), FEW_REQUESTS, fields={"retry-after": "10"}),
    Row(Reason.SERVICE_LIMIT, _while_one_waits, NO_PLACE, "no place for misses", fields={"retry-after": "1"}),
    Row(Reason.SERVICE_LIMIT, _until_refused, FEW_IN_ALL, "too many in all"),
    Row(Reason.MISS_LIMIT, _sends(_of("m1.example"), _of("m2.example")), FEW_MISSES),
    Row(Reason.DOMAIN_LIMIT, _sends(_of("nxdomain.full.example"), _of("new.full.example")), FEW_FAILURES),
    Row(Reason.BUDGET_SPENT, _sends(_of("b1.example"), _of("b2.example")), LITTLE_BUDGET),
    Row(Reason.UPSTREAM_TIMEOUT, _sends(_of("silent.example")), IMPATIENT),
    Row(Reason.UPSTREAM_UNREACHABLE, _sends(_of("away.example")), DEAF),
    Row(Reason.UPSTREAM_REFUSED, _sends(_of("servfail.new.example")), what="SERVFAIL"),
    Row(Reason.UPSTREAM_REFUSED, _sends(_of("refused.new.example")), what="REFUSED, which is about us"),
    Row(Reason.UPSTREAM_REFUSED, _sends(_of("bogus.new.example")), what="an explained SERVFAIL", errors=(6,)),
    Row(
        Reason.UPSTREAM_REFUSED,
        _sends(_of("blocked.new.example")),
        what="an explained REFUSED",
        rcode=Rcode.REFUSED,
        errors=(15,),
    ),
    Row(
        Reason.FAILURE_REMEMBERED,
        _sends(_of("silent.twice.example"), _of("silent.twice.example")),
        IMPATIENT,
        rcode=Rcode.SERVFAIL,
        errors=REMEMBERED,
    ),
]


OF_HTTP = frozenset(
    {
        *(Reason.WRONG_PATH, Reason.PREFLIGHT, Reason.METHOD_NOT_ALLOWED, Reason.METHOD_UNKNOWN),
        *(Reason.TARGET_TOO_LONG, Reason.HEADERS_TOO_LARGE, Reason.MEDIA_TYPE, Reason.NOT_ACCEPTABLE),
        *(Reason.DNS_PARAMETER, Reason.BASE64, Reason.EMPTY_BODY, Reason.BAD_HTTP, Reason.TRANSFER_CODING),
        *(Reason.DIALECT_REFUSED, Reason.LIST_STUB),
    }
)
"""What only a request of HTTP can come to."""
OTHERWISE_OVER_DOT = {
    Reason.BODY_TOO_LARGE: "test_dot.py",
    Reason.UNKNOWN_TOKEN: "the token is in the name of the handshake: tests/frontends/dot/test_connection.py",
    Reason.SLOW_REQUEST: "a message that does not end: tests/frontends/dot/test_connection.py",
    Reason.BANNED: "nobody is a front proxy for another here: tests/frontends/test_listener_bans.py",
}
OVER_DOT = [row for row in ROWS if row.reason not in OF_HTTP and row.reason not in OTHERWISE_OVER_DOT]


def _name(case: Row | str) -> str:
    if isinstance(case, str):
        return case
    row, ending = case, OUTCOMES[case.reason]
    return f"{ending.label} gets {ending.status}" + (f": {row.what}" if row.what else "")


def test_every_reason_has_a_row() -> None:
    assert {row.reason for row in ROWS} | set(NOT_MADE_HERE) == set(Reason)
    assert not {row.reason for row in ROWS} & set(NOT_MADE_HERE)


@pytest.mark.parametrize(
    ("frontend", "row"),
    [(frontend, row) for row in ROWS for frontend in row.frontends],
    ids=_name,
    indirect=["frontend"],
)
def test_an_outcome(start: StartServer, connect: Connect, frontend: str, row: Row) -> None:
    ending = OUTCOMES[row.reason]
    with start(row.setup) as server:
        response = row.scene(server, connect(server))
        counted = server.figure("dohproxy_requests_total", outcome=ending.label, status=str(ending.status))
    assert counted == 1
    if ending.status != 200:
        assert_refused(response, ending.status)
        fields = row.fields if frontend == "http1" or row.fields is not CLOSE else {}
        assert fields.items() <= dict(response.fields).items()
        return
    message = response.message()
    assert int(message.rcode()) == (ending.rcode if row.rcode is None else row.rcode)
    errors = [int(option.code) for option in message.options if isinstance(option, dns.edns.EDEOption)]
    expected = ending.errors if row.errors is None else row.errors
    if message.edns == 0:
        assert errors == list(expected)


@pytest.mark.parametrize(("frontend", "row"), [("dot", row) for row in OVER_DOT], ids=_name, indirect=["frontend"])
def test_an_outcome_in_dns_terms(start: StartServer, connect: Connect, frontend: str, row: Row) -> None:
    ending = OUTCOMES[row.reason]
    with start(row.setup) as server:
        try:
            response = row.scene(server, connect(server))
        except Closed:
            response = None
        counted = server.figure("dohproxy_requests_total", frontend=frontend, outcome=ending.label)
    assert counted == 1
    if response is None:
        assert ending.closes
        return
    message = response.message()
    assert int(message.rcode()) == (ending.rcode if row.rcode is None else row.rcode)
    assert not message.flags & dns.flags.TC
    errors = [int(option.code) for option in message.options if isinstance(option, dns.edns.EDEOption)]
    if message.edns == 0:
        assert errors == list(ending.errors if row.errors is None else row.errors)
