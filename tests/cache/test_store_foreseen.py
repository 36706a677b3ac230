"""What a look-up would find, told without looking up."""

from dataclasses import asdict

from hypothesis import given
from hypothesis import strategies as st

from dohproxy.cache import Cache
from dohproxy.config import CacheConfig
from dohproxy.wire.name import from_text
from dohproxy.wire.numbers import Qtype, Rcode
from tests.cache.answers import ask, positive
from tests.cache.test_cuts import denial
from tests.wire.strategies import deterministic

NOW = 1_000.0
NAMES = ("example.net", "b.example.net", "a.b.example.net", "c.a.b.example.net")
RULES = CacheConfig(cut_below_nxdomain="always", minimum_ttl_under_pressure_seconds=1_800)
_acts = st.tuples(st.sampled_from(NAMES), st.sampled_from((Qtype.A, Qtype.AAAA)), st.booleans(), st.integers(0, 400))


def filled(acts: list[tuple[str, Qtype, bool, int]]) -> Cache:
    cache = Cache(RULES)
    for name, qtype, exists, later in acts:
        query = ask(name, qtype)
        answer = positive(query) if exists else denial(query, from_text("net"))
        cache.store(query.key, answer, NOW + later)
    return cache


@deterministic
@given(
    st.lists(_acts, max_size=8),
    st.sampled_from(NAMES),
    st.sampled_from((0.0, 0.5, 1.0)),
    st.sampled_from((400, 650, 1_500, 400_000)),
)
def test_it_is_what_a_look_up_finds_and_nothing_changes(
    acts: list[tuple[str, Qtype, bool, int]], name: str, pressure: float, later: int
) -> None:
    cache, key, now = filled(acts), ask(name).key, NOW + later
    before = asdict(cache.statistics()), list(cache.by_recency(100))
    foreseen = cache.foresee(key, now, pressure)
    assert (asdict(cache.statistics()), list(cache.by_recency(100))) == before
    assert foreseen == cache.lookup(key, now, pressure)


def test_a_failure_is_foreseen_as_long_as_it_is_recalled_and_its_use_is_not_counted() -> None:
    cache = Cache(RULES)
    first, second = ask("a.example.net").key, ask("b.example.net").key
    for key in (first, second):
        cache.remember_failure(key, Rcode.SERVFAIL, (), NOW)
    order = cache._failures._known
    before = order.popitem()
    assert before[0] == first
    order[first] = before[1]
    # The second is now the least recently used, and stays so.
    assert cache.foresee_failure(second, NOW) is not None
    assert cache.foresee_failure(second, NOW + 400) is None
    assert cache.foresee_failure(ask("c.example.net").key, NOW) is None
    assert order.popitem()[0] == second
