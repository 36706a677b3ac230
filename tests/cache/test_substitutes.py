"""Answers given in place of others: which for whom, and what they say of themselves."""

import struct

import dns.flags
import dns.message
import dns.rdatatype
import pytest

from dohproxy.cache import Cache, Freshness
from dohproxy.cache.substitutes import content_instead, keys_instead
from dohproxy.config import CacheConfig
from dohproxy.wire.answer import Answer, parse_answer
from dohproxy.wire.query import Query
from dohproxy.wire.reply import write_reply
from tests.cache.answers import ask
from tests.fakes.walk import errors_in
from tests.wire import messages as m

NOW = 1_000.0
RRSIG = 46
BITS = {"plain": (False, 0), "DO": (True, 0), "CD": (False, m.CD), "DO and CD": (True, m.CD)}


def asked(bits: str) -> Query:
    dnssec_ok, flags = BITS[bits]
    return ask(flags=m.RD | m.AD | flags, dnssec_ok=dnssec_ok)


def answer(query: Query) -> Answer:
    """An address, which has its signature where that was asked for."""
    signature = m.record(RRSIG, struct.pack("!HBBIIIH", m.A, 13, 2, 9, 9, 1, 7) + m.name("example.net") + b"s" * 64)
    records = (m.record(), signature) if query.dnssec_ok else (m.record(),)
    return parse_answer(m.answer(*records, asked=query.question, flags=m.QR | m.RA | m.AD), query)


def given_instead(query: Query, held: Query, *, age: float = 400) -> dns.message.Message | None:
    cache = Cache(CacheConfig())
    cache.store(held.key, answer(held), NOW)
    found = cache.find_instead(query.key, NOW + age)
    if found is None:
        return None
    entry, key, state = found
    content = content_instead(entry, key, query, ttl=30, is_fresh=state is Freshness.FRESH)
    return None if content is None else dns.message.from_wire(write_reply(query, content))


@pytest.mark.parametrize(
    ("bits", "held", "has_signature"),
    [
        ("plain", "DO", False),
        ("DO", "plain", False),
        ("CD", "plain", False),
        ("CD", "DO", False),
        ("CD", "DO and CD", False),
        ("DO and CD", "DO", True),
    ],
)
def test_an_answer_for_other_bits_is_given_as_what_it_is(bits: str, held: str, *, has_signature: bool) -> None:
    reply = given_instead(asked(bits), asked(held))
    assert reply is not None
    assert [rrset.rdtype == RRSIG for rrset in reply.answer] == [False] + [True] * has_signature
    assert {rrset.ttl for rrset in reply.answer} == {30}
    assert bool(reply.flags & dns.flags.AD) == (bits != "DO")
    assert errors_in(reply) == [3]


@pytest.mark.parametrize(
    ("bits", "held"),
    [
        ("plain", "CD"),
        ("plain", "DO and CD"),
        ("DO", "CD"),
        ("DO", "DO and CD"),
        ("DO and CD", "plain"),
        ("DO and CD", "CD"),
    ],
)
def test_what_may_be_bogus_or_has_no_signature_is_given_to_nobody_who_relies_on_the_contrary(
    bits: str, held: str
) -> None:
    assert given_instead(asked(bits), asked(held)) is None


def test_that_it_is_old_is_said_only_if_it_is() -> None:
    reply = given_instead(asked("DO"), asked("plain"), age=10)
    assert reply is not None
    assert errors_in(reply) == []


def test_what_is_dead_is_not_given() -> None:
    assert given_instead(asked("DO"), asked("plain"), age=1e9) is None


def test_of_several_the_one_that_needs_least_changing_comes_first() -> None:
    assert [key[-1] for key in keys_instead(asked("CD").key)] == [0, 1, 3]


def test_looking_for_one_is_no_use_of_it() -> None:
    cache = Cache(CacheConfig())
    first, second = ask("a.example.net"), ask("b.example.net")
    for query in (first, second):
        cache.store(query.key, answer(query), NOW)
    assert cache.find_instead(ask("a.example.net", dnssec_ok=True).key, NOW) is not None
    assert next(iter(cache.by_recency(1))) == second.key
