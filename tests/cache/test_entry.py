"""One cached answer, second by second, as dnspython reads what is made of it."""

import gc
import sys
from dataclasses import replace

import dns.flags
import dns.message
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dohproxy.cache.entry import (
    BYTES_PER_CUT,
    BYTES_PER_ENTRY,
    POPULAR_HITS,
    Entry,
    Span,
    make_entry,
)
from dohproxy.cache.pages import GONE
from dohproxy.wire.answer import parse_answer
from dohproxy.wire.numbers import ExtendedError
from dohproxy.wire.query import parse_query
from dohproxy.wire.reply import Content, clamp_ttls, write_reply
from tests.fakes.walk import errors_in
from tests.wire import messages as m
from tests.wire.strategies import deterministic, ttls

STORED_AT = 1_000.25
NO_SUCH_NAME = m.QR | m.RD | m.RA | 3
ASKING = parse_query(m.query(m.question(), m.opt(dnssec_ok=True)))
SPAN = Span(300, 60, 86_400, less=0, refresh_age=270)


def entry(wire: bytes, lifetime: int = 300, *, floor: int = 60, ceiling: int = 86_400) -> Entry:
    span = Span(lifetime, floor, ceiling, less=0, refresh_age=0.9 * lifetime)
    return make_entry(b"key", parse_answer(wire, ASKING), STORED_AT, span)


def reply(content: Content, asked: bytes | None = None) -> dns.message.Message:
    wire = write_reply(ASKING if asked is None else parse_query(asked), content)
    return dns.message.from_wire(wire, one_rr_per_rrset=True)


def ttls_of(content: Content) -> list[int]:
    message = reply(content)
    return [rrset.ttl for section in message.sections[1:] for rrset in section]


def records_with(seconds: list[int], flags: int = m.QR) -> bytes:
    """An answer whose RRsets have these TTLs, spread over the three sections."""
    records = [m.record(rdata=bytes([192, 0, 2, number]), ttl=ttl) for number, ttl in enumerate(seconds)]
    authority, additional = tuple(records[1::3]), tuple(records[2::3])
    return m.answer(m.record(ttl=300), *records[::3], authority=authority, additional=additional, flags=flags)


@given(st.lists(ttls, max_size=9), st.integers(0, 59), st.floats(0.0, 0.74))
@deterministic
def test_every_ttl_ages_by_whole_seconds_from_between_floor_and_ceiling(
    seconds: list[int], age: int, fraction: float
) -> None:
    kept = entry(records_with(seconds))
    meant = [min(max(0 if ttl & 0x8000_0000 else ttl, 60), 86_400) - age for ttl in seconds]
    expected = [300 - age, *meant[::3], *meant[1::3], *meant[2::3]]
    assert ttls_of(kept.content(STORED_AT + age + fraction)) == expected


def test_what_is_made_for_a_request_does_not_stay() -> None:
    kept = entry(m.answer(m.record(), m.record(ttl=9)))
    before = sys.getsizeof(kept.page.memory)
    assert all(gc.get_referents(kept.content(STORED_AT + age), kept.stale_content(30)) for age in range(10))
    assert sys.getsizeof(kept.page.memory) == before
    assert not any(isinstance(one, Content) for one in gc.get_referents(kept))


def test_the_garbage_collector_need_not_look_at_what_is_kept() -> None:
    assert not gc.is_tracked(entry(m.answer(m.record())).page.memory)


@given(
    st.lists(ttls, max_size=9),
    st.lists(st.integers(0, 0xFFFF), max_size=3),
    st.sampled_from([m.QR, m.QR | m.AA, m.QR | m.AD, m.QR | m.AA | m.AD]),
    st.binary(max_size=255),
)
@deterministic
def test_an_entry_has_all_of_its_answer(seconds: list[int], errors: list[int], flags: int, cut: bytes) -> None:
    answer = parse_answer(records_with(seconds, flags), ASKING)
    answer = replace(answer, errors=tuple(errors))
    kept = make_entry(b"key", answer, STORED_AT, Span(300, 0, 0x7FFF_FFFF, less=0, refresh_age=270), cut)
    for fact in ("kind", "rcode", "authentic", "counts", "ttl_offsets", "errors"):
        assert getattr(kept, fact) == getattr(answer, fact)
    assert kept.cut == (cut or None)
    assert kept.records == clamp_ttls(answer, floor=0, ceiling=0x7FFF_FFFF)


def test_a_content_made_later_does_not_age_twice() -> None:
    kept = entry(m.answer(m.record(ttl=300)))
    assert [ttls_of(kept.content(STORED_AT + age)) for age in (10, 20, 10)] == [[290], [280], [290]]


def test_a_request_from_just_before_the_answer_came_finds_it_new() -> None:
    kept = entry(m.answer(m.record(ttl=300)))
    assert ttls_of(kept.content(STORED_AT - 0.01)) == [300]
    assert kept.max_age(STORED_AT - 0.01) == 300


@pytest.mark.parametrize(("age", "max_age"), [(0, 300), (1, 299), (299, 1)], ids=str)
def test_max_age_is_what_is_left(age: int, max_age: int) -> None:
    kept = entry(m.answer(m.record(ttl=300)))
    assert kept.max_age(STORED_AT + age) == max_age
    assert ttls_of(kept.content(STORED_AT + age)) == [max_age]


