"""Figures in Prometheus' form: each kind, read again by its own parser, whatever a label should ever hold."""

import pytest
from prometheus_client import generate_latest
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families

from dohproxy.observability.exposition import Exposition
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
)

ONE = Label("one", source="test")
TWO = Label("two", source="test")
TIMES = Distribution((("0.5", 1.0), ("+Inf", 3.0)), 7.5)


def parse(*figures: Figure[float]) -> dict[str, Metric]:
    """What a scraper reads of these figures, whose owner says 7."""
    registry = FigureRegistry()
    registry.add(FigureGroup("Figures", figures), lambda: 7.0)
    text = generate_latest(Exposition(registry)).decode()
    return {family.name: family for family in text_string_to_metric_families(text)}


def test_each_kind_has_the_form_that_prometheus_has_for_it() -> None:
    families = parse(
        counter("a", "A counter.", lambda owner: owner),
        gauge("b", "A gauge.", lambda owner: {"x": owner, "y": 0}, ONE),
        Figure("c", "A histogram.", Kind.HISTOGRAM, Unit.SECONDS, lambda _: {"x": TIMES}, (ONE,)),
        Figure("d", "An info.", Kind.INFO, Unit.SWITCH, lambda _: {("1.0", "x"): 1}, (ONE, TWO)),
    )
    found = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in families.values()
        for sample in family.samples
    }
    assert found == {
        ("dohproxy_a_total",): 7,
        ("dohproxy_b", ("one", "x")): 7,
        ("dohproxy_b", ("one", "y")): 0,
        ("dohproxy_c_bucket", ("le", "0.5"), ("one", "x")): 1,
        ("dohproxy_c_bucket", ("le", "+Inf"), ("one", "x")): 3,
        ("dohproxy_c_count", ("one", "x")): 3,
        ("dohproxy_c_sum", ("one", "x")): 7.5,
        ("dohproxy_d_info", ("one", "1.0"), ("two", "x")): 1,
    }
    assert (families["dohproxy_a"].type, families["dohproxy_b"].type) == ("counter", "gauge")
    assert (families["dohproxy_c"].type, families["dohproxy_b"].documentation) == ("histogram", "A gauge.")


@pytest.mark.parametrize("value", ['a"b', "a\nb", "a\\b", "é\u202e", "", "{}=,"])
def test_any_label_value_survives(value: str) -> None:
    # CVE-2026-40011: a name that broke the exposition. None of ours can hold such a value; this is the second line.
    families = parse(
        gauge("a", value or "text", lambda _: {value: 1.0}, ONE),
        counter("b", "text", lambda _: {(value, value): 2.0}, ONE, TWO),
    )
    assert families["dohproxy_a"].samples[0].labels == {"one": value}
    assert families["dohproxy_b"].samples[0].labels == {"one": value, "two": value}


def test_values_are_read_at_each_scrape_and_not_before() -> None:
    values = iter([1.0, 2.0])
    registry = FigureRegistry()
    registry.add(FigureGroup("Figures", (gauge("now", "Now.", lambda owner: owner),)), lambda: next(values))
    exposition = Exposition(registry)
    assert [family.samples[0].value for _ in range(2) for family in exposition.collect()] == [1.0, 2.0]
