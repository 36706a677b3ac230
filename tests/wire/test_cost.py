"""What the worst packets cost, counted in looks at their bytes: a clock would say something else each time.

`python -m fuzz.cost` says what that is in milliseconds. Each look is worth 0.1 to 0.3 microseconds.
"""

from contextlib import suppress

import pytest
from hypothesis import given, target
from hypothesis import strategies as st

from dohproxy.wire.answer import MOST_RECORDS, Answer, parse_answer
from dohproxy.wire.malformed import Malformed
from dohproxy.wire.query import parse_query
from fuzz.cost import milliseconds, serve_answer, serve_query
from fuzz.invariants import MOST_LOOKS_AT_AN_ANSWER, Metered, check_answer, check_query
from fuzz.worst_cases import ANSWERS, FARTHEST_TARGET, LARGEST, QUERIES, QUESTION, linked_names, query
from tests.wire.strategies import deterministic


def looks_at(wire: bytes) -> int:
    """Count how often the answer's reader looks at these bytes."""
    metered = Metered(wire)
    with suppress(Malformed):
        parse_answer(metered, parse_query(query()))
    return metered.looks


@pytest.mark.parametrize("wire", QUERIES.values(), ids=list(QUERIES))
def test_a_hostile_query_costs_no_more_than_its_limits_allow(wire: bytes) -> None:
    assert len(wire) <= LARGEST
    check_query(wire)


@pytest.mark.parametrize("wire", ANSWERS.values(), ids=list(ANSWERS))
def test_a_hostile_answer_costs_no_more_than_its_limits_allow(wire: bytes) -> None:
    assert len(wire) <= LARGEST
    check_answer(wire)


@deterministic
@given(st.integers(0, 126), st.integers(1, 40), st.integers(0, 126), st.integers(1, 1_023))
def test_no_shape_of_linked_names_costs_more_than_the_limits_allow(
    own: int, hops: int, fresh: int, records: int
) -> None:
    if hops * (2 * fresh + 2) < FARTHEST_TARGET - 200:
        looks = looks_at(linked_names(own=own, hops=hops, fresh=fresh, records=records))
        target(float(looks))
        assert looks <= MOST_LOOKS_AT_AN_ANSWER


@deterministic
@given(st.lists(st.tuples(st.integers(0, 255), st.integers(1, 400)), max_size=60), st.integers(0, 0xFFFF))
def test_no_soup_of_repeated_bytes_costs_more_than_the_limits_allow(runs: list[tuple[int, int]], count: int) -> None:
    body = b"".join(bytes([byte]) * length for byte, length in runs)
    head = b"\x00\x00\x81\x80\x00\x01" + count.to_bytes(2) + bytes(4)
    looks = looks_at(head + QUESTION + body)
    target(float(looks))
    assert looks <= MOST_LOOKS_AT_AN_ANSWER


def test_the_count_of_records_is_refused_before_any_is_read() -> None:
    assert looks_at(ANSWERS["65,535 records announced"]) == 0
    assert looks_at(ANSWERS["4,080 address records"]) == 0


def test_an_ordinary_record_takes_two_looks() -> None:
    """The measure itself works: the owner's two bytes are looked at twice, the rest is unpacked."""
    wire = ANSWERS["1,024 address records"]
    assert 2 * MOST_RECORDS <= looks_at(wire) <= 2 * MOST_RECORDS + 10
    assert isinstance(check_answer(wire), Answer)


def test_the_figures_can_be_printed() -> None:
    """`python -m fuzz.cost` keeps working; its milliseconds are for people to read."""
    assert serve_query(QUERIES["16,000 EDNS options"]) == "too_many_options"
    assert serve_answer(ANSWERS["1,024 records of the root"]) == "accepted"
    assert milliseconds(serve_query, query(), runs=1) >= 0
