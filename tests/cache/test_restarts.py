"""The cache from one process to the next: what comes back, how old it is, and what stays out."""

from dataclasses import replace

import dns.message
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dohproxy.cache import Cache, Freshness
from dohproxy.cache.entry import BYTES_PER_ENTRY
from dohproxy.cache.restarts import Restoring, Saving
from dohproxy.cache.snapshot import Snapshot, read_snapshot
from dohproxy.config import CacheConfig
from dohproxy.wire.answer import parse_answer
from dohproxy.wire.numbers import Rcode
from dohproxy.wire.query import Query
from dohproxy.wire.reply import write_reply
from tests.cache.answers import ask, negative, positive
from tests.wire import messages as m
from tests.wire.strategies import deterministic

RULES = CacheConfig(max_megabytes=1)
WALL = 1_800_000_000.0
BEFORE = 50_000.0
"""On the clock of the process that saves."""
AFTER = 20.0
"""On the clock of the one that loads, after the machine has started anew."""
EVERYTHING = 1_000_000
A_DAY = 86_400


def saved(cache: Cache, now: float = BEFORE) -> Snapshot:
    saving = Saving(cache, wall_now=WALL, now=now)
    while saving.step(7):
        pass
    return read_snapshot(saving.writer.finish())


def restored(
    snapshot: Snapshot, *, away: float = 0.0, rules: CacheConfig = RULES, into: Cache | None = None
) -> tuple[Cache, Restoring]:
    cache = Cache(rules) if into is None else into
    restoring = Restoring(cache, snapshot, wall_now=WALL + away, now=AFTER)
    while restoring.step(7):
        pass
    return cache, restoring


def filled(*queries: Query, ttl: int = 300, rules: CacheConfig = RULES) -> Cache:
    cache = Cache(rules)
    for query in queries:
        cache.store(query.key, positive(query, ttl=ttl), BEFORE)
    return cache


def names(count: int) -> list[Query]:
    return [ask(f"{number}.example.net") for number in range(count)]


# --- Age ---


@pytest.mark.parametrize(
    ("away", "state", "max_age"),
    [
        (0.0, Freshness.FRESH, 290),
        (100.0, Freshness.FRESH, 190),
        (289.0, Freshness.FRESH, 1),
        (290.0, Freshness.STALE, 0),
        (A_DAY + 289.0, Freshness.STALE, -A_DAY + 1),
        (A_DAY + 290.0, Freshness.DEAD, None),
        (1e9, Freshness.DEAD, None),
        (-1.0, Freshness.FRESH, 290),
        (-1e9, Freshness.FRESH, 290),
    ],
    ids=[
        "at once",
        "a little later",
        "in the last second",
        "just too late to be fresh",
        "just in time to be stale",
        "just too late",
        "years later",
        "before it was written",
        "years before",
    ],
)
def test_time_away_is_age_and_nothing_gets_younger(away: float, state: Freshness, max_age: int | None) -> None:
    query = ask()
    cache, _ = restored(saved(filled(query), BEFORE + 10), away=away)
    entry, found = cache.lookup(query.key, AFTER, 0.0)
    assert found is state
    assert (entry.max_age(AFTER) if entry is not None else None) == max_age


def test_age_goes_on_with_the_new_clock() -> None:
    query = ask()
    cache, _ = restored(saved(filled(query), BEFORE + 10), away=100)
    entry, state = cache.lookup(query.key, AFTER + 189, 0.0)
    assert entry is not None
    assert (state, entry.max_age(AFTER + 189)) == (Freshness.FRESH, 1)
    assert cache.lookup(query.key, AFTER + 190, 0.0)[1] is Freshness.STALE


def test_a_second_restart_adds_to_the_first() -> None:
    query = ask()
    first, _ = restored(saved(filled(query)), away=100)
    second, _ = restored(saved(first, AFTER + 50), away=100)
    entry = second.peek(query.key)
    assert entry is not None
    assert entry.max_age(AFTER) == 50


def test_what_is_dead_is_not_written() -> None:
    assert list(saved(filled(ask()), BEFORE + 300 + A_DAY)) == []


# --- What comes back ---


def test_failures_do_not_come_back() -> None:
    cache = Cache(RULES)
    cache.remember_failure(ask().key, Rcode.SERVFAIL, (), BEFORE)
    back, _ = restored(saved(cache))
    assert back.recall_failure(ask().key, AFTER) is None


def test_positive_and_negative_answers_come_back_to_their_own_tables() -> None:
    cache = filled(*names(3))
    for query in (ask("gone.example.net"), ask("absent.example.net")):
        cache.store(query.key, negative(query), BEFORE)
    before, after = cache.statistics(), restored(saved(cache))[0].statistics()
    assert after == before


