"""What is handed over is read back as it was, at another time, and nothing else is taken for it."""

import json
import math

import pytest

from dohproxy.saved import (
    FAR_SECONDS,
    Interruption,
    UnfitState,
    distance,
    read_count,
    read_dict,
    read_list,
    read_moment,
    read_number,
)

AFTER = Interruption(saved_at=-500.0)
"""Saved half an hour before a boot, say."""


def test_a_moment_lies_as_far_from_the_saving_as_before() -> None:
    assert read_moment({"at": distance(1_010.0, 1_000.0)}, "at", AFTER) == -490.0
    assert read_moment({"at": distance(700.0, 1_000.0)}, "at", AFTER) == -800.0


def test_never_stays_never() -> None:
    assert distance(math.inf, 0.0) is distance(-math.inf, 0.0) is None
    assert read_moment({"at": None}, "at", AFTER) == -math.inf
    assert read_moment({}, "at", AFTER, never=math.inf) == math.inf


@pytest.mark.parametrize("value", ["1", True, [], {}, math.nan, math.inf, -math.inf, 2 * FAR_SECONDS])
def test_what_is_no_such_number_is_unfit(value: object) -> None:
    with pytest.raises(UnfitState, match="at"):
        read_moment({"at": value}, "at", AFTER)
    with pytest.raises(UnfitState):
        read_number({"at": value}, "at", 0.0, 1.0)
    with pytest.raises(UnfitState):
        read_count({"at": value}, "at", 1)


def test_bounds_belong_to_what_may_be() -> None:
    assert [read_number({"at": at}, "at", 0.0, 1.0) for at in (0, 1)] == [0.0, 1.0]
    assert [read_count({"at": at}, "at", 1) for at in (0, 1)] == [0, 1]
    with pytest.raises(UnfitState):
        read_count({"at": 0.5}, "at", 1)


def test_lists_and_parts_are_what_they_should_be() -> None:
    saved = json.loads('{"list": [1, 2], "part": {"a": 1}}')
    assert (read_list(saved, "list", 2), read_dict(saved, "part")) == ([1, 2], {"a": 1})
    for key, most in (("list", 1), ("part", 9), ("absent", 9)):
        with pytest.raises(UnfitState):
            read_list(saved, key, most)
    with pytest.raises(UnfitState):
        read_dict(saved, "list")
