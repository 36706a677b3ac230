"""The figures of the workers themselves, which the supervisor has."""

from collections.abc import Mapping
from typing import Final

from dohproxy.config.schema.server import MAX_WORKERS
from dohproxy.observability.figures import FigureGroup, Label, Unit, counter, gauge
from dohproxy.value import value

_WORKER: Final = Label("worker", source=f"worker, by its number from 0 on; {MAX_WORKERS} at most")


@value
class WorkerStatistics:
    """The workers at one instant, by their numbers."""

    up: Mapping[str, bool]
    restarts: Mapping[str, int]
    requests: Mapping[str, float]
    """Of those that live, since their own starts."""
    has_store: bool


WORKER_FIGURES: Final = FigureGroup[WorkerStatistics](
    "Workers",
    (
        gauge("worker_up", "1 while a worker serves.", lambda one: one.up, _WORKER, unit=Unit.SWITCH),
        counter("worker_restarts", "Starts in the place of a worker that has died.", lambda one: one.restarts, _WORKER),
        gauge(
            "worker_requests",
            "Requests that a worker has answered or refused since its own start: how even the spread is.",
            lambda one: one.requests,
            _WORKER,
        ),
        gauge(
            "worker_store_up",
            "1 while the store runs that the service has started for its workers.",
            lambda one: one.has_store,
            unit=Unit.SWITCH,
        ),
    ),
    "with `server.workers` above 1",
)