def test_the_order_of_use_comes_back() -> None:
    queries = names(20)
    cache = filled(*queries)
    for number in (3, 11, 3, 0):
        cache.lookup(queries[number].key, BEFORE, 0.0)
    back, _ = restored(saved(cache))
    assert list(back.by_recency(EVERYTHING)) == list(cache.by_recency(EVERYTHING))
    assert list(back.by_recency(3)) == [queries[number].key for number in (0, 3, 11)]


def test_what_changes_while_it_is_written_does_no_harm() -> None:
    queries = names(10)
    cache = filled(*queries)
    saving = Saving(cache, wall_now=WALL, now=BEFORE)
    assert saving.step(2)
    cache.lookup(queries[0].key, BEFORE, 0.0)
    cache.store(queries[1].key, positive(queries[1], ttl=900), BEFORE + 5)
    cache.store(queries[2].key, parse_answer(m.answer(asked=queries[2].question), queries[2]), BEFORE + 5)
    cache.store(ask("new.example.net").key, positive(ask("new.example.net")), BEFORE + 5)
    while saving.step(2):
        pass
    back, _ = restored(read_snapshot(saving.writer.finish()))
    kept = {query.key: back.peek(query.key) for query in queries}
    assert [number for number, query in enumerate(queries) if kept[query.key] is None] == [2]
    replaced = kept[queries[1].key]
    assert replaced is not None
    assert replaced.max_age(AFTER) == 900
    assert back.peek(ask("new.example.net").key) is None


# --- What stays out ---


def test_nothing_learnt_meanwhile_is_replaced() -> None:
    query, gone = ask(), ask("gone.example.net")
    snapshot = saved(filled(query, gone))
    cache = Cache(RULES)
    learnt = cache.store(query.key, positive(query, ttl=100), AFTER)
    absent = cache.store(gone.key, negative(gone), AFTER)
    _, restoring = restored(snapshot, into=cache)
    assert (cache.peek(query.key), cache.peek(gone.key)) == (learnt, absent)
    assert (restoring.restored, restoring.left_out) == (0, 2)


def test_nothing_learnt_meanwhile_is_displaced_or_made_less_recent() -> None:
    snapshot = saved(filled(*names(2_000)))
    learnt = [ask(f"learnt{number}.example.net") for number in range(100)]
    cache = Cache(RULES)
    for query in learnt:
        cache.store(query.key, positive(query), AFTER)
    restored(snapshot, into=cache)
    assert cache.statistics().evictions == 0
    assert list(cache.by_recency(100)) == [query.key for query in reversed(learnt)]


def test_less_memory_gets_the_most_recently_used() -> None:
    queries = names(8_000)
    cache, restoring = restored(saved(filled(*queries, rules=CacheConfig(max_megabytes=4))))
    statistics = cache.statistics()
    fitting = statistics.positive_max_bytes // (BYTES_PER_ENTRY + 100)
    assert fitting < restoring.restored == statistics.positive_entries < 8_000
    assert statistics.evictions == 0
    expected = [query.key for query in reversed(queries)]
    assert list(cache.by_recency(EVERYTHING)) == expected[: restoring.restored]


def test_larger_answers_than_are_kept_now_stay_out() -> None:
    query, small = ask(qtype=m.TXT), ask()
    cache = filled(small)
    cache.store(query.key, positive(query, size=2_000), BEFORE)
    back, _ = restored(saved(cache), rules=replace(RULES, max_entry_bytes=1_000))
    assert (back.peek(query.key), back.peek(small.key) is not None) == (None, True)


def test_a_smaller_ceiling_holds_for_lifetime_and_ttls() -> None:
    query = ask()
    wire = m.answer(m.record(ttl=9_000), m.record(rdata=b"\xc0\x00\x02\x02", ttl=20_000), asked=query.question)
    cache = Cache(RULES)
    cache.store(query.key, parse_answer(wire, query), BEFORE)
    back, _ = restored(saved(cache), away=60, rules=replace(RULES, maximum_ttl_seconds=3_600))
    entry = back.peek(query.key)
    assert entry is not None
    assert (entry.lifetime, entry.max_age(AFTER)) == (3_600, 3_540)
    reply = dns.message.from_wire(write_reply(query, entry.content(AFTER)), one_rr_per_rrset=True)
    assert [rrset.ttl for rrset in reply.answer] == [3_540, 3_540]


def test_a_smaller_ceiling_for_negative_answers_holds_too() -> None:
    query = ask()
    cache = Cache(RULES)
    cache.store(query.key, negative(query, ttl=900, minimum=900), BEFORE)
    back, _ = restored(saved(cache), rules=replace(RULES, negative_ttl_max_seconds=100))
    entry = back.peek(query.key)
    assert entry is not None
    assert entry.lifetime == 100
    reply = dns.message.from_wire(write_reply(query, entry.content(AFTER)))
    assert reply.authority[0].ttl == 100


