"""The figures of the listeners for metrics and commands."""

from collections.abc import Sequence
from typing import Final

from dohproxy.descriptors import MANAGEMENT_CONNECTIONS
from dohproxy.observability.figures import FigureGroup, gauge

MANAGEMENT_FIGURES: Final = FigureGroup[Sequence[int]](
    "Scrapers and admins",
    (
        gauge("management_connections", "Connections of scrapers and admins.", sum),
        gauge(
            "max_management_connections",
            "Connections of scrapers and admins that may be open.",
            lambda connections: MANAGEMENT_CONNECTIONS * len(connections),
        ),
    ),
    "with `[metrics]` or `[admin]`",
)
"""Read from how many connections each listener has."""
