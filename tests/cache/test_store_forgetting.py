"""What is forgotten by name: all of it, nothing else, and in steps."""

import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dohproxy.cache import Cache, Freshness
from dohproxy.cache.store import FORGOTTEN_AT_ONCE
from dohproxy.config import CacheConfig
from dohproxy.wire.name import from_text
from dohproxy.wire.numbers import Qtype, Rcode
from tests.cache.answers import ask, negative, positive
from tests.cache.test_cuts import denial
from tests.wire.strategies import deterministic

NOW = 1_000.0


def names(*wanted: str) -> Callable[[bytes], bool]:
    wires = {from_text(name) for name in wanted}
    return lambda name: name in wires


def test_every_type_and_every_bit_of_a_name_is_forgotten_and_nothing_else() -> None:
    cache = Cache(CacheConfig())
    queries = [
        ask(qtype=qtype, dnssec_ok=dnssec_ok, flags=flags)
        for qtype in (Qtype.A, Qtype.AAAA, 65_280)
        for dnssec_ok in (False, True)
        for flags in (0x0100, 0x0110)
    ]
    for query in queries:
        cache.store(query.key, positive(query), NOW)
    denied, failed, other = ask(qtype=Qtype.MX), ask(qtype=Qtype.TXT), ask("example.net")
    cache.store(denied.key, negative(denied), NOW)
    cache.remember_failure(failed.key, Rcode.SERVFAIL, (), NOW)
    cache.store(other.key, positive(other), NOW)
    assert sum(cache.forget(names("www.example.net"))) == len(queries) + 2
    assert all(cache.peek(query.key) is None for query in (*queries, denied))
    assert cache.recall_failure(failed.key, NOW) is None
    assert cache.peek(other.key) is not None


def test_the_usual_types_are_forgotten_at_once_with_what_denies_the_name_from_above() -> None:
    cache = Cache(CacheConfig(cut_below_nxdomain="always"))
    above, below = ask("b.example.net"), ask("a.b.example.net")
    cache.store(above.key, denial(above, from_text("example.net")), NOW)
    assert cache.lookup(below.key, NOW, 0.0)[1] is Freshness.FRESH
    assert cache.forget_usual(from_text("a.b.example.net")) == 1
    assert cache.lookup(below.key, NOW, 0.0)[1] is Freshness.DEAD
    assert cache.statistics().cuts == 0


def test_what_is_remembered_of_an_answer_learns_that_it_is_forgotten() -> None:
    cache = Cache(CacheConfig())
    query = ask()
    entry = cache.store(query.key, positive(query), NOW)
    assert entry is not None
    assert entry.use()
    assert cache.forget_usual(query.qname) == 1
    assert not entry.use()


@deterministic
@given(
    st.lists(st.tuples(st.integers(0, 30), st.sampled_from(["store", "deny", "step"])), max_size=120),
    st.sets(st.integers(0, 30)),
)
def test_whatever_comes_and_goes_between_steps_all_that_was_there_is_forgotten(
    acts: list[tuple[int, str]], meant: set[int]
) -> None:
    cache = Cache(CacheConfig())
    wanted = names(*(f"n{number}.example.net" for number in meant))
    for number in range(20):
        query = ask(f"n{number}.example.net")
        cache.store(query.key, (positive if number % 2 else negative)(query), NOW)
    steps = cache._positive.forget(lambda key: wanted(key[:-3]), 3)
    since: set[int] = set()
    for number, act in acts:
        query = ask(f"n{number}.example.net")
        if act == "step":
            next(steps, None)
        else:
            cache.store(query.key, (positive if act == "store" else negative)(query), NOW)
            since.add(number)
    for _ in steps:
        pass
    for number in meant - since:
        assert ask(f"n{number}.example.net").key not in cache._positive


@pytest.mark.parametrize("size", [20_000])
def test_no_step_takes_long(size: int) -> None:
    cache = Cache(CacheConfig(max_megabytes=64))
    query = ask()
    answer = positive(query)
    for number in range(size):
        label = b"%07d" % number
        cache.store(bytes((7,)) + label + query.key, answer, NOW)
    steps = []
    gone, begun = 0, time.perf_counter()
    for went in cache.forget(lambda _: True):
        gone += went
        steps.append(time.perf_counter() - begun)
        begun = time.perf_counter()
    assert (gone, cache.statistics().positive_entries) == (size, 0)
    assert len(steps) >= size / FORGOTTEN_AT_ONCE
    # Others share the machine: what most take, and not the worst.
    assert sorted(steps)[len(steps) // 2] < 0.005
