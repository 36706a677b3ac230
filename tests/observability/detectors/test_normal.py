"""What is usual: learnt upwards within hours, downwards within days, and not from a flood."""

import math

import pytest

from dohproxy.observability.detectors.normal import (
    ACCEPTED_SECONDS,
    FALL_SECONDS,
    LEARNING_SECONDS,
    MOST_KEPT,
    RISE_SECONDS,
    Normal,
    Normals,
)
from dohproxy.saved import UnfitState


@pytest.mark.parametrize(
    ("before", "present", "is_alarmed", "half"),
    [
        pytest.param(0.0, 10.0, False, RISE_SECONDS, id="upwards within hours"),
        pytest.param(10.0, 0.0, False, FALL_SECONDS, id="downwards within days"),
        pytest.param(0.0, 10.0, True, ACCEPTED_SECONDS, id="during an alert within a week"),
        pytest.param(10.0, 0.0, True, FALL_SECONDS, id="downwards the same during an alert"),
    ],
)
def test_half_of_the_way_is_learnt(before: float, present: float, is_alarmed: bool, half: float) -> None:
    normal = Normal(0.0, before)
    for number in range(1, 101):
        normal.learn(present, number * half / 100, is_alarmed=is_alarmed)
    assert normal.value == pytest.approx(5.0, rel=0.01)


def test_a_minute_of_flood_is_not_usual() -> None:
    normal = Normal(0.0, 1.0)
    for second in range(0, 60, 5):
        normal.learn(1_000.0, float(second), is_alarmed=False)
    assert normal.value < 5.0


def test_while_everything_is_new_the_highest_is_usual_at_once() -> None:
    normal = Normal(0.0)
    for value in (3.0, 7.0, 2.0):
        normal.learn(value, 1.0, is_alarmed=False, is_new=True)
    assert normal.value == 7.0


def test_a_clock_that_stands_still_changes_nothing() -> None:
    normal = Normal(5.0, 1.0)
    normal.learn(100.0, 5.0, is_alarmed=False)
    assert normal.value == 1.0


class TestHandedOver:
    def test_nothing_is_handed_over_before_it_means_anything(self) -> None:
        normals = Normals(0.0)
        normals.of("requests", 0.0).value = 4.0
        assert normals.is_learning(LEARNING_SECONDS - 1)
        assert normals.export(LEARNING_SECONDS - 1) == {}
        assert normals.export(LEARNING_SECONDS) == {"requests": 4.0}

    def test_who_goes_on_with_it_knows_at_once(self) -> None:
        normals = Normals(0.0)
        normals.restore({"usual": {"requests": 4.0}}, 0.0)
        assert not normals.is_learning(0.0)
        assert normals.of("requests", 0.0).value == 4.0

    @pytest.mark.parametrize("saved", [{}, {"usual": {}}], ids=["an older file", "nothing learnt"])
    def test_without_it_everything_is_learnt_anew(self, saved: dict[str, object]) -> None:
        normals = Normals(0.0)
        normals.restore(saved, 0.0)
        assert normals.is_learning(0.0)

    @pytest.mark.parametrize("value", [-1.0, math.nan, 1e30, "4", True, None], ids=repr)
    def test_a_value_that_nobody_could_have_saved_is_refused(self, value: object) -> None:
        with pytest.raises(UnfitState):
            Normals(0.0).restore({"usual": {"requests": value}}, 0.0)

    def test_no_more_is_taken_than_detectors_may_have(self) -> None:
        normals = Normals(0.0)
        normals.restore({"usual": {f"name {number}": 1.0 for number in range(1_000)}}, 0.0)
        assert len(normals.export(0.0)) == MOST_KEPT
