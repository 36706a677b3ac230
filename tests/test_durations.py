"""Lengths of time as they are typed and told."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dohproxy.durations import PATTERN, in_units, in_words, parse_seconds


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("10m", 600), ("1h", 3_600), ("2d", 172_800), ("8w", 4_838_400), ("0s", 0)]
)
def test_a_length_of_time_is_a_number_with_its_unit(text: str, seconds: int) -> None:
    assert parse_seconds(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "1", "h", "1.5h", "-1h", "1 h", " 1h", "1H", "1h30m", "1h\n", "1h\n1", "\u0661h", "9" * 8 + "d"]
)
def test_anything_else_is_none(text: str) -> None:
    assert parse_seconds(text) is None
    assert re.fullmatch(PATTERN, text, re.ASCII) is None


@given(st.integers(0, 9_999_999))
def test_what_is_written_in_the_largest_unit_that_fits_is_read_back(seconds: int) -> None:
    assert parse_seconds(in_units(seconds)) == seconds


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0s"), (59, "59s"), (60, "1m"), (90, "90s"), (3_600, "1h"), (172_800, "2d")]
)
def test_a_time_is_written_in_the_largest_unit_that_fits(seconds: int, text: str) -> None:
    assert in_units(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (-5, "0 s"), (1, "1 s"), (59.6, "1 min"), (90, "1 min 30 s"), (3_600, "1 h"), (93_784, "1 d 2 h")],
)
def test_it_is_told_in_two_units_at_most(seconds: float, words: str) -> None:
    assert in_words(seconds) == words
