"""The figures of all workers as those of one service: counters add up, and keep what those had counted who have died.

How a gauge is put together is said where it is declared (`Together`). Values come from the last look at each worker;
one that does not answer in time has those of the look before. So no counter ever falls: what a worker has counted
between the last look and its death is lost, which is some seconds at most.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import reduce
from typing import Any, Final

from dohproxy.observability.figures import Distribution, Figure, Kind, Reading, Together, Value, Values

Look = Mapping[str, Values]
"""What one worker has said, by the sample names of figures."""
_GROWING: Final = (Kind.COUNTER, Kind.HISTOGRAM)


class MergedFigures:
    """All that is known of the workers, by their numbers."""

    def __init__(self, declared: Iterable[Figure[Any]]) -> None:
        """`declared`: every figure that a worker can have."""
        self._declared = list(declared)
        self._last: dict[int, Look] = {}
        self._gone: dict[str, Values] = {}

    def note(self, number: int, look: Look) -> None:
        """Take what a worker says now, in place of what it said before."""
        self._last[number] = look

    def died(self, number: int) -> None:
        """Keep what a worker had counted; the next one in its place begins at 0."""
        look = self._last.pop(number, {})
        for figure in self._declared:
            if figure.kind in _GROWING and figure.sample_name in look:
                held = self._gone.get(figure.sample_name, {})
                self._gone[figure.sample_name] = merged([held, look[figure.sample_name]], Together.SUM)

    def of(self, number: int, name: str) -> float:
        """Return the sum of one figure of one worker over all labels, 0.0 if nothing is known."""
        return sum(
            value for value in self._last.get(number, {}).get(name, {}).values() if not isinstance(value, Distribution)
        )

    def read(self) -> Iterator[Reading]:
        """Yield every figure of which any worker has said something."""
        looks = [look for _, look in sorted(self._last.items())]
        for figure in self._declared:
            name = figure.sample_name
            found = [look[name] for look in looks if name in look]
            if name in self._gone:
                found.append(self._gone[name])
            if found:
                yield Reading(figure, merged(found, figure.together))


def merged(found: Sequence[Values], together: Together) -> Values:
    """Return the values of one figure of several processes as those of one, label by label."""
    values: dict[tuple[str, ...], list[Value]] = {}
    for one in found:
        for labels, value in one.items():
            values.setdefault(labels, []).append(value)
    return {labels: _together(each, together) for labels, each in values.items()}


def _together(values: Sequence[Value], together: Together) -> Value:
    distributions = [value for value in values if isinstance(value, Distribution)]
    if distributions:
        return reduce(_sum_of, distributions)
    numbers = [value for value in values if not isinstance(value, Distribution)]
    match together:
        case Together.SUM:
            return sum(numbers)
        case Together.MOST:
            return max(numbers)
        case Together.LEAST:
            return min(numbers)


def _sum_of(one: Distribution, other: Distribution) -> Distribution:
    """Return one histogram of two that have the same buckets."""
    counts = dict(other.buckets)
    buckets = tuple((bound, count + counts.get(bound, 0.0)) for bound, count in one.buckets)
    return Distribution(buckets, one.total + other.total)


def read_look(figures: object) -> Look:
    """Return what a worker has sent (`control/worker_desk.plain_reading`). Raises ValueError, KeyError or TypeError if
    it is nothing of the kind."""
    if not isinstance(figures, list):
        raise TypeError("no list of figures")
    return {name: {tuple(labels): _value(number) for labels, number in values} for name, values in figures}


def _value(number: Any) -> Value:
    if isinstance(number, Mapping):
        buckets = tuple((str(bound), float(count)) for bound, count in number["buckets"])
        return Distribution(buckets, float(number["total"]))
    if isinstance(number, bool | int | float):
        return number
    raise TypeError("no number")
