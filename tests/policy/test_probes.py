"""Probes with random names: which they are, what is asked in their place, and what their clients are told."""

import dns.message
import dns.name
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dohproxy.policy.probes import ClientProbes, ProbeKind, under_asked_name
from dohproxy.wire.answer import parse_answer
from dohproxy.wire.query import Query, parse_query
from dohproxy.wire.reply import Content, content_of, write_reply
from dohproxy.wire.upstream_query import upstream_question
from tests.wire import messages as m
from tests.wire.strategies import deterministic, qnames

AAAA = 28
RANDOM = "aB3dE9"
LETTERS = ("abcdef", "000000", "ZYXWVU")
HTTPS_PROBE = f"{RANDOM}-dnsohttps-ds.metric.gstatic.com"


def ask(name: str | bytes, qtype: int = AAAA, *, dnssec_ok: bool = False, flags: int = m.RD) -> Query:
    qname = m.name(name) if isinstance(name, str) else name
    return parse_query(m.query(m.question(qname, qtype), m.opt(dnssec_ok=dnssec_ok), flags=flags))


def seen(probes: ClientProbes) -> dict[ProbeKind, int]:
    return {probe: count for probe, count in probes.statistics().items() if count}


@pytest.mark.parametrize(
    ("name", "canonical", "probe"),
    [
        (HTTPS_PROBE, "000000-dnsohttps-ds.metric.gstatic.com", ProbeKind.ANDROID_HTTPS),
        ("1234567-dnsohttps-ds.metric.gstatic.com", "0000000-dnsohttps-ds.metric.gstatic.com", ProbeKind.ANDROID_HTTPS),
        (
            "zZzZzZzZ-DNSoHTTPS-ds.Metric.GSTATIC.com",
            "00000000-dnsohttps-ds.metric.gstatic.com",
            ProbeKind.ANDROID_HTTPS,
        ),
        ("abcdef-dnsotls-ds.metric.gstatic.com", "000000-dnsotls-ds.metric.gstatic.com", ProbeKind.ANDROID_TLS),
        ("12345678-dnsotls-ds.metric.gstatic.com", "00000000-dnsotls-ds.metric.gstatic.com", ProbeKind.ANDROID_TLS),
    ],
)
def test_android_s_probes_become_one_name_of_their_length(name: str, canonical: str, probe: ProbeKind) -> None:
    probes, query = ClientProbes(), ask(name)
    absorbed = probes.absorb(query)
    assert (absorbed.qname, len(absorbed.qname)) == (m.name(canonical), len(query.qname))
    assert absorbed.key == ask(canonical).key
    assert (absorbed.question, absorbed.id) == (query.question, query.id)
    assert upstream_question(absorbed) == m.question(m.name(canonical), AAAA)
    assert seen(probes) == {probe: 1}


@pytest.mark.parametrize("qtype", [m.A, AAAA, m.HTTPS], ids=["A", "AAAA", "HTTPS"])
@pytest.mark.parametrize("flags", [m.RD, m.RD | m.AD, m.RD | m.CD], ids=["RD", "AD", "CD"])
def test_each_type_and_each_set_of_bits_has_a_key_of_its_own(qtype: int, flags: int) -> None:
    probes = ClientProbes()
    keys = {probes.absorb(ask(f"{name}-dnsotls-ds.metric.gstatic.com", qtype, flags=flags)).key for name in LETTERS}
    assert keys == {ask("000000-dnsotls-ds.metric.gstatic.com", qtype, flags=flags).key}


@pytest.mark.parametrize(
    "name",
    [
        "www.gstatic.com",
        "metric.gstatic.com",
        "www.metric.gstatic.com",
        "-dnsohttps-ds.metric.gstatic.com",
        "abcde-dnsohttps-ds.metric.gstatic.com",
        "abcdefghi-dnsohttps-ds.metric.gstatic.com",
        "abc-ef-dnsohttps-ds.metric.gstatic.com",
        "abcdef-dnsoquic-ds.metric.gstatic.com",
        "a.abcdef-dnsohttps-ds.metric.gstatic.com",
        "abcdef-dnsohttps-ds.metric.gstatic.com.example.net",
        "abcdef-dnsohttps-ds.xmetric.gstatic.com",
        "abcdef-dnsohttps-ds",
        "abcdefghijklmno.test.dnscrypt",
        "abcdefghijklmn12.test.dnscrypt",
        "a.abcdefghijklmnop.test.dnscrypt",
        "test.dnscrypt",
    ],
)
def test_a_name_that_only_looks_like_a_probe_is_left_alone(name: str) -> None:
    probes, query = ClientProbes(), ask(name, m.NS)
    assert probes.absorb(query) is query
    assert seen(probes) == {}


