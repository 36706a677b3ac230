"""The cache as a whole: its bounds in bytes, its two tables, and what replaces what."""

from collections.abc import Callable
from dataclasses import replace

import dns.message
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dohproxy.cache import Cache, Freshness
from dohproxy.cache.failures import MOST_FAILURES
from dohproxy.config import CacheConfig
from dohproxy.wire.answer import Answer, parse_answer
from dohproxy.wire.numbers import Rcode
from dohproxy.wire.query import Query, parse_query
from dohproxy.wire.reply import write_reply
from tests.wire import messages as m
from tests.wire.strategies import deterministic

NOW = 1_000.0
SMALL = CacheConfig(max_megabytes=1, negative_share_percent=25)
NO_SUCH_NAME = m.QR | m.RD | m.RA | 3
Make = Callable[[Query], Answer]


def ask(name: str = "www.example.net", qtype: int = m.A, *, flags: int = m.RD, dnssec_ok: bool | None = None) -> Query:
    additional = () if dnssec_ok is None else (m.opt(dnssec_ok=dnssec_ok),)
    return parse_query(m.query(m.question(m.name(name), qtype), *additional, flags=flags))


def positive(query: Query, *, ttl: int = 300, size: int = 0) -> Answer:
    rdata = m.text(size) if size else None
    return parse_answer(m.answer(m.record(query.qtype, rdata, ttl=ttl), asked=query.question), query)


def negative(query: Query, *, ttl: int = 300, minimum: int = 300) -> Answer:
    wire = m.answer(authority=(m.soa(ttl=ttl, minimum=minimum),), asked=query.question, flags=NO_SUCH_NAME)
    return parse_answer(wire, query)


def unkept(query: Query) -> Answer:
    return parse_answer(m.answer(asked=query.question), query)


def test_nothing_is_found_in_an_empty_cache() -> None:
    assert Cache(SMALL).lookup(ask().key, NOW, 0.0) == (None, Freshness.DEAD)


@pytest.mark.parametrize("make", [positive, negative], ids=["positive", "negative"])
def test_what_was_stored_is_found_until_it_is_dead(make: Make) -> None:
    cache = Cache(SMALL)
    query = ask()
    entry = cache.store(query.key, make(query), NOW)
    assert entry is not None
    assert cache.lookup(query.key, NOW + 299, 0.0) == (entry, Freshness.FRESH)
    assert cache.lookup(query.key, NOW + 300, 0.0) == (entry, Freshness.STALE)
    assert cache.lookup(query.key, NOW + 300 + SMALL.stale_keep_seconds, 0.0) == (None, Freshness.DEAD)
    statistics = cache.statistics()
    assert (statistics.positive_entries, statistics.negative_entries) == (0, 0)
    assert (statistics.positive_bytes, statistics.negative_bytes) == (0, 0)


@pytest.mark.parametrize(
    ("pressure", "state"), [(0.0, Freshness.STALE), (0.5, Freshness.KEPT), (1.0, Freshness.KEPT)], ids=str
)
def test_pressure_keeps_positive_entries_in_use(pressure: float, state: Freshness) -> None:
    cache = Cache(SMALL)
    cache.store(ask().key, positive(ask()), NOW)
    assert cache.lookup(ask().key, NOW + 900, pressure)[1] is state


def test_full_pressure_keeps_no_negative_entry_in_use() -> None:
    cache = Cache(SMALL)
    cache.store(ask().key, negative(ask()), NOW)
    assert cache.lookup(ask().key, NOW + 299, 1.0)[1] is Freshness.FRESH
    assert cache.lookup(ask().key, NOW + 300, 1.0)[1] is Freshness.STALE


@pytest.mark.parametrize(
    "other",
    [
        ask("www.example.org"),
        ask(qtype=m.HTTPS),
        ask(flags=m.RD | m.CD),
        ask(dnssec_ok=True),
        ask(flags=m.RD | m.CD, dnssec_ok=True),
    ],
    ids=["another name", "another type", "CD", "DO", "CD and DO"],
)
def test_another_question_is_kept_apart(other: Query) -> None:
    cache = Cache(SMALL)
    cache.store(ask().key, positive(ask()), NOW)
    assert cache.lookup(other.key, NOW, 0.0)[0] is None
    cache.store(other.key, negative(other), NOW)
    assert cache.statistics().positive_entries == 1


@pytest.mark.parametrize(
    "equal",
    [ask("WWW.exAMPLE.Net"), ask(flags=m.RD | m.AD), ask(dnssec_ok=False)],
    ids=["the same name in other letters", "AD", "EDNS"],
)
def test_an_equal_question_is_answered_alike(equal: Query) -> None:
    cache = Cache(SMALL)
    entry = cache.store(ask().key, positive(ask()), NOW)
    assert cache.lookup(equal.key, NOW, 0.0)[0] == entry