def test_a_cache_is_no_authority() -> None:
    kept = entry(m.answer(m.record(), flags=m.QR | m.RD | m.RA | m.AA))
    assert not reply(kept.content(STORED_AT)).flags & dns.flags.AA
    assert not reply(kept.stale_content(30)).flags & dns.flags.AA


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (m.query(), False),
        (m.query(flags=m.RD | m.AD), True),
        (m.query(m.question(), m.opt(dnssec_ok=True)), True),
        (m.query(m.question(), m.opt()), False),
    ],
    ids=["a plain client", "a client that set AD", "a client that set DO", "a client with EDNS alone"],
)
def test_authentic_data_is_told_to_those_who_asked(asked: bytes, *, told: bool) -> None:
    kept = entry(m.answer(m.record(), flags=m.QR | m.RD | m.RA | m.AD))
    assert bool(reply(kept.content(STORED_AT), asked).flags & dns.flags.AD) is told


def test_data_that_was_not_authentic_is_told_to_nobody() -> None:
    kept = entry(m.answer(m.record()))
    assert not reply(kept.content(STORED_AT)).flags & dns.flags.AD


@pytest.mark.parametrize(
    ("wire", "error"),
    [
        (m.answer(m.record(ttl=7_200), authority=(m.record(m.NS, m.ROOT, ttl=60),)), ExtendedError.STALE_ANSWER),
        (m.answer(authority=(m.soa(),)), ExtendedError.STALE_ANSWER),
        (m.answer(authority=(m.soa(),), flags=NO_SUCH_NAME), ExtendedError.STALE_NXDOMAIN),
    ],
    ids=["an answer", "NODATA", "NXDOMAIN"],
)
def test_a_stale_answer_says_so_and_has_one_ttl_throughout(wire: bytes, error: int) -> None:
    content = entry(wire).stale_content(30)
    assert set(ttls_of(content)) == {30}
    assert errors_in(reply(content)) == [error]


def test_what_the_upstream_explained_is_passed_on_before_our_own_words() -> None:
    explained = m.opt(m.option(m.EXTENDED_ERROR, b"\x00\x0f"))
    kept = entry(m.answer(m.record(), additional=(explained,)))
    assert errors_in(reply(kept.content(STORED_AT))) == [15]
    assert errors_in(reply(kept.stale_content(30))) == [15, ExtendedError.STALE_ANSWER]


def test_an_entry_is_charged_for_its_key_its_records_and_their_number() -> None:
    answer = parse_answer(m.answer(m.record(), m.record()), ASKING)
    kept = make_entry(bytes(40), answer, STORED_AT, SPAN)
    assert kept.size == BYTES_PER_ENTRY + 40 + len(m.record() * 2) + 2 * 2
    assert make_entry(bytes(40), answer, STORED_AT, SPAN, bytes(30)).size == kept.size + BYTES_PER_CUT + 2 * 30 + 40


def test_what_is_taken_off_a_lifetime_is_taken_off_every_ttl() -> None:
    answer = parse_answer(m.answer(m.record(ttl=300), m.record(rdata=b"\xc0\x00\x02\x02", ttl=900)), ASKING)
    kept = make_entry(b"key", answer, STORED_AT, Span(290, 60, 600, less=10, refresh_age=261))
    assert ttls_of(kept.content(STORED_AT)) == [290, 590]
    assert kept.max_age(STORED_AT) == 290


def test_an_entry_is_popular_when_it_was_given_a_few_times() -> None:
    kept = entry(m.answer(m.record()))
    kept.keep(2)
    for hits in range(POPULAR_HITS):
        assert (kept.hits, kept.is_popular) == (hits, False)
        assert kept.use()
    assert kept.use()
    assert (kept.hits, kept.is_popular) == (POPULAR_HITS, True)


def test_what_is_kept_no_longer_is_not_used() -> None:
    kept = entry(m.answer(m.record()))
    kept.keep(2)
    seen_elsewhere = Entry(kept.page, kept.offset)
    assert seen_elsewhere == kept
    kept.drop()
    assert not seen_elsewhere.use()
    assert (seen_elsewhere.hits, seen_elsewhere.is_kept) == (0, False)


def test_what_was_on_a_page_that_has_gone_is_kept_no_longer() -> None:
    kept = entry(m.answer(m.record()))
    kept.keep(2)
    kept.page.memory = GONE
    assert not kept.use()
    assert (kept.hits, kept.is_kept) == (0, False)
    kept.put_off(STORED_AT, asked=True)
    kept.drop()
    assert not any(GONE)


def test_one_on_its_own_can_be_read_when_its_page_has_gone() -> None:
    kept = entry(m.answer(m.record(ttl=300)))
    kept.keep(2)
    alone = kept.on_its_own()
    before = kept.content(STORED_AT)
    kept.page.memory = GONE
    assert alone.content(STORED_AT) == before
    assert not alone.use()


def test_an_entry_may_be_asked_for_again_near_its_end() -> None:
    assert entry(m.answer(m.record()), 300).refresh_at == STORED_AT + 270


@pytest.mark.parametrize(
    ("age", "asked", "next_age"),
    [(280, True, 300), (280, False, 281), (299.5, True, 300.5), (400, True, 401), (400, False, 401)],
    ids=[
        "once it was asked for, not before its end",
        "if there was no room, a second later",
        "never twice in a second",
        "beyond its end, a second later",
        "beyond its end without room, a second later too",
    ],
)
def test_a_try_puts_off_the_next(age: float, next_age: float, *, asked: bool) -> None:
    kept = entry(m.answer(m.record()), 300)
    kept.put_off(STORED_AT + age, asked=asked)
    assert kept.refresh_at == STORED_AT + next_age
