"""What is divided among workers adds up to the whole, and everybody has some of it."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dohproxy.config import Config, RouteConfig, ServerConfig, UpstreamAddress, UpstreamConfig
from dohproxy.config.rules import DIVIDED_WHOLE
from dohproxy.config.schema.server import MAX_WORKERS
from dohproxy.workers.division import ALONE, Place, base_share, base_shares, own_part, part_of, worker_count

UPSTREAM = UpstreamConfig("one", UpstreamAddress("udp", "192.0.2.1", 53), burst=7, in_flight=5, connections=3)
CONFIG = Config((UPSTREAM,), routes=(RouteConfig(("example.net",), ("one",), 9),))


def _all(of: int) -> list[Place]:
    return [Place(number, of) for number in range(of)]


@given(whole=st.integers(0, 10**6), of=st.integers(1, MAX_WORKERS))
def test_the_parts_of_a_number_add_up_to_it_and_differ_by_one_at_most(whole: int, of: int) -> None:
    parts = [part_of(whole, place) for place in _all(of)]
    assert sum(parts) == whole
    assert max(parts) - min(parts) <= 1


@given(
    burst=st.integers(3, 1000),
    in_flight=st.integers(3, 1000),
    rate=st.floats(0.1, 1e5),
    of=st.integers(2, 3),
)
def test_all_workers_together_send_no_more_than_one_would(burst: int, in_flight: int, rate: float, of: int) -> None:
    upstream = replace(UPSTREAM, burst=burst, in_flight=in_flight, queries_per_second=rate)
    shares = [base_share(upstream, place) for place in _all(of)]
    for key in DIVIDED_WHOLE:
        assert sum(getattr(one, key) for one in shares) == getattr(upstream, key)
        assert min(getattr(one, key) for one in shares) >= 1
    assert sum(one.queries_per_second for one in shares) == pytest.approx(rate)
    assert sum(one.new_connections_per_second for one in shares) == pytest.approx(upstream.new_connections_per_second)


def test_who_is_alone_has_everything() -> None:
    assert base_shares(CONFIG.upstreams, ALONE) == CONFIG.upstreams
    assert own_part(CONFIG, ALONE) is CONFIG


@pytest.mark.parametrize("of", [2, 3, MAX_WORKERS])
def test_what_a_process_counts_for_itself_is_divided(of: int) -> None:
    parts = [own_part(CONFIG, place) for place in _all(of)]
    assert sum(one.connections.max_total for one in parts) == CONFIG.connections.max_total
    assert sum(one.connections.max_handshakes for one in parts) == CONFIG.connections.max_handshakes
    assert sum(one.connections.max_held_bytes for one in parts) == CONFIG.connections.max_held_bytes
    assert sum(one.limits.waiting_misses for one in parts) == CONFIG.limits.waiting_misses
    assert sum(one.cache.max_megabytes for one in parts) == CONFIG.cache.max_megabytes
    assert sum(one.routes[0].cache_megabytes for one in parts) == 9


def test_what_is_counted_together_is_not_divided() -> None:
    part = own_part(CONFIG, Place(1, 2))
    assert part.upstreams == CONFIG.upstreams
    assert part.limits.requests_per_second == CONFIG.limits.requests_per_second
    assert part.connections.new_per_second == CONFIG.connections.new_per_second


def test_nobody_is_left_without_any() -> None:
    poor = replace(
        CONFIG, limits=replace(CONFIG.limits, waiting_misses=1), cache=replace(CONFIG.cache, max_megabytes=1)
    )
    part = own_part(poor, Place(1, 2))
    assert (part.limits.waiting_misses, part.cache.max_megabytes) == (1, 1)


@pytest.mark.parametrize(
    ("workers", "cores", "count"),
    [(1, 4, 1), (3, 1, 3), ("cores", 1, 1), ("cores", 2, 2), ("cores", 64, 3)],
    ids=["one", "as many as said", "one core", "as many as cores", "as many as have a connection"],
)
def test_there_are_as_many_workers_as_is_said(workers: int, cores: int, count: int) -> None:
    config = replace(CONFIG, server=ServerConfig(workers=workers))
    assert worker_count(config, cores) == count
