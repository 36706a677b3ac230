"""What another node keeps, taken over because it is wanted here."""

from collections.abc import Callable

import pytest

from dohproxy.cache import Cache, Freshness
from dohproxy.cache.failures import RememberedFailure
from dohproxy.config import CacheConfig
from dohproxy.wire.answer import Answer
from dohproxy.wire.numbers import Rcode
from dohproxy.wire.query import Query
from tests.cache.answers import ask, negative, positive
from tests.wire import messages as m

NOW = 1_000.0
RULES = CacheConfig(max_megabytes=1, jitter_percent=0)
QUERY = ask()


@pytest.mark.parametrize("make", [positive, negative], ids=["positive", "negative"])
def test_it_is_as_old_as_it_is_there(make: Callable[[Query], Answer]) -> None:
    cache = Cache(RULES)
    cache.receive(QUERY.key, make(QUERY), 300, NOW - 100, NOW)
    entry, state = cache.lookup(QUERY.key, NOW + 199, 0.0)
    assert entry is not None
    assert (state, entry.max_age(NOW)) == (Freshness.FRESH, 200)
    assert cache.lookup(QUERY.key, NOW + 200, 0.0)[1] is Freshness.STALE


def test_it_comes_before_what_is_used_less() -> None:
    cache = Cache(RULES)
    large = [ask(f"{number}.example.net", m.TXT) for number in range(60)]
    for query in large:
        cache.receive(query.key, positive(query, size=15_000), 300, NOW, NOW)
    assert cache.peek(large[-1].key) is not None
    assert cache.peek(large[0].key) is None
    assert cache.statistics().evictions > 0


def test_it_takes_the_place_of_what_is_older_and_of_nothing_else() -> None:
    cache = Cache(RULES)
    cache.store(QUERY.key, negative(QUERY), NOW)
    cache.receive(QUERY.key, positive(QUERY), 300, NOW - 1, NOW + 1)
    entry = cache.peek(QUERY.key)
    assert entry is not None
    assert entry.rcode == Rcode.NXDOMAIN
    cache.receive(QUERY.key, positive(QUERY), 300, NOW + 1, NOW + 1)
    entry = cache.peek(QUERY.key)
    assert entry is not None
    assert entry.rcode == Rcode.NOERROR
    assert cache.statistics().negative_entries == 0


def test_what_is_dead_is_not_taken() -> None:
    cache = Cache(RULES)
    cache.receive(QUERY.key, positive(QUERY), 300, NOW - 301 - RULES.stale_keep_seconds, NOW)
    assert cache.peek(QUERY.key) is None


def test_it_lives_no_longer_than_the_rules_here_allow() -> None:
    cache = Cache(RULES)
    cache.receive(QUERY.key, negative(QUERY, ttl=9_000, minimum=9_000), 9_000, NOW, NOW)
    entry = cache.peek(QUERY.key)
    assert entry is not None
    assert entry.lifetime == RULES.negative_ttl_max_seconds


def test_a_fresh_one_ends_a_failure_and_a_stale_one_does_not() -> None:
    cache = Cache(RULES)
    failure = RememberedFailure(Rcode.SERVFAIL, (), NOW + 5, 5)
    cache.receive_failure(QUERY.key, failure)
    cache.receive(QUERY.key, positive(QUERY), 300, NOW - 400, NOW)
    assert cache.recall_failure(QUERY.key, NOW) == failure
    cache.receive(QUERY.key, positive(QUERY), 300, NOW - 1, NOW)
    assert cache.recall_failure(QUERY.key, NOW) is None


def test_a_name_that_exists_elsewhere_is_not_denied_from_above() -> None:
    cache = Cache(CacheConfig(cut_below_nxdomain="always"))
    above, below = ask("example.net"), ask("www.example.net")
    cache.store(above.key, negative(above), NOW)
    cache.receive(below.key, positive(below), 300, NOW, NOW)
    assert cache.lookup(ask("other.example.net").key, NOW, 0.0)[0] is None


def test_what_may_not_be_given_here_is_not() -> None:
    withheld = positive(ask("other.example.net"))
    cache = Cache(RULES, judge=lambda _name, _answer: withheld)
    cache.receive(QUERY.key, positive(QUERY), 300, NOW, NOW)
    entry = cache.peek(QUERY.key)
    assert entry is not None
    assert entry.records == withheld.records
