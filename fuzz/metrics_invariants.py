"""What must hold of the metrics after any traffic: Prometheus' own parser reads them, and no request makes a label.

1. Every request is counted once.
2. The exposition is parsed by prometheus_client's parser, which raises at anything out of shape.
3. Each label value comes from the set that its figure declares.
"""

from collections.abc import Callable
from typing import Final

from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from dohproxy.exits import Miss
from dohproxy.observability.exposition import Exposition
from dohproxy.observability.figures import FigureRegistry
from dohproxy.observability.request_figures import REQUEST_FIGURES
from dohproxy.observability.tallies import LATENCY_BOUNDS, Tallies
from dohproxy.outcomes import Frontend, Outcome
from dohproxy.wire.answer import Answer, parse_answer
from dohproxy.wire.query import Query
from fuzz.request_invariants import request_of
from tests.fakes.walk import Walk
from tests.wire import messages as m

MOST_REQUESTS: Final = 16
BETWEEN: Final = b"\n\x00\n"
"""Stands between two requests in the bytes of a run."""
CLOSED: Final = {
    **{label.name: label.values for figure in REQUEST_FIGURES.figures for label in figure.labels},
    "le": (*map(str, LATENCY_BOUNDS), "+Inf"),
}


def _answer(query: Query) -> Answer:
    """Say that there is no such data, whatever type is asked for."""
    return parse_answer(m.answer(authority=(m.soa(),), asked=query.question), query)


class _Counted(Walk):
    """A walk whose books are the metrics."""

    def __post_init__(self) -> None:
        self.script = _answer
        self.tallies = Tallies()
        super().__post_init__()

    def tally(self, outcome: Outcome) -> Callable[[float], None]:
        return self.tallies.tally(outcome)


def check_metrics(data: bytes) -> None:
    """Send the requests that these bytes stand for through a walk, and read the metrics again."""
    walk = _Counted()
    requests = [request_of(part) for part in data.split(BETWEEN)[:MOST_REQUESTS]]
    for number, request in enumerate(requests):
        frontend = (Frontend.HTTP1, Frontend.HTTP2)[number % 2]
        found = walk.repeat(walk.service.read(request, frontend))
        if isinstance(found, Miss):
            walk.resolve(found)
    registry = FigureRegistry()
    registry.add(REQUEST_FIGURES, walk.tallies.all)
    counted = 0.0
    for family in text_string_to_metric_families(generate_latest(Exposition(registry)).decode()):
        for sample in family.samples:
            for label, value in sample.labels.items():
                assert value in CLOSED[label], f"{sample.name}: {label}={value!r}"
            if sample.name == "dohproxy_requests_total":
                counted += sample.value
    assert counted == len(requests)
