"""The query in our own name: nothing of the client but its question, CD and DO."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dohproxy.wire.query import parse_query
from dohproxy.wire.upstream_query import upstream_question, write_upstream_query
from fuzz.invariants import check_upstream_query
from tests.wire import messages as m
from tests.wire.strategies import deterministic, qnames, qtypes

SECRET = b"\xd6\xd7\xd8\xd9\xda\xdb\xdc\xdd"
"""Bytes that stand in no name these tests ask for."""


@deterministic
@given(qnames(), qtypes, st.sampled_from([0, m.RD, m.AD, m.RD | m.CD, 0x0740]), st.booleans(), st.integers(100, 9_999))
def test_no_byte_of_a_clients_id_flags_or_options_goes_upstream(
    qname: bytes, qtype: int, flags: int, dnssec_ok: bool, code: int
) -> None:
    options = (
        m.option(m.COOKIE, SECRET) + m.option(code, SECRET) + m.subnet(2, 64, 0, SECRET) + m.option(m.PADDING, SECRET)
    )
    asked = m.question(qname, qtype)
    open_query = parse_query(m.query(asked, m.opt(options, dnssec_ok=dnssec_ok), flags=flags, identifier=0xD6D7))
    plain = parse_query(m.query(asked, m.opt(dnssec_ok=dnssec_ok), flags=flags & m.CD, identifier=0))
    check_upstream_query(open_query)
    for padded in (False, True):
        wire = write_upstream_query(open_query, 0x4242, padded=padded)
        assert wire == write_upstream_query(plain, 0x4242, padded=padded)
        assert not any(SECRET[i : i + 2] in wire for i in range(7))


@pytest.mark.parametrize(
    ("client", "flags", "dnssec_ok"),
    [
        (m.query(flags=0), m.RD | m.AD, False),
        (m.query(flags=m.RD), m.RD | m.AD, False),
        (m.query(flags=m.CD), m.RD | m.AD | m.CD, False),
        (m.query(m.question(), m.opt()), m.RD | m.AD, False),
        (m.query(m.question(), m.opt(dnssec_ok=True)), m.RD | m.AD, True),
    ],
    ids=["no bit set", "RD set", "CD set", "an OPT without DO", "an OPT with DO"],
)
def test_cd_and_do_are_the_clients_and_rd_and_ad_are_always_set(client: bytes, flags: int, dnssec_ok: bool) -> None:
    question = m.question(m.name("www.example.net"))
    expected = m.query(question, m.opt(dnssec_ok=dnssec_ok), flags=flags, identifier=0x4242)
    assert write_upstream_query(parse_query(client), 0x4242, padded=False) == expected


def test_the_question_goes_upstream_in_lower_case_with_its_type_and_class_as_they_are() -> None:
    query = parse_query(m.query(m.question(m.name("WWW.Example.net"), m.HTTPS)))
    assert upstream_question(query) == m.name("www.example.net") + b"\x00A\x00\x01"


def test_the_question_goes_out_in_the_case_that_was_drawn_and_a_cookie_of_our_own_with_it() -> None:
    query = parse_query(m.query(m.question(), m.opt(m.option(m.COOKIE, SECRET))))
    drawn = m.question(m.name("wWw.eXample.NET"))
    wire = write_upstream_query(query, 0x4242, padded=False, question=drawn, cookie=b"our own!")
    expected = m.opt(m.option(m.COOKIE, b"our own!"))
    assert wire == m.query(drawn, expected, flags=m.RD | m.AD, identifier=0x4242)


def test_a_cookie_counts_for_the_padding() -> None:
    wire = write_upstream_query(parse_query(m.query()), 1, padded=True, cookie=b"c" * 24)
    assert len(wire) == 128


@pytest.mark.parametrize(
    ("labels", "size"),
    [(0, 128), (48, 128), (49, 256), (112, 256), (113, 384), (127, 384)],
    ids=[
        "the root",
        "the last that fits in 128",
        "one label more",
        "the last in 256",
        "the first in 384",
        "the longest name",
    ],
)
def test_a_padded_query_is_a_multiple_of_128_bytes(labels: int, size: int) -> None:
    wire = write_upstream_query(parse_query(m.query(m.question(b"\x01a" * labels + m.ROOT))), 1, padded=True)
    assert len(wire) == size
