"""Private addresses in public names: which they are, where they may stand, and what becomes of the answer."""

import struct
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dohproxy.config.schema import RuleMode
from dohproxy.policy.rebinding import SHORTEST_SECONDS, RebindingFilter, is_private
from dohproxy.policy.rule_switches import RuleSwitch
from dohproxy.wire.answer import Answer, Kind, parse_answer
from dohproxy.wire.malformed import Malformed
from dohproxy.wire.query import Query, parse_query
from fuzz.invariants import query_for
from tests.wire import messages as m
from tests.wire.strategies import answers, deterministic

AAAA, SVCB = 28, 64
PUBLIC_ADDRESS = ip_address("93.184.215.14").packed
PRIVATE = (
    "10.0.0.1", "10.255.255.255", "172.16.0.0", "172.31.255.255", "192.168.0.1", "127.0.0.1", "127.255.255.254",
    "169.254.169.254", "0.0.0.1", "0.1.2.3", "100.64.0.1", "100.127.255.255",
    "::", "::1", "fc00::1", "fdff::1", "fe80::1", "febf::1", "fec0::1", "::ffff:10.0.0.1", "::ffff:127.0.0.1",
    "::192.168.1.1", "64:ff9b::192.168.1.1", "2002:c0a8:0101::1",
)  # fmt: skip
PUBLIC = (
    "9.255.255.255", "11.0.0.0", "172.15.255.255", "172.32.0.0", "192.167.0.1", "192.169.0.1", "126.255.255.255",
    "128.0.0.1", "169.253.0.1", "169.255.0.1", "100.63.255.255", "100.128.0.0", "1.1.1.1", "93.184.215.14",
    "2001:db8::1", "2606:2800::1", "fb00::1", "fe7f::1", "ff02::1", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8",
    "2002:0808:0808::1", "64:ff9b:1::a00:1",
)  # fmt: skip


def ask(name: str = "rebind.example.net", qtype: int = m.A) -> Query:
    return parse_query(m.query(m.question(m.name(name), qtype)))


def answer(query: Query, *records: bytes, additional: tuple[bytes, ...] = ()) -> Answer:
    return parse_answer(m.answer(*records, additional=additional, asked=query.question, flags=m.QR | m.AD), query)


def address(text: str, **keys: object) -> bytes:
    packed = ip_address(text).packed
    return m.record(m.A if len(packed) == 4 else AAAA, packed, **keys)  # type: ignore[arg-type]


def service(*parameters: tuple[int, bytes], target: bytes = m.ROOT, rtype: int = m.HTTPS) -> bytes:
    values = b"".join(struct.pack("!HH", key, len(value)) + value for key, value in parameters)
    return m.record(rtype, b"\x00\x01" + target + values)


def rebinding(*excepted: str, is_public: bool = True) -> RebindingFilter:
    return RebindingFilter(lambda _: is_public, [m.name(name) for name in excepted])


def is_withheld(query: Query, given: Answer, *excepted: str) -> bool:
    rule = rebinding(*excepted)
    judged = rule.judge(query.qname, given)
    assert (judged is given) == (rule.withheld == 0)
    return rule.withheld == 1


@pytest.mark.parametrize("text", PRIVATE)
def test_an_address_of_the_readers_own_network_is_private(text: str) -> None:
    assert is_private(ip_address(text).packed)


@pytest.mark.parametrize("text", PUBLIC)
def test_an_address_of_the_world_is_not(text: str) -> None:
    assert not is_private(ip_address(text).packed)


NETWORKS = [
    ip_network(text)
    for text in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
        "192.168.0.0/16",
    )
]


@given(st.integers(0, 0xFFFF_FFFF) | st.sampled_from([int(net[place]) for net in NETWORKS for place in (0, -1)]))
@deterministic
def test_the_networks_are_those_that_are_named(number: int) -> None:
    for near in (number - 1, number, number + 1):
        ipv4 = ip_address(near & 0xFFFF_FFFF)
        assert is_private(ipv4.packed) == any(ipv4 in network for network in NETWORKS)