def test_the_question_comes_back_as_each_client_sent_it() -> None:
    cache = Cache(SMALL)
    entry = cache.store(ask("www.example.net").key, positive(ask("www.example.net")), NOW)
    assert entry is not None
    shouted = ask("wWw.EXAMPLE.net")
    assert write_reply(shouted, entry.content(NOW))[12:].startswith(m.name("wWw.EXAMPLE.net"))


@pytest.mark.parametrize("make", [positive, negative, unkept], ids=["positive", "negative", "not to be kept"])
@pytest.mark.parametrize("make_before", [positive, negative], ids=["positive before", "negative before"])
def test_a_new_answer_replaces_whatever_was_known(make: Make, make_before: Make) -> None:
    cache = Cache(SMALL)
    query = ask()
    before = cache.store(query.key, make_before(query), NOW)
    after = cache.store(query.key, make(query), NOW + 1)
    assert before is not None
    assert cache.lookup(query.key, NOW + 1, 0.0)[0] == after
    statistics = cache.statistics()
    assert statistics.positive_entries + statistics.negative_entries == (after is not None)
    assert statistics.evictions == 0


def test_an_answer_above_the_largest_entry_is_not_kept_but_displaces_the_old_one() -> None:
    cache = Cache(SMALL)
    query = ask(qtype=m.TXT)
    cache.store(query.key, positive(query), NOW)
    assert cache.store(query.key, positive(query, size=SMALL.max_entry_bytes), NOW) is None
    assert cache.lookup(query.key, NOW, 0.0)[0] is None
    assert cache.statistics().too_large == 1


def test_an_answer_that_fills_the_largest_entry_is_kept() -> None:
    cache = Cache(SMALL)
    query = ask(qtype=m.TXT)
    fixed = len(m.record(m.TXT, b""))
    assert cache.store(query.key, positive(query, size=SMALL.max_entry_bytes - fixed), NOW) is not None


def test_an_answer_above_a_whole_table_is_not_kept() -> None:
    cache = Cache(CacheConfig(max_megabytes=1, negative_share_percent=1))
    query = ask()
    soa = m.soa()
    filler = tuple(m.record(65_280, bytes(1_000)) for _ in range(15))
    wire = m.answer(authority=(soa, *filler), asked=query.question, flags=NO_SUCH_NAME)
    assert cache.store(query.key, parse_answer(wire, query), NOW) is None
    assert cache.statistics().too_large == 1


def test_a_flood_of_negative_answers_evicts_no_positive_one() -> None:
    cache = Cache(SMALL)
    wanted = [ask(f"{number}.example.net") for number in range(100)]
    for query in wanted:
        cache.store(query.key, positive(query), NOW)
    for number in range(4_000):
        query = ask(f"{number}.random.example.net")
        cache.store(query.key, negative(query), NOW)
    statistics = cache.statistics()
    assert statistics.evictions > 1_500
    assert 0.9 * statistics.negative_max_bytes < statistics.negative_bytes <= statistics.negative_max_bytes
    assert all(cache.lookup(query.key, NOW, 0.0)[1] is Freshness.FRESH for query in wanted)


def test_what_is_asked_for_stays_while_what_nobody_wants_goes() -> None:
    cache = Cache(SMALL)
    wanted, unwanted = ask("wanted.example.net"), ask("unwanted.example.net")
    for query in (wanted, unwanted):
        cache.store(query.key, positive(query), NOW)
    for number in range(8_000):
        cache.lookup(wanted.key, NOW, 0.0)
        query = ask(f"{number}.example.net")
        cache.store(query.key, positive(query), NOW)
    assert cache.lookup(wanted.key, NOW, 0.0)[1] is Freshness.FRESH
    assert cache.lookup(unwanted.key, NOW, 0.0)[0] is None


stores = st.lists(
    st.tuples(
        st.integers(0, 60), st.booleans(), st.integers(0, SMALL.max_entry_bytes + 1_000), st.sampled_from([0, 300])
    ),
    min_size=1,
    max_size=120,
)


@given(stores)
@deterministic
def test_the_bounds_in_bytes_hold_whatever_is_stored(todo: list[tuple[int, bool, int, int]]) -> None:
    cache = Cache(SMALL)
    sizes = {}
    for number, is_positive, size, ttl in todo:
        query = ask(f"{number}.example.net", m.TXT)
        answer = positive(query, size=size) if is_positive else negative(query, ttl=ttl)
        entry = cache.store(query.key, answer, NOW)
        sizes[query.key] = entry.size if entry is not None else 0
        statistics = cache.statistics()
        assert statistics.positive_bytes <= statistics.positive_max_bytes
        assert statistics.negative_bytes <= statistics.negative_max_bytes
        assert statistics.positive_max_bytes + statistics.negative_max_bytes == SMALL.max_bytes
    held = [size for key, size in sizes.items() if cache.lookup(key, NOW, 0.0)[0] is not None]
    statistics = cache.statistics()
    assert statistics.positive_bytes + statistics.negative_bytes == sum(held)
    assert statistics.positive_entries + statistics.negative_entries == len(held)


