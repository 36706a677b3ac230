"""Figures as a scraper sees them."""

from collections.abc import Iterable
from typing import Any, TypeVar

from dohproxy.observability.figures import FigureGroup, FigureRegistry, Reading

Statistics = TypeVar("Statistics")
Samples = dict[tuple[str, tuple[str, ...]], Any]


def samples_of(group: FigureGroup[Statistics], statistics: Statistics) -> Samples:
    """Return each value of a group by its name and the values of its labels."""
    return samples_in(Reading(figure, figure.values(statistics)) for figure in group.figures)


def samples_in(readings: Iterable[Reading]) -> Samples:
    """Return each value by its name and the values of its labels."""
    return {
        (reading.figure.sample_name, labels): value for reading in readings for labels, value in reading.values.items()
    }


def registry_of(group: FigureGroup[Statistics], statistics: Statistics) -> FigureRegistry:
    """Return a registry with these figures alone."""
    registry = FigureRegistry()
    registry.add(group, lambda: statistics)
    return registry
