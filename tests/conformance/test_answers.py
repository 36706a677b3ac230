"""What an answer looks like in HTTP: RFC 8484 sections 4.2 to 6.

The size of an answer; every rcode comes with 200, and nothing else carries a DNS message; the border between HTTP's
faults and DNS's; the type to the letter; a length and no coding; freshness; no Vary and no cookies; TC never; GET and
POST are equal.
"""

import contextlib

import dns.flags
import dns.message
import dns.rcode
import pytest

from tests.conformance.conftest import Connect, connect_through
from tests.conformance.exchange import (
    ACCEPT,
    CONTENT_TYPE,
    MEDIA_TYPE,
    Client,
    Request,
    Response,
    assert_echoes,
    assert_refused,
    get,
    post,
)
from tests.conformance.queries import PADDING, option, query
from tests.fakes.conformance import CNAME_TTL, SOA_MINIMUM, TTL, RunningServer, resolve_over_stream
from tests.wire import messages

NEGATIVE_CEILING = 900
REQUIRED = {"content-type", "cache-control", "content-length", "date"}


def _ask(client: Client, name: str, rdtype: str = "A", *, edns: int = 4096) -> Response:
    return client.exchange(get(query(name, rdtype, edns=edns), ACCEPT))


def _smallest_ttl(message: dns.message.Message) -> int:
    return min(rrset.ttl for rrset in message.answer)


@pytest.mark.parametrize("size", [512, 1232, 4096], ids=lambda size: f"announcing {size} bytes")
def test_a_large_answer_comes_whole_whatever_size_the_query_announces(client: Client, size: int) -> None:
    response = _ask(client, f"large.size{size}.example", "TXT", edns=size)
    assert len(response.body) > 4096
    message = response.message()
    assert sum(len(rrset) for rrset in message.answer) == 20
    assert not message.flags & dns.flags.TC


def test_a_large_answer_comes_whole_without_edns(client: Client) -> None:
    response = client.exchange(get(query("large.bare.example", "TXT", edns=None)))
    assert not response.message().flags & dns.flags.TC
    assert len(response.body) > 4096


NOTIFY = messages.message(0x2000 | messages.RD, [messages.question()])
TWO_QUESTIONS = messages.message(messages.RD, [messages.question(), messages.question()])
VERSION_1 = messages.query(messages.question(), messages.opt(version=1))

RCODES = [
    pytest.param(query("www.example.com"), dns.rcode.NOERROR, id="NOERROR"),
    pytest.param(query("nodata.example.com"), dns.rcode.NOERROR, id="NODATA"),
    pytest.param(query("nxdomain.example.com"), dns.rcode.NXDOMAIN, id="NXDOMAIN"),
    pytest.param(query("servfail.example.com"), dns.rcode.SERVFAIL, id="SERVFAIL"),
    pytest.param(query("www.example.com", "AXFR"), dns.rcode.REFUSED, id="REFUSED"),
    pytest.param(NOTIFY, dns.rcode.NOTIMP, id="NOTIMP"),
    pytest.param(TWO_QUESTIONS, dns.rcode.FORMERR, id="FORMERR"),
    pytest.param(VERSION_1, dns.rcode.BADVERS, id="BADVERS"),
]


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(("wire", "rcode"), RCODES)
def test_every_rcode_comes_as_a_dns_message_with_status_200(
    client: Client, method: str, wire: bytes, rcode: dns.rcode.Rcode
) -> None:
    response = client.exchange(get(wire, ACCEPT) if method == "GET" else post(wire, CONTENT_TYPE))
    assert response.message().rcode() == rcode
    assert response.body[:2] == wire[:2]
    assert {name for name, _ in response.fields} == REQUIRED


UNREADABLE = [
    pytest.param(b"\x00" * 16, id="shorter than any query"),
    pytest.param(messages.query(flags=messages.QR | messages.RD), id="an answer"),
    pytest.param(len(messages.query()).to_bytes(2) + messages.query(identifier=0x0101), id="a length prefix"),
]


@pytest.mark.parametrize("wire", UNREADABLE)
def test_what_cannot_be_answered_gets_400_and_no_message(client: Client, wire: bytes) -> None:
    assert_refused(client.exchange(post(wire, CONTENT_TYPE)), 400)
    assert_refused(client.exchange(get(wire)), 400)


@pytest.mark.parametrize(
    ("name", "rdtype", "seconds"),
    [
        pytest.param("fresh.example", "A", TTL, id="the TTL of the answer"),
        pytest.param("chain.fresh.example", "A", CNAME_TTL, id="the smallest TTL of a chain"),
        pytest.param("nodata.fresh.example", "A", SOA_MINIMUM, id="the SOA's minimum for NODATA"),
        pytest.param("nxdomain.fresh.example", "A", SOA_MINIMUM, id="the SOA's minimum for NXDOMAIN"),
        pytest.param("bare.fresh.example", "A", 0, id="nothing without an SOA"),
        pytest.param("servfail.fresh.example", "A", 0, id="nothing for a failure"),
        pytest.param("fresh.example", "AXFR", 0, id="nothing for a refusal"),
    ],
)
def test_an_answer_says_how_long_it_is_fresh(client: Client, name: str, rdtype: str, seconds: int) -> None:
    response = _ask(client, name, rdtype)
    assert response.max_age == seconds
    message = response.message()
    if message.answer:
        assert _smallest_ttl(message) == seconds


