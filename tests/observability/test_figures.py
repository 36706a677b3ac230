"""What a figure is: its names, its values, labels that are bounded, and how JSON has it."""

import math
from enum import StrEnum
from functools import partial

import pytest

from dohproxy.observability.figures import (
    Distribution,
    Figure,
    FigureGroup,
    FigureRegistry,
    Kind,
    Label,
    Unit,
    counter,
    gauge,
    label_of,
    plain,
)


class Colour(StrEnum):
    """A closed set."""

    RED = "red"
    BLUE = "blue"


COLOUR = label_of("colour", Colour)
WHO = Label("who", source="`[[upstream]]`, by its name")


def test_a_name_is_what_an_expression_has_for_it() -> None:
    assert counter("hits", "Hits.", lambda _: 0).sample_name == "dohproxy_hits_total"
    assert gauge("hits", "Hits.", lambda _: 0).sample_name == "dohproxy_hits"
    info: Figure[None] = Figure("build", "Build.", Kind.INFO, Unit.SWITCH, lambda _: 1, prefix="")
    assert (info.full_name, info.sample_name) == ("build", "build_info")


def test_a_label_has_a_closed_set_of_values_or_words_on_what_bounds_them() -> None:
    assert COLOUR.values == ("red", "blue")
    for wrong in ({}, {"values": ("a",), "source": "b"}):
        with pytest.raises(ValueError, match="label who needs"):
            Label("who", **wrong)  # type: ignore[arg-type]


def test_values_are_told_by_their_labels_in_their_order() -> None:
    assert gauge("a", "A.", lambda owner: owner).values(3) == {(): 3}
    one: Figure[int] = gauge("a", "A.", lambda owner: {Colour.RED: owner}, COLOUR)
    assert one.values(3) == {("red",): 3}
    two: Figure[int] = gauge("a", "A.", lambda owner: {("x", "red"): owner}, WHO, COLOUR)
    assert two.values(3) == {("x", "red"): 3}


def test_an_owner_is_asked_once_for_all_its_figures_and_not_before_they_are_due() -> None:
    asked: list[str] = []

    def ask(name: str) -> str:
        asked.append(name)
        return name

    registry = FigureRegistry()
    for name in ("first", "other"):
        figures: list[Figure[str]] = [gauge(f"{name}_{number}", "A.", len) for number in range(3)]
        registry.add(FigureGroup(name, tuple(figures)), partial(ask, name))
    readings = registry.read()
    assert [next(readings).values for _ in range(3)] == [{(): 5}] * 3
    assert asked == ["first"]
    assert len(list(readings)) == 3
    assert asked == ["first", "other"]


def test_a_group_whose_owner_is_not_there_has_no_figures() -> None:
    registry = FigureRegistry()
    registry.add(FigureGroup[int]("Gone", (gauge("a", "A.", lambda owner: owner),)), lambda: None)
    assert list(registry.read()) == []
    assert [group.title for group in registry.groups] == ["Gone"]


def test_json_has_numbers_and_objects_by_labels() -> None:
    times = Distribution((("0.5", 1.0), ("+Inf", 3.0)), 7.5)
    figures: tuple[Figure[float], ...] = (
        counter("hits", "Hits.", lambda owner: owner),
        gauge("rate", "Rate.", lambda _: math.inf),
        gauge("sends", "Sends.", lambda _: {("x", "red"): 1, ("x", "blue"): 2, ("y", "red"): 3}, WHO, COLOUR),
        gauge("none", "None.", lambda _: {}, WHO),
        Figure("times", "Times.", Kind.HISTOGRAM, Unit.SECONDS, lambda _: {"x": times}, (WHO,)),
    )
    registry = FigureRegistry()
    registry.add(FigureGroup("Figures", figures), lambda: 7.0)
    assert {reading.figure.sample_name: plain(reading.values) for reading in registry.read()} == {
        "dohproxy_hits_total": 7.0,
        "dohproxy_rate": None,
        "dohproxy_sends": {"x": {"red": 1, "blue": 2}, "y": {"red": 3}},
        "dohproxy_none": {},
        "dohproxy_times": {"x": {"count": 3.0, "sum": 7.5, "buckets": {"0.5": 1.0, "+Inf": 3.0}}},
    }
