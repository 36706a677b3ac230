"""Figures as Prometheus reads them."""

from collections.abc import Callable, Iterator
from typing import Final, cast

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from dohproxy.observability.figures import Distribution, Kind, Readable, Reading


class Exposition(Collector):
    """What a scraper collects: all figures, one by one."""

    def __init__(self, figures: Readable) -> None:
        self._figures = figures

    def collect(self) -> Iterator[Metric]:
        """Yield each figure as it is now."""
        return map(family_of, self._figures.read())


def family_of(reading: Reading) -> Metric:
    """Return a figure with its values in the form of Prometheus' library."""
    return _FAMILIES[reading.figure.kind](reading)


def _counter(reading: Reading) -> Metric:
    return _filled(CounterMetricFamily(reading.figure.full_name, reading.figure.help, labels=_names(reading)), reading)


def _gauge(reading: Reading) -> Metric:
    return _filled(GaugeMetricFamily(reading.figure.full_name, reading.figure.help, labels=_names(reading)), reading)


def _filled(family: CounterMetricFamily | GaugeMetricFamily, reading: Reading) -> Metric:
    for labels, number in reading.values.items():
        family.add_metric(labels, cast(float, number))
    return family


def _histogram(reading: Reading) -> Metric:
    family = HistogramMetricFamily(reading.figure.full_name, reading.figure.help, labels=_names(reading))
    for labels, number in reading.values.items():
        distribution = cast(Distribution, number)
        family.add_metric(labels, list(distribution.buckets), distribution.total)
    return family


def _info(reading: Reading) -> Metric:
    family = InfoMetricFamily(reading.figure.full_name, reading.figure.help)
    for labels in reading.values:
        family.add_metric((), dict(zip(_names(reading), labels, strict=True)))
    return family


def _names(reading: Reading) -> tuple[str, ...]:
    return tuple(label.name for label in reading.figure.labels)


_FAMILIES: Final[dict[Kind, Callable[[Reading], Metric]]] = {
    Kind.COUNTER: _counter,
    Kind.GAUGE: _gauge,
    Kind.HISTOGRAM: _histogram,
    Kind.INFO: _info,
}