def test_what_may_not_be_given_is_not_kept_as_it_came() -> None:
    """Neither from an upstream nor from a file that was written under other rules."""
    query = ask()
    judged = replace(positive(query), errors=(15,))
    asked: list[bytes] = []

    def judge(qname: bytes, _: Answer) -> Answer:
        asked.append(qname)
        return judged

    caches = [Cache(SMALL, judge=judge) for _ in range(2)]
    kept = (
        caches[0].store(query.key, positive(query), NOW),
        caches[1].restore(query.key, positive(query), 300, NOW, NOW),
    )
    assert [entry.errors for entry in kept if entry is not None] == [(15,)] * 2
    assert asked == [query.qname] * 2


ttl_values = st.sampled_from([1, 59, 60, 61, 300, 899, 901, 86_401]) | st.integers(1, 100_000)


@given(ttl_values, ttl_values, ttl_values, st.booleans(), st.floats(0.0, 1.0, exclude_max=True), st.data())
@deterministic
def test_max_age_is_the_smallest_ttl_in_the_reply_at_any_age(
    one: int, two: int, three: int, is_negative: bool, drawn: float, data: st.DataObject
) -> None:
    cache = Cache(SMALL, lambda: drawn)
    query = ask()
    if is_negative:
        records = (m.soa(ttl=one, minimum=two), m.record(47, b"\x00", ttl=three))
        wire = m.answer(authority=records, asked=query.question, flags=NO_SUCH_NAME)
    else:
        wire = m.answer(m.record(ttl=one), m.record(m.TXT, b"\x00", ttl=two), additional=(m.record(ttl=three),))
    entry = cache.store(query.key, parse_answer(wire, query), NOW)
    assert entry is not None
    now = NOW + data.draw(st.integers(0, entry.lifetime - 1))
    reply = dns.message.from_wire(write_reply(query, entry.content(now)))
    assert min(rrset.ttl for section in reply.sections[1:] for rrset in section) == entry.max_age(now)


def test_what_was_learnt_at_once_does_not_end_at_once() -> None:
    draws = iter([0.0, 0.3, 0.6, 0.9])
    cache = Cache(SMALL, lambda: next(draws))
    queries = [ask(f"{number}.example.net") for number in range(4)]
    entries = [cache.store(query.key, positive(query, ttl=1_000), NOW) for query in queries]
    assert [entry.lifetime for entry in entries if entry is not None] == [1_000, 985, 970, 955]


def test_a_failures_pause_is_left_to_the_same_chance() -> None:
    cache = Cache(SMALL, lambda: 0.0)
    cache.remember_failure(ask().key, Rcode.SERVFAIL, (), NOW)
    assert cache.recall_failure(ask().key, NOW + 4.7) is not None
    assert cache.recall_failure(ask().key, NOW + 4.8) is None


def test_the_soa_of_a_negative_answer_promises_no_more_than_its_minimum_leaves() -> None:
    cache = Cache(SMALL)
    query = ask()
    entry = cache.store(query.key, negative(query, ttl=3_600, minimum=100), NOW)
    assert entry is not None
    reply = dns.message.from_wire(write_reply(query, entry.content(NOW + 99)))
    assert reply.authority[0].ttl == 1


def test_a_failure_forbids_asking_until_an_answer_comes() -> None:
    cache = Cache(SMALL)
    query = ask()
    cache.remember_failure(query.key, Rcode.SERVFAIL, (), NOW)
    assert cache.recall_failure(query.key, NOW + 4.9) is not None
    assert cache.statistics().failures == 1
    cache.store(query.key, unkept(query), NOW + 1)
    assert cache.recall_failure(query.key, NOW + 1) is None
    assert cache.statistics().failures == 0
    assert cache.statistics().failures_max == MOST_FAILURES


@pytest.mark.parametrize("make", [positive, negative], ids=["positive", "negative"])
def test_a_failure_beside_a_stale_entry_is_rechecked_after_thirty_seconds(make: Make) -> None:
    cache = Cache(SMALL)
    query = ask()
    cache.store(query.key, make(query), NOW)
    cache.remember_failure(query.key, Rcode.SERVFAIL, (), NOW + 400)
    assert cache.recall_failure(query.key, NOW + 429.9) is not None
    assert cache.recall_failure(query.key, NOW + 430) is None
