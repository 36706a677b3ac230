"""When a judgement becomes an alert, and when that ends."""

import pytest

from dohproxy.observability.detectors.judgement import AlertKind, Detector, Hysteresis, Judgement

DETECTOR = Detector(AlertKind.DISK, lambda *_: (), "Make room", begin_seconds=10.0, end_seconds=60.0)


def play(levels: list[tuple[float, float]], detector: Detector = DETECTOR) -> list[tuple[float, bool]]:
    """Return when it begins and ends, by the times and levels of each look."""
    state, told = Hysteresis(), []
    for at, level in levels:
        event = state.step(detector, Judgement(level, f"level {level}"), at)
        if event is not None:
            told.append((at, event))
    return told


def test_it_begins_when_it_has_been_bad_for_long_enough() -> None:
    assert play([(0, 1.0), (5, 1.2), (10, 1.0)]) == [(10, True)]


def test_a_moment_of_trouble_is_none() -> None:
    assert play([(0, 1.0), (5, 0.9), (10, 1.0), (15, 1.0)]) == []


def test_without_a_delay_it_begins_at_once() -> None:
    at_once = Detector(AlertKind.DISK, lambda *_: (), "")
    assert play([(0, 0.0), (5, 1.0)], at_once) == [(5, True)]


def test_it_ends_when_it_has_been_well_for_long_enough() -> None:
    assert play([(0, 2.0), (10, 2.0), (20, 0.4), (79, 0.4), (80, 0.4)]) == [(10, True), (80, False)]


def test_one_that_hovers_at_its_threshold_is_told_once() -> None:
    levels = [(float(at), 1.0 if at % 10 else 0.6) for at in range(0, 3_600, 5)]
    steady = Detector(AlertKind.DISK, lambda *_: (), "")
    assert play(levels, steady) == [(5.0, True)]


def test_it_is_not_over_for_a_pause() -> None:
    told = play([(0, 2.0), (10, 2.0), (20, 0.0), (75, 0.5), (85, 0.0), (140, 0.0), (145, 0.0)])
    assert told == [(10, True), (145, False)]


def test_it_can_begin_again() -> None:
    told = play([(0, 1.0), (10, 1.0), (20, 0.0), (80, 0.0), (90, 1.0), (95, 1.0), (100, 1.0)])
    assert told == [(10, True), (80, False), (100, True)]


def test_the_words_are_those_of_the_present_and_of_the_beginning() -> None:
    state = Hysteresis()
    for at, level in ((0, 1.0), (10, 3.0), (20, 5.0), (30, 0.0)):
        state.step(DETECTOR, Judgement(level, f"level {level}"), at)
    assert (state.begun, state.words, state.remedy) == ("level 3.0", "level 5.0", "Make room")


def test_one_that_is_not_judged_any_more_is_well() -> None:
    state = Hysteresis()
    state.step(DETECTOR, Judgement(1.0, "bad"), 0.0)
    assert state.step(DETECTOR, Judgement(1.0, "bad"), 10.0)
    assert state.step(DETECTOR, None, 20.0) is None
    assert state.step(DETECTOR, None, 80.0) is False
    assert state.is_idle


@pytest.mark.parametrize("kind", AlertKind, ids=str)
def test_a_kind_is_a_word_that_metrics_can_have(kind: AlertKind) -> None:
    assert kind.value == kind.name.lower()
