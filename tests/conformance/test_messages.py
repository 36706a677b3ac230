"""DNS inside HTTP and over DoT: EDNS, header bits, questions and refusals.

Padding; EDNS and its options; what a query may hold; opcodes, types and classes; the question as sent; bits; ECS;
extended errors; and the probes of dnscrypt-proxy. What is sent upstream has tests of its own.
"""

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest

from tests.conformance.exchange import CONTENT_TYPE, Client, assert_echoes, get, post
from tests.conformance.queries import (
    CLIENT_COOKIE,
    CLIENT_SUBNET,
    EMPTY_ERROR,
    NO_SUBNET,
    PADDING,
    SUBNET,
    option,
    query,
)
from tests.fakes.conformance import RunningServer
from tests.wire import messages

BLOCK = 468
LARGEST_FOR_DNSCRYPT_PROXY = 4096
KEEPALIVE = option(11, b"\x00\x64")
AD, CD, RD = messages.AD, messages.CD, messages.RD
CHAOS, NONE, ANY_CLASS = 3, 254, 255
WWW = messages.name("www.example.com")


@pytest.fixture(scope="session", params=["http1", "http2", "dot"])
def frontend(request: pytest.FixtureRequest) -> str:
    """Through which frontend the messages go: what they say has nothing to do with HTTP."""
    return str(request.param)


def _ask(client: Client, wire: bytes) -> dns.message.Message:
    """The reply to a POST, after both methods were found to give it."""
    posted, got = client.exchange(post(wire, CONTENT_TYPE)), client.exchange(get(wire))
    assert posted.body[:4] == got.body[:4]
    assert posted.body[:2] == wire[:2]
    return posted.message()


def _codes(message: dns.message.Message) -> set[int]:
    return {int(option.otype) for option in message.options}


# --- padding ---


@pytest.mark.parametrize("name", ["www.example.com", "localhost", "nxdomain.example.com", "servfail.example.com"])
@pytest.mark.parametrize("padding", [0, 1, 37, 200], ids=lambda count: f"{count} bytes of padding")
def test_a_padded_query_gets_a_padded_reply(client: Client, name: str, padding: int) -> None:
    wire = query(name, "A", option(PADDING, b"\xff" * padding))
    response = client.exchange(post(wire, CONTENT_TYPE))
    assert len(response.body) % BLOCK == 0
    assert PADDING in _codes(response.message())


@pytest.mark.parametrize(
    "wire",
    [query("www.example.com"), query("www.example.com", edns=None)],
    ids=["with EDNS", "without EDNS"],
)
def test_a_query_without_padding_gets_none(client: Client, wire: bytes) -> None:
    assert PADDING not in _codes(_ask(client, wire))


def test_padding_is_zeroes(client: Client) -> None:
    reply = _ask(client, query("www.example.com", "A", option(PADDING, b"\xff" * 30)))
    (padding,) = (found for found in reply.options if found.otype == dns.edns.OptionType.PADDING)
    assert set(padding.to_wire() or b"") == {0}


def test_padding_never_takes_a_reply_over_what_clients_read(server: RunningServer, client: Client) -> None:
    wire = query("many.example", "TXT", option(PADDING))
    reply = dns.message.make_response(dns.message.from_wire(wire), recursion_available=True)
    texts = " ".join(f'"{250 * "x"}"' for _ in range(15))
    reply.answer.append(dns.rrset.from_text("many.example.", 300, "IN", "TXT", texts))
    server.learn(wire, reply.to_wire(max_size=65_535), age=0)
    size = len(client.exchange(get(wire)).body)
    assert 8 * BLOCK < size <= LARGEST_FOR_DNSCRYPT_PROXY


# --- what a query may be ---

OPT = messages.opt()
QUESTION = messages.question(WWW)
BAD_SUBNET = messages.opt(messages.subnet(source=33, address=b"\x01\x02\x03\x04\x05"))

