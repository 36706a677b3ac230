"""A million names in little memory: what is found, what is not, and what it costs."""

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dohproxy.policy.blocklists.name_set import BELOW, BOTH, EXACT, NameGatherer, NameSet, hash_name, set_of
from dohproxy.wire.name import from_text

NAMES = 100_000


def gather(names: list[tuple[bytes, int]]) -> tuple[NameSet, int]:
    gatherer = NameGatherer()
    for name, kind in names:
        gatherer.add(name, kind)
    steps = sum(1 for _ in gatherer.build())
    return gatherer.gathered, steps


@given(st.dictionaries(st.binary(min_size=1, max_size=8), st.sampled_from([EXACT, BELOW, BOTH])), st.binary(max_size=9))
def test_what_was_put_in_is_found_as_it_was_meant_and_nothing_else_is(listed: dict[bytes, int], other: bytes) -> None:
    found = set_of(list(listed.items()))
    assert found.names == len(listed)
    assert {name: found.kind(hash_name(name)) for name in listed} == listed
    assert found.kind(hash_name(other)) == listed.get(other, 0)


def test_a_name_that_comes_twice_is_one_and_means_both() -> None:
    found = set_of([(b"a", EXACT), (b"a", BELOW), (b"a", EXACT)])
    assert (found.names, found.kind(hash_name(b"a"))) == (1, BOTH)


def test_in_an_empty_set_there_is_nothing() -> None:
    assert set_of([]).kind(hash_name(b"a")) == 0
    assert NameGatherer().gathered.kind(hash_name(b"a")) == 0


def test_a_hash_leaves_room_for_the_kind_and_fits_a_slot() -> None:
    for number in range(1_000):
        hashed = hash_name(number.to_bytes(4))
        assert hashed & BOTH == 0
        assert 0 <= hashed < 1 << 62


def test_the_set_is_made_in_steps_and_holds_no_more_than_it_says() -> None:
    found, steps = gather([(number.to_bytes(4), EXACT) for number in range(10_000)])
    assert steps >= 10_000 // 512
    assert found.held_bytes == 9 * (2 * 10_000 + 1)


def test_a_name_costs_less_than_20_bytes_and_32_while_the_set_is_made() -> None:
    gatherer = NameGatherer()
    tracemalloc.start()
    try:
        for number in range(NAMES):
            gatherer.add(number.to_bytes(14), BOTH)
        for _ in gatherer.build():
            pass
        held, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert gatherer.gathered.names == NAMES
    assert held < 20 * NAMES
    assert peak < 32 * NAMES


@pytest.mark.parametrize("name", ["example.net", "www.example.net"], ids=str)
def test_names_of_requests_and_names_of_lists_are_hashed_alike(name: str) -> None:
    assert hash_name(from_text(name)) == hash_name(bytes(bytearray(from_text(name))))
