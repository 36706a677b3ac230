"""The figures of the store that several nodes share, as one node sees it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from dohproxy.observability.figures import FigureGroup, Together, Unit, counter, gauge, label_of
from dohproxy.sharing.commands import StoreFailure


@dataclass(frozen=True, slots=True)
class StoreStatistics:
    """What became of the connection and of what was asked."""

    is_up: bool
    is_hasty_resting: bool
    commands: int
    failures: Mapping[StoreFailure, int]
    connections: int
    under_way: int
    max_under_way: int
    under_way_bytes: int
    max_under_way_bytes: int
    round_trip_seconds: float


STORE_FIGURES: Final = FigureGroup[StoreStatistics](
    "The store that nodes share",
    (
        gauge(
            "store_up",
            "1 if the store can be used, 0 if this node is alone.",
            lambda store: float(store.is_up),
            together=Together.LEAST,
        ),
        gauge(
            "store_lookups_resting",
            "1 while no question waits for the store, as its answers have come too late.",
            lambda store: float(store.is_hasty_resting),
        ),
        counter("store_connections", "Connections to the store that have been made.", lambda store: store.connections),
        counter("store_commands", "Commands given to the store.", lambda store: store.commands),
        counter(
            "store_failures",
            "Commands that came to nothing, by why.",
            lambda store: {failure.value: count for failure, count in store.failures.items()},
            label_of("reason", StoreFailure),
        ),
        gauge("store_commands_under_way", "Commands that wait for a reply.", lambda store: store.under_way),
        gauge(
            "max_store_commands_under_way",
            "Commands that may wait for a reply at once.",
            lambda store: store.max_under_way,
        ),
        gauge(
            "store_under_way_bytes",
            "What these commands hold.",
            lambda store: store.under_way_bytes,
            unit=Unit.BYTES,
        ),
        gauge(
            "max_store_under_way_bytes",
            "What they may hold.",
            lambda store: store.max_under_way_bytes,
            unit=Unit.BYTES,
        ),
        gauge(
            "store_round_trip_seconds",
            "From the last command to its reply.",
            lambda store: store.round_trip_seconds,
            unit=Unit.SECONDS,
        ),
    ),
)
