"""What is told of requests: it parses, its labels are from closed sets, it is complete."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import generate_latest
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families

from dohproxy.doh.dialects import Dialect
from dohproxy.observability.exposition import Exposition
from dohproxy.observability.request_figures import REQUEST_FIGURES
from dohproxy.observability.tallies import LATENCY_BOUNDS, Tallies
from dohproxy.outcomes import OUTCOMES, Frontend, Outcome, Reason
from dohproxy.wire.malformed import Fault
from tests.fakes.samples import registry_of

ALLOWED = {label.name: set(label.values) for figure in REQUEST_FIGURES.figures for label in figure.labels} | {
    "le": {*map(str, LATENCY_BOUNDS), "+Inf"}
}


def _outcome(reason: Reason = Reason.CACHED, **more: object) -> Outcome:
    return Outcome(reason, Frontend.HTTP1, "GET", Dialect.RFC_GET, **more)  # type: ignore[arg-type]


def _count(tallies: Tallies, outcome: Outcome, seconds: float = 0.001) -> None:
    tallies.tally(outcome)(seconds)


def _parse(tallies: Tallies) -> dict[str, Metric]:
    text = generate_latest(Exposition(registry_of(REQUEST_FIGURES, tallies.all()))).decode()
    return {family.name: family for family in text_string_to_metric_families(text)}


def _value(tallies: Tallies, name: str, **labels: str) -> float:
    samples = [sample for family in _parse(tallies).values() for sample in family.samples if sample.name == name]
    return sum(sample.value for sample in samples if labels.items() <= sample.labels.items())


def test_every_combination_has_labels_from_closed_sets_alone() -> None:
    tallies = Tallies()
    rcodes = [None, *range(0, 4096, 7)]
    faults = [None, *Fault]
    everything = itertools.product(Reason, ("GET", "POST", "other"), Dialect)
    for number, (reason, method, dialect) in enumerate(everything):
        _count(
            tallies,
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
    families = _parse(tallies)
    for sample in itertools.chain.from_iterable(family.samples for family in families.values()):
        for label, value in sample.labels.items():
            assert value in ALLOWED[label], sample
    assert sum(len(family.samples) for family in families.values()) < 1000


@pytest.mark.parametrize("reason", Reason)
def test_each_outcome_is_counted_with_its_status(reason: Reason) -> None:
    tallies = Tallies()
    _count(tallies, _outcome(reason))
    ending = OUTCOMES[reason]
    labels = {"outcome": ending.label, "status": str(ending.status), "method": "GET", "frontend": "http1"}
    assert _value(tallies, "dohproxy_requests_total", **labels) == 1
    assert _value(tallies, "dohproxy_requests_total") == 1


def test_rcodes_without_a_name_are_added_up() -> None:
    tallies = Tallies()
    for rcode in (12, 13, 13, 4000):
        _count(tallies, _outcome(answered_rcode=rcode))
    assert _value(tallies, "dohproxy_replies_total", rcode="other") == 4


def test_shadows_are_counted_apart() -> None:
    tallies = Tallies()
    _count(tallies, _outcome(shadow=True))
    _count(tallies, _outcome())
    assert _value(tallies, "dohproxy_dialect_requests_total", dialect="rfc-get") == 2
    assert _value(tallies, "dohproxy_dialect_shadow_requests_total", dialect="rfc-get") == 1


@given(st.lists(st.tuples(st.sampled_from(Reason), st.floats(0, 100)), max_size=60))
def test_the_histogram_is_monotone_and_complete(observed: list[tuple[Reason, float]]) -> None:
    tallies = Tallies()
    for reason, seconds in observed:
        _count(tallies, _outcome(reason), seconds)
    family = _parse(tallies)["dohproxy_request_seconds"]
    for how in {sample.labels["answered"] for sample in family.samples}:
        samples = [sample for sample in family.samples if sample.labels["answered"] == how]
        buckets = [sample.value for sample in samples if sample.name.endswith("_bucket")]
        assert buckets == sorted(buckets)
        assert len(buckets) == len(LATENCY_BOUNDS) + 1
        assert [sample.value for sample in samples if sample.name.endswith("_count")] == [buckets[-1]]
    assert _value(tallies, "dohproxy_request_seconds_count") == len(observed)
    assert _value(tallies, "dohproxy_request_seconds_sum") == pytest.approx(sum(seconds for _, seconds in observed))


@pytest.mark.parametrize(
    ("seconds", "bucket"), [(0.0, "0.0001"), (0.0001, "0.0001"), (0.00011, "0.0005"), (5.0, "5.0"), (5.1, "+Inf")]
)
def test_a_bucket_holds_its_own_bound(seconds: float, bucket: str) -> None:
    tallies = Tallies()
    _count(tallies, _outcome(), seconds)
    bounds = [*map(str, LATENCY_BOUNDS), "+Inf"]
    filled = [bound for bound in bounds if _value(tallies, "dohproxy_request_seconds_bucket", le=bound)]
    assert filled == bounds[bounds.index(bucket) :]


def test_a_scrape_before_the_first_request_parses() -> None:
    assert "dohproxy_requests" in _parse(Tallies())