def test_an_answer_with_a_private_address_becomes_one_without_data() -> None:
    query = ask()
    judged = rebinding().judge(query.qname, answer(query, address("192.168.1.1", ttl=1)))
    assert (judged.kind, judged.rcode, judged.counts, judged.records) == (Kind.NODATA, 0, (0, 0, 0), b"")
    assert (judged.errors, judged.ttl, judged.authentic) == ((15,), SHORTEST_SECONDS, False)


def test_it_is_kept_as_long_as_the_answer_would_have_been() -> None:
    query = ask()
    assert rebinding().judge(query.qname, answer(query, address("10.0.0.1", ttl=300))).ttl == 300


@pytest.mark.parametrize(
    ("qtype", "records"),
    [
        (m.A, (address("10.0.0.1"),)),
        (AAAA, (address("fd00::1"),)),
        (AAAA, (address("::ffff:10.0.0.1"),)),
        (m.A, (m.record(rdata=PUBLIC_ADDRESS), address("127.0.0.1"))),
        (m.A, (m.record(m.CNAME, m.name("a.example")), address("127.0.0.1", owner=m.name("a.example")))),
        (m.HTTPS, (service((4, PUBLIC_ADDRESS + ip_address("10.0.0.1").packed)),)),
        (m.HTTPS, (service((1, b"\x02h2"), (6, ip_address("fe80::1").packed), target=m.QNAME),)),
        (SVCB, (service((4, ip_address("192.168.0.1").packed), target=m.name("a.example"), rtype=SVCB),)),
    ],
    ids=[
        "an address",
        "an IPv6 address",
        "a mapped address",
        "one of several",
        "behind an alias",
        "the second of IPv4 hints",
        "an IPv6 hint",
        "a hint of SVCB",
    ],
)
def test_wherever_it_stands_the_answer_is_withheld(qtype: int, records: tuple[bytes, ...]) -> None:
    query = ask(qtype=qtype)
    assert is_withheld(query, answer(query, *records))


def test_what_stands_beside_an_answer_counts_too() -> None:
    query = ask(qtype=m.HTTPS)
    assert is_withheld(query, answer(query, service(), additional=(address("10.0.0.1"),)))


@pytest.mark.parametrize(
    ("qtype", "record"),
    [
        (m.A, m.record(rdata=PUBLIC_ADDRESS)),
        (m.TXT, m.record(m.TXT, b"\x0810.0.0.1")),
        (m.HTTPS, service((4, PUBLIC_ADDRESS), (5, ip_address("10.0.0.1").packed))),
        (65_280, m.record(65_280, ip_address("10.0.0.1").packed)),
    ],
    ids=["a public address", "a text", "another parameter", "a type nobody knows"],
)
def test_nothing_else_is_taken_for_an_address(qtype: int, record: bytes) -> None:
    query = ask(qtype=qtype)
    assert not is_withheld(query, answer(query, record))


@pytest.mark.parametrize(
    ("excepted", "withheld"),
    [
        ("rebind.example.net", False),
        ("example.net", False),
        ("net", False),
        ("ample.net", True),
        ("a.rebind.example.net", True),
    ],
)
def test_domains_are_excepted_with_all_names_below(excepted: str, *, withheld: bool) -> None:
    query = ask()
    assert is_withheld(query, answer(query, address("10.0.0.1")), excepted) is withheld


def test_a_name_that_nobody_can_have_is_none_of_the_publics() -> None:
    query, rule = ask("printer.lan"), rebinding(is_public=False)
    given = answer(query, address("10.0.0.1"))
    assert rule.judge(query.qname, given) is given


@deterministic
@given(answers())
def test_any_answer_can_be_judged(wire: bytes) -> None:
    query = query_for(wire)
    try:
        given = parse_answer(wire, query)
    except Malformed:
        return
    judged = rebinding().judge(query.qname, given)
    assert judged is given or judged.records == b""


@pytest.mark.parametrize(("mode", "shadowed"), [("shadow", 1), ("off", 0)])
def test_a_rule_that_does_not_act_gives_the_answer_as_it_is(mode: RuleMode, shadowed: int) -> None:
    rule = rebinding()
    rule.switch = RuleSwitch(mode)
    for text in ("192.168.0.1", "1.1.1.1"):
        given = answer(ask(), address(text))
        assert rule.judge(ask().qname, given) is given
    assert (rule.withheld, rule.switch.shadowed) == (0, shadowed)
