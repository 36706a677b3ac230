"""The figures of several workers as those of one service."""

import json
import math
from typing import Any

import pytest

from dohproxy.control.figure_list import worker_figures
from dohproxy.control.worker_desk import plain_reading
from dohproxy.observability.figures import (
    UPSTREAM,
    Figure,
    Label,
    Reading,
    Together,
    Unit,
    Values,
    counter,
    distribution,
    gauge,
)
from dohproxy.supervision.merged_figures import Look, MergedFigures, merged, read_look

COUNTER: Figure[Any] = counter("asked", "Asked.", lambda _: 0, UPSTREAM)
GAUGE: Figure[Any] = gauge("open", "Open.", lambda _: 0)
LOOK: Look = {"dohproxy_asked_total": {("ns0",): 3.0}, "dohproxy_open": {(): 2.0}}


def _read(figures: MergedFigures) -> dict[str, Values]:
    return {one.figure.sample_name: one.values for one in figures.read()}


def test_counters_and_gauges_of_how_much_there_is_add_up() -> None:
    figures = MergedFigures([COUNTER, GAUGE])
    figures.note(0, LOOK)
    other: Look = {"dohproxy_asked_total": {("ns0",): 4.0, ("ns1",): 1.0}, "dohproxy_open": {(): 5.0}}
    figures.note(1, other)
    assert _read(figures) == {
        "dohproxy_asked_total": {("ns0",): 7.0, ("ns1",): 1.0},
        "dohproxy_open": {(): 7.0},
    }
    assert figures.of(1, "dohproxy_asked_total") == 5.0


def test_no_counter_falls_when_a_worker_dies_and_the_next_one_begins_at_nothing() -> None:
    figures = MergedFigures([COUNTER, GAUGE])
    figures.note(0, LOOK)
    figures.note(1, LOOK)
    figures.died(1)
    assert _read(figures) == {"dohproxy_asked_total": {("ns0",): 6.0}, "dohproxy_open": {(): 2.0}}
    begun: Look = {"dohproxy_asked_total": {("ns0",): 1.0}, "dohproxy_open": {(): 0.0}}
    figures.note(1, begun)
    assert _read(figures)["dohproxy_asked_total"] == {("ns0",): 7.0}
    figures.died(1)
    figures.died(0)
    assert _read(figures) == {"dohproxy_asked_total": {("ns0",): 7.0}}
    assert figures.of(0, "dohproxy_asked_total") == 0.0


def test_a_look_takes_the_place_of_the_one_before() -> None:
    figures = MergedFigures([COUNTER])
    figures.note(0, LOOK)
    figures.note(0, LOOK)
    assert _read(figures) == {"dohproxy_asked_total": {("ns0",): 3.0}}


@pytest.mark.parametrize(
    ("together", "value"), [(Together.SUM, 5.0), (Together.MOST, 4.0), (Together.LEAST, 1.0)], ids=str
)
def test_a_gauge_is_put_together_as_it_is_declared(together: Together, value: float) -> None:
    assert merged([{(): 1.0}, {(): 4.0}], together) == {(): value}


@pytest.mark.parametrize(
    ("figure", "together"),
    [
        (COUNTER, Together.SUM),
        (GAUGE, Together.SUM),
        (gauge("switch", "On.", lambda _: 0, unit=Unit.SWITCH), Together.MOST),
        (gauge("moment", "When.", lambda _: 0, unit=Unit.UNIX_TIME), Together.MOST),
        (gauge("ok", "Well.", lambda _: 0, unit=Unit.SWITCH, together=Together.LEAST), Together.LEAST),
        (gauge("all", "Same.", lambda _: 0, together=Together.MOST), Together.MOST),
    ],
    ids=lambda one: one.name if isinstance(one, Figure) else str(one),
)
def test_kind_and_unit_say_how_a_figure_is_put_together_unless_it_says_so_itself(
    figure: Figure[Any], together: Together
) -> None:
    assert figure.together is together


def test_histograms_add_up_bucket_by_bucket() -> None:
    one, other = distribution((0.1, 1.0), (1, 2, 3), 9.0), distribution((0.1, 1.0), (10, 20, 30), 90.0)
    assert merged([{(): one}, {(): other}], Together.SUM) == {(): distribution((0.1, 1.0), (11, 22, 33), 99.0)}


def test_what_a_worker_sends_is_read_as_it_was() -> None:
    values: Values = {("ns0",): 1.0, ("ns1",): math.inf}
    histogram: Values = {(): distribution((0.1,), (1, 2), 3.0)}
    readings = [Reading(COUNTER, values), Reading(gauge("seconds", "S.", lambda _: 0), histogram)]
    sent = json.loads(json.dumps([plain_reading(one) for one in readings]))
    assert read_look(sent) == {"dohproxy_asked_total": values, "dohproxy_seconds": histogram}


@pytest.mark.parametrize("sent", [None, {}, [["name"]], [["name", [[["label"], "words"]]]]])
def test_what_is_no_look_is_refused(sent: object) -> None:
    with pytest.raises((TypeError, ValueError, KeyError)):
        read_look(sent)


def test_a_label_of_the_workers_own_figures_is_none_of_theirs() -> None:
    labels = {label for figure in worker_figures() for label in figure.labels}
    assert not any(label.name == "worker" for label in labels)
    assert Label("upstream", source=UPSTREAM.source) in labels
