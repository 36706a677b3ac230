"""Figures as a scraper sees them."""

from collections.abc import Iterable

from prometheus_client.core import Metric


def samples_of(metrics: Iterable[Metric]) -> dict[tuple[str, tuple[str, ...]], float]:
    """Return each value by its name and the values of its labels."""
    return {
        (sample.name, tuple(sample.labels.values())): sample.value for metric in metrics for sample in metric.samples
    }
