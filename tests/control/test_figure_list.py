"""All figures in one list: what holds for each of them, and the page that is written from it."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import generate_latest

from dohproxy.control.figure_list import GROUPS, figures, page
from dohproxy.observability.exposition import family_of
from dohproxy.observability.figures import Distribution, Figure, Kind, Reading, Unit, Values
from tests.conftest import FindProgram

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"
EVERY = [pytest.param(figure, id=figure.full_name) for figure in figures()]

SUFFIXES = {
    Unit.SECONDS: "_seconds",
    Unit.UNIX_TIME: "_seconds",
    Unit.BYTES: "_bytes",
    Unit.RATIO: "_ratio",
    Unit.PER_SECOND: "_per_second",
}
"""How Prometheus wants a name to end, where there is a unit."""
OTHER_ENDINGS = {
    "connection_table_fill",
    "domain_table_fill",
    "limit_table_fill",
    "new_connections_fill",
    "new_stranger_connections_fill",
    "seniority_table_fill",
    "service_limit_fill",
    "upstream_budget_share",
}
"""Named otherwise before there was a rule: rules and dashboards have these names, so they stay. No more of them."""


def test_the_page_is_the_one_written_from_the_figures() -> None:
    # After a change of a figure:
    # python -c 'import dohproxy.control.figure_list as f; print(f.page(), end="")' > docs/metrics.md
    assert PAGE.read_text(encoding="utf-8") == page()


def test_no_two_figures_have_a_name_in_common() -> None:
    names = [figure.sample_name for figure in figures()]
    assert len(names) == len(set(names)) > 100
    assert len({group.title for group in GROUPS}) == len(GROUPS)


@pytest.mark.parametrize("figure", EVERY)
def test_a_figure_says_in_a_sentence_what_it_is(figure: Figure[Any]) -> None:
    assert re.fullmatch(r"[A-Z01].{10,120}\.", figure.help)
    assert "|" not in figure.help
    assert re.fullmatch(r"\d+\.\d+\.\d+", figure.since)


@pytest.mark.parametrize("figure", EVERY)
def test_a_name_says_its_unit(figure: Figure[Any]) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9_]*", figure.full_name)
    if figure.name not in OTHER_ENDINGS:
        assert figure.name.endswith(SUFFIXES.get(figure.unit, ""))
    units = tuple(SUFFIXES.values())
    assert figure.unit in SUFFIXES or not figure.name.endswith(units)
    assert not figure.name.endswith(("_total", "_info", "_count", "_sum", "_bucket"))  # A kind brings these.


@pytest.mark.parametrize("figure", EVERY)
def test_a_label_is_none_that_prometheus_has_for_itself_and_its_values_are_plain(figure: Figure[Any]) -> None:
    names = [label.name for label in figure.labels]
    assert len(names) == len(set(names)) <= 4
    assert {"le", "quantile", "job", "instance"}.isdisjoint(names)
    for label in figure.labels:
        assert re.fullmatch(r"[a-z][a-z0-9_]*", label.name)
        assert all(re.fullmatch(r"[A-Za-z0-9_.+-]{1,40}", value) for value in label.values)


def test_nothing_but_the_configuration_and_the_release_widens_a_label() -> None:
    sources = {label.source.split("`")[1] if "`" in label.source else label.source for label in _open_labels()}
    assert sources == {
        *("[[upstream]]", "[[route]]", "[[blocklist]]", "signal"),
        *("version that runs; one for a process", "worker, by its number from 0 on; 8 at most"),
    }


def _open_labels() -> set[Any]:
    return {label for figure in figures() for label in figure.labels if not label.values}


class _Everything:
    """A collector of every figure there is, each with the first value of each of its labels."""

    def collect(self) -> list[Any]:
        return [family_of(Reading(figure, _some_value(figure))) for figure in figures()]


def _some_value(figure: Figure[Any]) -> Values:
    value = Distribution((("0.1", 1.0), ("+Inf", 2.0)), 3.0) if figure.kind is Kind.HISTOGRAM else 1.0
    return {tuple((label.values or ("ns0",))[0] for label in figure.labels): value}


def test_promtool_finds_nothing_wrong(find_program: FindProgram) -> None:
    promtool = find_program("promtool", "prometheus")
    written = generate_latest(_Everything())
    run = subprocess.run([promtool, "check", "metrics"], input=written, capture_output=True, check=False)
    assert (run.returncode, run.stdout, run.stderr) == (0, b"", b"")
