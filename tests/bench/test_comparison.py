"""What the comparison with other servers claims of its turns."""

import pytest

from bench.peers.comparison import Cell, Quartiles, Sample, best_of_others, costs, quartiles, ratios


def cell(*microseconds: float) -> Cell:
    """Return what turns of these costs make."""
    return Cell(tuple(Sample(one, 1_000.0) for one in microseconds))


@pytest.mark.parametrize(
    ("figures", "expected"),
    [
        ([7.0], Quartiles(7.0, 7.0, 7.0)),
        ([1.0, 2.0], Quartiles(1.25, 1.5, 1.75)),
        ([5.0, 1.0, 4.0, 2.0, 3.0], Quartiles(2.0, 3.0, 4.0)),
        ([1.0, 1.0, 1.0, 100.0], Quartiles(1.0, 1.0, 25.75)),
    ],
    ids=["one", "two", "five in any order", "one that stands out"],
)
def test_quartiles_lie_within_the_figures(figures: list[float], expected: Quartiles) -> None:
    assert quartiles(figures) == expected


@pytest.mark.parametrize(
    ("lower", "upper", "word"),
    [
        (0.5, 0.99, "ahead"),
        (0.5, 1.0, "level"),
        (0.99, 1.01, "level"),
        (1.0, 1.5, "level"),
        (1.01, 1.5, "behind"),
        (1.0, 1.0, "level"),
    ],
    ids=[
        "all below one",
        "up to one",
        "on both sides",
        "from one on",
        "all above one",
        "exactly as dear",
    ],
)
def test_a_word_is_claimed_only_where_both_quartiles_agree(lower: float, upper: float, word: str) -> None:
    assert Quartiles(lower, (lower + upper) / 2, upper).word == word


def test_ratios_are_made_pair_by_pair() -> None:
    # The machine is ten times slower from the third pair on; the ratio does not see it, that of the medians would.
    ours, theirs = cell(10.0, 12.0, 100.0, 110.0, 120.0), cell(20.0, 24.0, 200.0, 220.0, 240.0)
    assert ratios({"us": ours, "them": theirs}, "us", "them") == Quartiles(0.5, 0.5, 0.5)


@pytest.mark.parametrize(
    "cells",
    [{"us": cell(1.0)}, {"us": cell(1.0), "them": Cell()}, {"us": Cell(), "them": cell(1.0)}],
    ids=["there is no other", "the other was not measured", "we were not measured"],
)
def test_without_both_there_is_no_ratio(cells: dict[str, Cell]) -> None:
    assert ratios(cells, "us", "them") is None


def test_turns_without_their_pair_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="shorter"):
        ratios({"us": cell(1.0, 2.0), "them": cell(1.0)}, "us", "them")


@pytest.mark.parametrize(
    ("figures", "best"),
    [({"us": 1.0, "one": 3.0, "two": 2.0}, "two"), ({"us": 1.0}, None), ({}, None)],
    ids=["the cheaper of two", "nobody else", "nobody at all"],
)
def test_the_best_of_the_others_is_the_cheapest_of_them(figures: dict[str, float], best: str | None) -> None:
    assert best_of_others(figures, "us") == best


def test_a_server_that_was_not_measured_costs_nothing_and_is_left_out() -> None:
    assert costs({"us": cell(3.0, 1.0, 2.0), "them": Cell()}) == {"us": 2.0}


def test_a_server_is_as_busy_as_its_requests_make_it() -> None:
    assert Sample(microseconds=20.0, per_second=40_000.0).busy == pytest.approx(0.8)
    assert Cell((Sample(20.0, 40_000.0), Sample(10.0, 10_000.0), Sample(30.0, 30_000.0))).busy == pytest.approx(0.8)