FORMAT_ERRORS = [
    pytest.param(messages.query(QUESTION, OPT, OPT), id="two OPT records"),
    pytest.param(messages.query(QUESTION, messages.opt(owner=messages.name("a"))), id="an OPT of another owner"),
    pytest.param(messages.message(RD, [], [], [], [OPT]), id="no question"),
    pytest.param(messages.message(RD, [QUESTION, QUESTION]), id="two questions"),
    pytest.param(messages.message(RD, [QUESTION], [messages.record()]), id="an answer record"),
    pytest.param(messages.message(RD, [QUESTION], [], [messages.soa()]), id="an authority record"),
    pytest.param(messages.query(QUESTION, messages.record()), id="an additional record that is no OPT"),
    pytest.param(messages.query(messages.pointer(12) + b"\x00\x01\x00\x01"), id="a pointer as the name"),
    pytest.param(messages.query(b"\x03www" + messages.pointer(4) + b"\x00\x01\x00\x01"), id="a pointer in the name"),
    pytest.param(messages.query(QUESTION) + b"\x00", id="a byte too many"),
    pytest.param(messages.query(QUESTION, OPT)[:-1], id="a byte too few"),
    pytest.param(messages.query(QUESTION, messages.opt(b"\x00\x0c\x00\x05\x00")), id="an option that is cut"),
    pytest.param(messages.query(QUESTION, BAD_SUBNET), id="ECS with a prefix that cannot be"),
    pytest.param(messages.query(b"\x40" + QUESTION), id="a label of an unknown kind"),
    pytest.param(messages.query(5 * (b"\x3f" + 63 * b"a") + QUESTION), id="a name of more than 255 bytes"),
]


@pytest.mark.parametrize("wire", FORMAT_ERRORS)
def test_a_query_with_a_fault_gets_formerr(server: RunningServer, client: Client, wire: bytes) -> None:
    asked = server.upstream.asked
    reply = _ask(client, wire)
    assert reply.rcode() == dns.rcode.FORMERR
    assert not reply.answer
    assert server.upstream.asked == asked


@pytest.mark.parametrize("version", [1, 255])
def test_another_version_of_edns_gets_badvers_and_ours(client: Client, version: int) -> None:
    reply = _ask(client, messages.query(QUESTION, messages.opt(version=version)))
    assert reply.rcode() == dns.rcode.BADVERS
    assert reply.edns == 0


@pytest.mark.parametrize("name", ["www.example.com", "localhost", "nxdomain.example.com", "servfail.example.com"])
def test_an_opt_is_there_if_and_only_if_there_was_one(client: Client, name: str) -> None:
    assert _ask(client, query(name)).edns == 0
    assert _ask(client, query(name, edns=None)).edns == -1


@pytest.mark.parametrize("sent", [CLIENT_COOKIE, EMPTY_ERROR, KEEPALIVE, option(65001, b"local"), option(3)], ids=str)
def test_an_option_of_the_client_is_neither_forwarded_nor_echoed(
    server: RunningServer, client: Client, frontend: str, sent: dns.edns.Option
) -> None:
    wire = query(f"option{int(sent.otype)}.example", "A", sent)
    reply = client.exchange(get(wire)).message()
    assert reply.answer
    # Who asks over a stream how long it may be idle is told by us (RFC 7828); HTTP has its own ways.
    assert _codes(reply) == ({int(sent.otype)} if frontend == "dot" and sent is KEEPALIVE else set())
    upstream = dns.message.from_wire(server.call(lambda: server.upstream.asked_over_udp[-1]))
    assert upstream.question == reply.question
    # A cookie goes to the upstream, but it is our own.
    assert _codes(upstream) <= {dns.edns.OptionType.COOKIE}
    assert sent.to_wire() not in [found.to_wire() for found in upstream.options]


def test_an_option_of_the_upstream_goes_no_further(client: Client) -> None:
    reply = _ask(client, query("options.example", "A", CLIENT_COOKIE))
    assert reply.answer
    assert not reply.options


