"""The sketch of who comes most often, beside a counter that keeps everybody."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dohproxy.policy.space_saving import SpaceSaving

KEYS = st.integers(0, 40).map(lambda number: number.to_bytes(2))
STREAMS = st.lists(KEYS, max_size=300)
SIZES = st.integers(1, 20)


def fed(stream: list[bytes], most: int) -> SpaceSaving:
    sketch = SpaceSaving(most)
    for key in stream:
        sketch.add(key)
    return sketch


@given(STREAMS, SIZES)
def test_no_key_that_comes_often_is_missing(stream: list[bytes], most: int) -> None:
    held = {one.key for one in fed(stream, most).top(most)}
    assert {key for key, count in Counter(stream).items() if count > len(stream) / most} <= held


@given(STREAMS, SIZES)
def test_a_count_is_never_too_low_and_too_high_by_no_more_than_is_told(stream: list[bytes], most: int) -> None:
    exact = Counter(stream)
    for one in fed(stream, most).top(most):
        assert one.count - one.error <= exact[one.key] <= one.count
        assert one.error <= len(stream) / most


@given(STREAMS, SIZES)
def test_there_are_never_more_counters_and_together_they_have_counted_everything(
    stream: list[bytes], most: int
) -> None:
    sketch = fed(stream, most)
    top = sketch.top(most)
    assert len(sketch) == len(top) == min(most, len(set(stream)))
    assert sum(one.count for one in top) == sketch.total == len(stream)


@given(STREAMS, SIZES)
def test_where_there_is_room_for_all_every_count_is_exact(stream: list[bytes], most: int) -> None:
    sketch = fed(stream, 41)
    assert {one.key: (one.count, one.error) for one in sketch.top(41)} == {
        key: (count, 0) for key, count in Counter(stream).items()
    }
    assert [one.count for one in sketch.top(most)] == sorted(Counter(stream).values(), reverse=True)[:most]


@given(STREAMS, SIZES)
def test_who_makes_room_is_one_that_has_come_least_often(stream: list[bytes], most: int) -> None:
    sketch = SpaceSaving(most)
    for key in stream:
        before = {one.key: one.count for one in sketch.top(most)}
        sketch.add(key)
        gone = before.keys() - {one.key for one in sketch.top(most)}
        assert all(before[one] == min(before.values()) for one in gone)


def test_one_that_is_heavy_is_found_among_any_number_that_come_once() -> None:
    sketch = SpaceSaving(100)
    for number in range(50_000):
        sketch.add(number.to_bytes(4))
        if number % 50 == 0:
            sketch.add(b"heavy")
    (first,) = sketch.top(1)
    assert first.key == b"heavy"
    assert first.count - first.error <= 1_000 <= first.count
    assert len(sketch) == 100


def test_what_is_noted_of_a_key_is_gone_with_it() -> None:
    sketch = SpaceSaving(1)
    sketch.add(b"a").note = "seen"
    assert sketch.add(b"a").note == "seen"
    assert sketch.add(b"b").note is None
    assert sketch.add(b"a").note is None


@pytest.mark.parametrize("stream", [[b"a", b"b"] * 500, [b"a"] * 500 + [b"b"] * 500], ids=["in turn", "in a row"])
def test_one_counter_has_all(stream: list[bytes]) -> None:
    (only,) = fed(stream, 1).top(5)
    assert (only.key, only.count) == (b"b", 1_000)
