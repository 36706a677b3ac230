"""The exposition: it parses, its labels are from closed sets, its counters never fall."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import generate_latest
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families

from dohproxy.doh.dialects import Dialect
from dohproxy.observability.metrics import (
    LATENCY_BOUNDS,
    Metrics,
    counter,
    gauge,
    labelled_counter,
    labelled_gauge,
)
from dohproxy.outcomes import OUTCOMES, Frontend, Outcome, Reason
from dohproxy.wire.malformed import Fault
from dohproxy.wire.numbers import Rcode

ALLOWED = {
    "frontend": {frontend.value for frontend in Frontend},
    "method": {"GET", "POST", "other"},
    "outcome": {ending.label for ending in OUTCOMES.values()},
    "status": {str(ending.status) for ending in OUTCOMES.values()},
    "dialect": {dialect.value for dialect in Dialect},
    "fault": {str(fault) for fault in Fault},
    "rcode": {rcode.name for rcode in Rcode} | {"other"},
    "answered": {"cached", "upstream", "stale", "other"},
    "le": {*map(str, LATENCY_BOUNDS), "+Inf"},
}


def _outcome(reason: Reason = Reason.CACHED, **more: object) -> Outcome:
    return Outcome(reason, Frontend.HTTP1, "GET", Dialect.RFC_GET, **more)  # type: ignore[arg-type]


def _count(metrics: Metrics, outcome: Outcome, seconds: float = 0.001) -> None:
    metrics.tally(outcome)(seconds)


def _parse(metrics: Metrics) -> dict[str, Metric]:
    text = generate_latest(metrics.registry()).decode()
    return {family.name: family for family in text_string_to_metric_families(text)}


def _value(metrics: Metrics, name: str, **labels: str) -> float:
    samples = [sample for family in _parse(metrics).values() for sample in family.samples if sample.name == name]
    return sum(sample.value for sample in samples if labels.items() <= sample.labels.items())


def test_every_combination_has_labels_from_closed_sets_alone() -> None:
    metrics = Metrics()
    rcodes = [None, *range(0, 4096, 7)]
    faults = [None, *Fault]
    everything = itertools.product(Reason, ("GET", "POST", "other"), Dialect)
    for number, (reason, method, dialect) in enumerate(everything):
        _count(
            metrics,
            Outcome(
                reason,
                Frontend.HTTP1,
                method,
                dialect,
                fault=faults[number % len(faults)],
                answered_rcode=rcodes[number % len(rcodes)],
                shadow=number % 2 == 0,
            ),
            number / 100,
        )
    families = _parse(metrics)
    for sample in itertools.chain.from_iterable(family.samples for family in families.values()):
        for label, value in sample.labels.items():
            assert value in ALLOWED[label], sample
    assert sum(len(family.samples) for family in families.values()) < 1000


@pytest.mark.parametrize("reason", Reason)
def test_each_outcome_is_counted_with_its_status(reason: Reason) -> None:
    metrics = Metrics()
    _count(metrics, _outcome(reason))
    ending = OUTCOMES[reason]
    labels = {"outcome": ending.label, "status": str(ending.status), "method": "GET", "frontend": "http1"}
    assert _value(metrics, "dohproxy_requests_total", **labels) == 1
    assert _value(metrics, "dohproxy_requests_total") == 1


def test_rcodes_without_a_name_are_added_up() -> None:
    metrics = Metrics()
    for rcode in (12, 13, 13, 4000):
        _count(metrics, _outcome(answered_rcode=rcode))
    assert _value(metrics, "dohproxy_replies_total", rcode="other") == 4


def test_shadows_are_counted_apart() -> None:
    metrics = Metrics()
    _count(metrics, _outcome(shadow=True))
    _count(metrics, _outcome())
    assert _value(metrics, "dohproxy_dialect_requests_total", dialect="rfc-get") == 2
    assert _value(metrics, "dohproxy_dialect_shadow_requests_total", dialect="rfc-get") == 1


@given(st.lists(st.tuples(st.sampled_from(Reason), st.floats(0, 100)), max_size=60))
def test_the_histogram_is_monotone_and_complete(observed: list[tuple[Reason, float]]) -> None:
    metrics = Metrics()
    for reason, seconds in observed:
        _count(metrics, _outcome(reason), seconds)
    family = _parse(metrics)["dohproxy_request_seconds"]
    for how in {sample.labels["answered"] for sample in family.samples}:
        samples = [sample for sample in family.samples if sample.labels["answered"] == how]
        buckets = [sample.value for sample in samples if sample.name.endswith("_bucket")]
        assert buckets == sorted(buckets)
        assert len(buckets) == len(LATENCY_BOUNDS) + 1
        assert [sample.value for sample in samples if sample.name.endswith("_count")] == [buckets[-1]]
    assert _value(metrics, "dohproxy_request_seconds_count") == len(observed)
    assert _value(metrics, "dohproxy_request_seconds_sum") == pytest.approx(sum(seconds for _, seconds in observed))


@pytest.mark.parametrize(
    ("seconds", "bucket"), [(0.0, "0.0001"), (0.0001, "0.0001"), (0.00011, "0.0005"), (5.0, "5.0"), (5.1, "+Inf")]
)
def test_a_bucket_holds_its_own_bound(seconds: float, bucket: str) -> None:
    metrics = Metrics()
    _count(metrics, _outcome(), seconds)
    bounds = [*map(str, LATENCY_BOUNDS), "+Inf"]
    filled = [bound for bound in bounds if _value(metrics, "dohproxy_request_seconds_bucket", le=bound)]
    assert filled == bounds[bounds.index(bucket) :]


@pytest.mark.parametrize("value", ['a"b', "a\nb", "a\\b", "é\u202e", "", "{}=,"])
def test_any_label_value_survives_the_exposition(value: str) -> None:
    # CVE-2026-40011: a name that broke the exposition. None of ours can hold such a value; this is the second line.
    metrics = Metrics()
    metrics.add_source(lambda: [labelled_gauge("a", "text", "label", [(value, 1.0)])])
    metrics.add_source(lambda: [labelled_counter("b", value, ("one", "two"), [((value, value), 2.0)])])
    families = _parse(metrics)
    assert families["a"].samples[0].labels == {"label": value}
    assert families["b"].samples[0].labels == {"one": value, "two": value}


def test_sources_are_asked_at_each_scrape() -> None:
    metrics = Metrics()
    values = iter([1.0, 2.0])
    metrics.add_source(lambda: [gauge("now", "text", next(values)), counter("ever", "text", 7)])
    assert [_value(metrics, "now"), _value(metrics, "now")] == [1.0, 2.0]


def test_a_scrape_before_the_first_request_parses() -> None:
    assert "dohproxy_requests" in _parse(Metrics())


def test_equal_outcomes_are_counted_by_the_same_tally() -> None:
    metrics = Metrics()
    assert metrics.tally(_outcome()) is metrics.tally(_outcome())


def test_no_upstream_can_make_more_tallies_than_there_are_names() -> None:
    metrics = Metrics()
    tallies = {id(metrics.tally(_outcome(answered_rcode=rcode))) for rcode in range(4096)}
    assert len(tallies) == len(Rcode) + 1