def test_ecs_of_the_upstream_goes_no_further(client: Client) -> None:
    (echoed,) = _ask(client, query("options.example", "A", SUBNET)).options
    assert echoed.to_wire() == SUBNET.to_wire()


@pytest.mark.parametrize("opcode", [1, 2, 4, 5, 6, 15], ids=lambda number: f"opcode {number}")
def test_another_opcode_is_not_implemented_and_its_question_repeated(client: Client, opcode: int) -> None:
    wire = messages.message(opcode << 11 | RD, [QUESTION])
    response = client.exchange(post(wire, CONTENT_TYPE))
    assert response.status == 200
    assert response.body[3] & 0xF == dns.rcode.NOTIMP
    assert response.body[2] >> 3 & 0xF == opcode
    assert_echoes(response.body, wire)


@pytest.mark.parametrize(
    ("qtype", "qclass"),
    [
        *(pytest.param(qtype, 1, id=f"type {qtype}") for qtype in (0, 41, 128, 249, 250, 251, 252, 253, 254)),
        pytest.param(16, CHAOS, id="class CH"),
        pytest.param(1, NONE, id="class NONE"),
        pytest.param(1, ANY_CLASS, id="class ANY"),
    ],
)
def test_a_meta_type_or_a_foreign_class_is_refused(
    server: RunningServer, client: Client, frontend: str, qtype: int, qclass: int
) -> None:
    asked = server.upstream.asked
    wire = messages.query(messages.question(WWW, qtype, qclass), OPT)
    response = client.exchange(post(wire, CONTENT_TYPE))
    assert response.body[3] & 0xF == dns.rcode.REFUSED
    assert_echoes(response.body, wire)
    assert frontend == "dot" or response.max_age == 0
    assert server.upstream.asked == asked


def test_any_gets_the_hinfo_of_rfc_8482(server: RunningServer, client: Client) -> None:
    asked = server.upstream.asked
    (answer,) = _ask(client, query("www.example.com", "ANY")).answer
    assert answer.rdtype == dns.rdatatype.HINFO
    assert answer[0].cpu == b"RFC8482"
    assert answer.ttl > 0
    assert server.upstream.asked == asked


@pytest.mark.parametrize("rdtype", ["HTTPS", "SVCB", "MX", "DS", "TYPE65280"])
def test_any_other_type_passes(client: Client, rdtype: str) -> None:
    (answer,) = _ask(client, query("types.example", rdtype)).answer
    assert answer.rdtype == dns.rdatatype.from_text(rdtype)


def test_the_question_is_repeated_byte_for_byte(server: RunningServer, client: Client) -> None:
    spellings = ["wWw.CaSe.ExAmPlE", "WWW.CASE.EXAMPLE", "www.case.example"]
    asked = server.upstream.asked
    for spelling in spellings:
        wire = query(spelling)
        assert_echoes(client.exchange(get(wire)).body, wire)
    assert server.upstream.asked == asked + 1


# --- bits and options ---


def test_cd_is_copied_and_kept_apart(server: RunningServer, client: Client) -> None:
    asked = server.upstream.asked
    wires = [
        messages.query(messages.question(messages.name("cd.example")), messages.opt(dnssec_ok=dnssec_ok), flags=flags)
        for flags in (RD, RD | CD)
        for dnssec_ok in (False, True)
    ]
    for wire in wires * 2:
        reply = client.exchange(get(wire)).message()
        assert bool(reply.flags & dns.flags.CD) == bool(wire[3] & CD)
        assert bool(reply.ednsflags & dns.flags.DO) == bool(dns.message.from_wire(wire).ednsflags & dns.flags.DO)
    assert server.upstream.asked == asked + len(wires)


@pytest.mark.parametrize(
    ("wire", "expected"),
    [
        pytest.param(query("authentic.example"), False, id="who does not ask is not told"),
        pytest.param(query("authentic.example", authentic=True), True, id="AD asks"),
        pytest.param(query("authentic.example", dnssec_ok=True), True, id="DO asks"),
        pytest.param(query("www.example.com", authentic=True), False, id="what is not proven is not claimed"),
    ],
)
def test_only_who_asks_is_told_that_data_is_authentic(client: Client, wire: bytes, expected: bool) -> None:
    assert bool(_ask(client, wire).flags & dns.flags.AD) is expected


