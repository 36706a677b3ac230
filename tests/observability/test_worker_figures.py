"""The supervisor's figures of its workers."""

from dohproxy.observability.figures import FigureRegistry
from dohproxy.observability.worker_figures import WORKER_FIGURES, WorkerStatistics


def test_each_worker_has_a_value_by_its_number() -> None:
    registry = FigureRegistry()
    statistics = WorkerStatistics({"0": True, "1": False}, {"0": 0, "1": 3}, {"0": 7.0, "1": 0.0}, has_store=True)
    registry.add(WORKER_FIGURES, lambda: statistics)
    assert {one.figure.sample_name: dict(one.values) for one in registry.read()} == {
        "dohproxy_worker_up": {("0",): True, ("1",): False},
        "dohproxy_worker_restarts_total": {("0",): 0, ("1",): 3},
        "dohproxy_worker_requests": {("0",): 7.0, ("1",): 0.0},
        "dohproxy_worker_store_up": {(): True},
    }