@pytest.mark.parametrize("random", [b"\xe9\xe9\xe9\xe9\xe9\xe9", b"abc.ef", b"abc\x00ef", b"\xb2\xb3\xb9\xb2\xb3\xb9"])
def test_other_bytes_than_letters_and_digits_are_no_probe(random: bytes) -> None:
    label = random + b"-dnsohttps-ds"
    query = ask(bytes([len(label)]) + label + m.name("metric.gstatic.com"))
    assert ClientProbes().absorb(query) is query


def test_the_bytes_of_the_zone_inside_a_label_mean_nothing() -> None:
    label = b"abcdef-dnsohttps-ds" + m.name("metric.gstatic.com")[:-1]
    query = ask(bytes([len(label)]) + label + m.ROOT)
    assert ClientProbes().absorb(query) is query


def test_a_signed_answer_is_asked_for_under_its_own_name() -> None:
    probes, query = ClientProbes(), ask(HTTPS_PROBE, dnssec_ok=True)
    assert probes.absorb(query) is query
    assert seen(probes) == {ProbeKind.ANDROID_HTTPS: 1}


@pytest.mark.parametrize(
    ("name", "qtype", "probe"),
    [
        (".", m.NS, ProbeKind.DNSCRYPT_ROOT),
        ("abcdefghijklmnop.test.dnscrypt", m.NS, ProbeKind.DNSCRYPT_RANDOM),
        (".", m.SOA, None),
    ],
)
def test_probes_whose_name_is_as_good_as_any_are_counted_only(name: str, qtype: int, probe: ProbeKind | None) -> None:
    probes, query = ClientProbes(), ask(name, qtype)
    assert probes.absorb(query) is query
    assert seen(probes) == ({} if probe is None else {probe: 1})


def test_every_kind_is_in_the_figures_from_the_start() -> None:
    assert dict(ClientProbes().statistics()) == dict.fromkeys(ProbeKind, 0)


# ---------------------------------------------------------------- answers


def told(*records: bytes, name: str = HTTPS_PROBE) -> dns.message.Message:
    """What the client reads when the upstream has said this about the name it was asked for."""
    query = ClientProbes().absorb(ask(name))
    answer = parse_answer(m.answer(*records, asked=upstream_question(query)), query)
    return dns.message.from_wire(write_reply(query, under_asked_name(query, content_of(answer))))


def owners(reply: dns.message.Message) -> set[str]:
    return {rrset.name.to_text(omit_final_dot=True) for rrset in reply.answer}


@pytest.mark.parametrize(
    "owner",
    [
        m.QNAME,
        m.name("000000-dnsohttps-ds.metric.gstatic.com"),
        m.name("000000-dnsohttps-ds")[:-1] + m.pointer(12 + 20),
    ],
    ids=["a pointer to the question", "spelled out", "spelled out up to the zone"],
)
def test_the_client_is_told_about_the_very_name_it_asked_for(owner: bytes) -> None:
    reply = told(m.record(AAAA, bytes(16), owner=owner))
    assert (reply.question[0].name.to_text(omit_final_dot=True), owners(reply)) == (HTTPS_PROBE, {HTTPS_PROBE})


def test_an_alias_is_told_as_it_is() -> None:
    target = m.name("edge.example.net")
    reply = told(
        m.record(m.CNAME, target), m.record(AAAA, bytes(16), owner=m.pointer(12 + len(m.name(HTTPS_PROBE)) + 16))
    )
    assert owners(reply) == {HTTPS_PROBE, "edge.example.net"}


def test_who_asks_for_the_one_name_itself_is_told_what_the_upstream_said() -> None:
    name = "000000-dnsohttps-ds.metric.gstatic.com"
    assert owners(told(m.record(AAAA, bytes(16), owner=m.name(name)), name=name)) == {name}


def test_the_answer_to_any_other_question_is_not_touched() -> None:
    query, content = ask("www.example.net"), Content(0, (1, 0, 0), m.record(AAAA, bytes(16)))
    assert under_asked_name(query, content) is content


@given(qnames(), st.sampled_from([m.ROOT, m.name("metric.gstatic.com"), m.name("test.dnscrypt")]))
@deterministic
def test_whatever_is_asked_the_name_in_its_place_has_the_same_length(front: bytes, ending: bytes) -> None:
    qname = front[:-1] + ending
    query = ask(qname if len(qname) <= 255 else m.ROOT)
    absorbed = ClientProbes().absorb(query)
    assert (len(absorbed.qname), len(absorbed.key), absorbed.question) == (
        len(query.qname),
        len(query.key),
        query.question,
    )