def test_a_query_without_rd_is_refused_cached_or_not(server: RunningServer, client: Client) -> None:
    assert client.exchange(get(query("www.example.com"))).status == 200
    asked = server.upstream.asked
    reply = _ask(client, messages.query(QUESTION, OPT, flags=0))
    assert reply.rcode() == dns.rcode.REFUSED
    assert not reply.flags & dns.flags.RD
    assert server.upstream.asked == asked


@pytest.mark.parametrize("name", ["www.example.com", "localhost", "nxdomain.example.com", "servfail.example.com"])
def test_recursion_is_always_available(client: Client, name: str) -> None:
    reply = _ask(client, query(name))
    assert reply.flags & dns.flags.RA
    assert reply.flags & dns.flags.RD


@pytest.mark.parametrize("subnet", [NO_SUBNET, SUBNET], ids=["an opt-out", "a subnet"])
def test_ecs_stays_here_and_comes_back_with_scope_0(
    server: RunningServer, client: Client, subnet: dns.edns.Option
) -> None:
    asked = server.upstream.asked
    name = f"ecs{len(subnet.to_wire() or b'')}.example"
    reply = client.exchange(get(query(name, "A", subnet))).message()
    (echoed,) = reply.options
    assert echoed.otype == CLIENT_SUBNET
    assert isinstance(echoed, dns.edns.ECSOption)
    assert echoed.scopelen == 0
    assert CLIENT_SUBNET not in _codes(dns.message.from_wire(server.call(lambda: server.upstream.asked_over_udp[-1])))
    assert not client.exchange(get(query(name))).message().options
    assert server.upstream.asked == asked + 1


@pytest.mark.parametrize(
    ("wire", "code"),
    [
        pytest.param(query("www.example.com", "AXFR"), dns.edns.EDECode.NOT_SUPPORTED, id="a meta type"),
        pytest.param(
            messages.query(messages.question(WWW, 16, CHAOS), OPT), dns.edns.EDECode.NOT_SUPPORTED, id="a class"
        ),
        pytest.param(messages.query(QUESTION, OPT, flags=0), dns.edns.EDECode.NOT_AUTHORITATIVE, id="without RD"),
    ],
)
def test_a_refusal_says_why(client: Client, wire: bytes, code: dns.edns.EDECode) -> None:
    (error,) = _ask(client, wire).options
    assert isinstance(error, dns.edns.EDEOption)
    assert error.code == code


def test_no_error_is_said_to_who_has_no_edns(client: Client) -> None:
    assert not _ask(client, query("www.example.com", "AXFR", edns=None)).options


# --- the probes of dnscrypt-proxy ---


def test_the_root_probe_asks_the_upstream_once(server: RunningServer, client: Client) -> None:
    client.exchange(get(query(".", "NS")))
    asked = server.upstream.asked
    for number in range(20):
        wire = query(".", "NS", option(PADDING, bytes([number] * 16)), identifier=0xCAFE)
        reply = client.exchange(post(wire, CONTENT_TYPE, query=f"body_hash={number:064x}")).message()
        assert reply.answer
        assert reply.id == 0xCAFE
    assert server.upstream.asked == asked


@pytest.mark.parametrize("label", ["abcdefghijklmnop", "qrstuvwxyzabcdef"])
def test_a_name_that_must_not_exist_does_not(client: Client, label: str) -> None:
    wire = query(f"{label}.test.dnscrypt", "NS", option(PADDING, bytes(16)), identifier=0xCAFE)
    response = client.exchange(post(wire, CONTENT_TYPE))
    assert response.message().rcode() == dns.rcode.NXDOMAIN
    assert 17 <= len(response.body) <= LARGEST_FOR_DNSCRYPT_PROXY
    assert_echoes(response.body, wire)