def test_a_higher_floor_lengthens_no_life_that_was_decided() -> None:
    query = ask()
    cache = filled(query, ttl=100)
    back, _ = restored(saved(cache), rules=replace(RULES, minimum_ttl_seconds=600))
    entry = back.peek(query.key)
    assert entry is not None
    assert entry.lifetime == 100


def test_stale_entries_stay_out_where_none_are_kept() -> None:
    back, restoring = restored(saved(filled(ask())), away=300, rules=replace(RULES, stale_keep_seconds=0))
    assert (back.peek(ask().key), restoring.left_out) == (None, 1)


def test_what_cannot_be_read_any_more_stays_out_alone() -> None:
    query, other = ask(), ask("other.example.net")
    cache = filled(other)
    unreadable = replace(positive(query), records=m.record(owner=m.pointer(0x3FFF)))
    assert cache.store(query.key, unreadable, BEFORE) is not None
    back, restoring = restored(saved(cache))
    assert (restoring.restored, restoring.left_out) == (1, 1)
    assert back.peek(query.key) is None


# --- Warm or cold ---


@pytest.mark.parametrize(
    ("away", "is_warm"), [(0, True), (59, True), (60, True), (299, True), (300, False), (A_DAY, False), (1e9, False)]
)
def test_a_cache_is_warm_while_half_of_what_was_fresh_still_is(away: float, is_warm: bool) -> None:
    cache = filled(*names(10))
    for query in (ask(f"brief{number}.example.net") for number in range(10)):
        cache.store(query.key, positive(query, ttl=60), BEFORE)
    # These were stale already, so upstream had been asked for them anyway.
    for query in (ask(f"stale{number}.example.net") for number in range(100)):
        cache.store(query.key, positive(query), BEFORE - 400)
    assert restored(saved(cache), away=away)[1].is_warm is is_warm


def test_an_empty_snapshot_warms_nothing() -> None:
    assert not restored(saved(Cache(RULES)))[1].is_warm


def test_a_snapshot_of_stale_entries_alone_warms_nothing() -> None:
    assert not restored(saved(filled(*names(10)), BEFORE + 400))[1].is_warm


# --- Step by step ---


@pytest.mark.parametrize("size", [1, 3, 10, 11, 100])
def test_steps_of_any_size_lead_to_the_same(size: int) -> None:
    cache = filled(*names(10))
    saving = Saving(cache, wall_now=WALL, now=BEFORE)
    steps = 1
    while saving.step(size):
        steps += 1
    assert steps == 10 // size + 1
    content = saving.writer.finish()
    assert list(read_snapshot(content)) == list(saved(cache))
    back = Cache(RULES)
    restoring = Restoring(back, read_snapshot(content), wall_now=WALL, now=AFTER)
    assert sum(1 for _ in iter(lambda: restoring.step(size), False)) == 10 // size
    assert restoring.restored == 10


def test_saving_ends_where_a_snapshot_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dohproxy.cache.snapshot.MOST_ENTRIES", 4)
    queries = names(10)
    assert [one.key for one in saved(filled(*queries))] == [query.key for query in reversed(queries[6:])]


# --- Whatever was stored ---

stores = st.lists(
    st.tuples(
        st.integers(0, 20),
        st.booleans(),
        st.sampled_from([0, 1, 59, 60, 61, 300, 899, 901, 100_000]),
        st.floats(0, 200_000),
    ),
    max_size=30,
)


@given(stores, st.floats(0, 100_000), st.floats(-1_000, 100_000))
@deterministic
def test_what_comes_back_says_what_it_would_have_said(
    todo: list[tuple[int, bool, int, float]], later: float, away: float
) -> None:
    cache = Cache(RULES)
    now = BEFORE
    for number, is_positive, ttl, pause in todo:
        query = ask(f"{number}.example.net")
        answer = positive(query, ttl=ttl) if is_positive else negative(query, ttl=ttl)
        cache.store(query.key, answer, now)
        now += pause / 10
    now += later
    back, restoring = restored(saved(cache, now), away=away)
    passed = max(away, 0.0)
    for number in range(21):
        key = ask(f"{number}.example.net").key
        one, two = cache.peek(key), back.peek(key)
        if one is None or two is None:
            # Two roundings of less than a second each, both towards older.
            assert two is None
            assert one is None or now + passed + 2 >= one.stored_at + one.lifetime + RULES.stale_keep_seconds
            continue
        age_then, age_now = now + passed - one.stored_at, AFTER - two.stored_at
        assert age_then - 1e-3 <= age_now <= age_then + 2
        assert (one.lifetime, one.size) == (two.lifetime, two.size)
        assert one.stale_content(30) == two.stale_content(30)
        assert one.records == two.records
    assert restoring.restored == sum(back.peek(ask(f"{number}.example.net").key) is not None for number in range(21))