def test_no_negative_answer_is_fresh_for_longer_than_its_ttl_in_the_message(client: Client) -> None:
    response = _ask(client, "nxdomain.soa.example")
    (soa,) = response.message().authority
    assert response.max_age <= min(soa.ttl, soa[0].minimum, NEGATIVE_CEILING)


@pytest.mark.parametrize(
    ("label", "age", "left"),
    [
        pytest.param("www", 100, TTL - 100, id="an answer"),
        pytest.param("chain", 100, CNAME_TTL - 100, id="a chain"),
        pytest.param("nxdomain", 100, SOA_MINIMUM - 100, id="an NXDOMAIN"),
    ],
)
def test_what_the_cache_has_aged_is_less_fresh(
    server: RunningServer, client: Client, label: str, age: int, left: int
) -> None:
    wire = query(f"{label}.aged.example")
    server.learn(wire, resolve_over_stream(wire)[0], age=age)
    response = client.exchange(get(wire))
    # The entry may have become a second older since.
    assert left - 1 <= response.max_age <= left
    message = response.message()
    records = message.answer or message.authority
    assert min(rrset.ttl for rrset in records) >= response.max_age
    if message.answer:
        assert _smallest_ttl(message) == response.max_age
    # Ages are taken off the TTLs, so they must not be told a second time.
    assert response.field("age") is None


@pytest.mark.parametrize("field", ["vary", "set-cookie", "location", "age", "server", "etag", "last-modified"])
def test_an_answer_has_no_field(client: Client, field: str) -> None:
    assert _ask(client, "www.example.com").field(field) is None


def test_an_answer_that_is_cut_over_udp_is_asked_again_over_tcp(server: RunningServer, client: Client) -> None:
    before = len(server.upstream.asked_over_stream)
    _ask(client, "large.cut.example", "TXT")
    assert len(server.upstream.asked_over_stream) == before + 1


@pytest.mark.parametrize("name", ["www.example.com", "nxdomain.both.example", "localhost", "servfail.both.example"])
def test_both_methods_and_both_transports_give_equal_bytes(server: RunningServer, connect: Connect, name: str) -> None:
    wire = query(name, identifier=0x1234)
    plain, encrypted = connect(server), connect(server, over_tls=True)
    plain.exchange(get(wire))
    replies = [
        client.exchange(request).body
        for client in (plain, encrypted)
        for request in (get(wire), get(wire, ACCEPT), post(wire, CONTENT_TYPE))
    ]
    messages_ = [dns.message.from_wire(reply) for reply in replies]
    assert len({len(reply) for reply in replies}) == 1
    assert all(message == messages_[0] for message in messages_)
    for reply in replies:
        assert_echoes(reply, wire)


@pytest.mark.parametrize(
    "wire",
    [
        query("known.frontends.example", identifier=0x1234),
        query("known.frontends.example", "A", option(PADDING)),
        query("large.frontends.example", "TXT"),
        query("nxdomain.frontends.example"),
        query("servfail.frontends.example"),
        query("localhost"),
        query("www.example.com", "AXFR"),
        query("www.example.com")[:-1],
    ],
    ids=["a hit", "a padded hit", "a large answer", "NXDOMAIN", "SERVFAIL", "a local answer", "REFUSED", "FORMERR"],
)
def test_both_frontends_give_equal_bytes(servers: dict[str, RunningServer], wire: bytes) -> None:
    server = servers["http1"]
    with (
        contextlib.closing(connect_through("http1", server)) as http1,
        contextlib.closing(connect_through("http2", server)) as http2,
        contextlib.closing(connect_through("http2", server, over_tls=True)) as encrypted,
    ):
        http1.exchange(get(wire))
        for request in (get(wire, ACCEPT), post(wire, CONTENT_TYPE)):
            expected, *others = _within_a_second(request, http1, http2, encrypted)
            assert expected.status == 200
            for response in others:
                assert response.body == expected.body
                assert _without_date(response) == _without_date(expected)


def _within_a_second(request: Request, *clients: Client) -> list[Response]:
    """Ask again if the TTLs went down between two answers."""
    for _ in range(5):
        before, *responses, after = (client.exchange(request) for client in (*clients, clients[0]))
        if before.body == after.body:
            return [before, *responses]
    raise AssertionError("every answer differs from the one before")


def _without_date(response: Response) -> list[tuple[str, str]]:
    return [(name, value) for name, value in response.fields if name != "date"]


def test_the_type_is_said_to_the_letter(client: Client) -> None:
    response = _ask(client, "www.example.com")
    assert ("content-type", MEDIA_TYPE) in response.fields
