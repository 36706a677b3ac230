"""Figures: what the service lets be read of itself, each declared once, with name, meaning, unit and labels.

A figure is a declaration and holds nothing. Its value is read from its owner's `statistics()` when somebody asks, so it
costs nothing between two looks, and /metrics, `status` and docs/metrics.md cannot tell different things. Nothing here
knows Prometheus: a service that nobody scrapes does not load its library.

Labels come from closed sets alone, or from the configuration: no name that a client asks for, no address and no path
can ever become one (CVE-2026-40011: a query name that broke the exposition).
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import Enum, StrEnum
from itertools import accumulate
from typing import Any, Final, Generic, Protocol, TypeVar

from dohproxy.config.schema import MAX_UPSTREAMS
from dohproxy.value import value

Statistics = TypeVar("Statistics")

FIRST_VERSION: Final = "0.1.0"


class Kind(StrEnum):
    """What a figure does over time, in Prometheus' words."""

    COUNTER = "counter"
    """It only grows, from 0 at the start."""
    GAUGE = "gauge"
    """It rises and falls."""
    HISTOGRAM = "histogram"
    """It counts into buckets."""
    INFO = "info"
    """It is always 1, and its labels say something."""


class Unit(StrEnum):
    """What a figure is measured in: base units alone, as Prometheus wants them."""

    COUNT = "count"
    """Of what, the sentence says."""
    SECONDS = "seconds"
    UNIX_TIME = "seconds since 1970"
    BYTES = "bytes"
    RATIO = "0 to 1"
    SWITCH = "0 or 1"
    PER_SECOND = "per second"
    NONE = "none"
    """It is a name made of digits: all that it can be is equal, or not."""


class Together(StrEnum):
    """What a figure of several processes is that are one service."""

    SUM = "sum"
    """Of what each of them has, or has counted."""
    MOST = "most"
    """What is the same for all of them, or as bad as the greatest."""
    LEAST = "least"
    """As bad as the least: a success, where one of them has none."""


_ADDS_UP: Final = frozenset({Unit.COUNT, Unit.BYTES, Unit.PER_SECOND})


@value
class Label:
    """A label, and which values it may have."""

    name: str
    values: tuple[str, ...] = ()
    """All there can be, where the code closes the set."""
    source: str = ""
    """Else where its values come from and how many there can be, in words that follow "one for each"."""

    def __post_init__(self) -> None:
        """Refuse a label without a bound: ValueError."""
        if bool(self.values) == bool(self.source):
            raise ValueError(f"label {self.name} needs a closed set of values, or words on what bounds them")


def label_of(name: str, values: type[Enum]) -> Label:
    """Return a label whose values are those of an enumeration."""
    return Label(name, tuple(str(member.value) for member in values))


UPSTREAM: Final = Label("upstream", source=f"`[[upstream]]`, by its name; {MAX_UPSTREAMS} at most")


@value
class Distribution:
    """The value of a histogram."""

    buckets: tuple[tuple[str, float], ...]
    """The upper bound of each, and how many were within it or below; the last is "+Inf"."""
    total: float
    """All that was observed, added up."""


def distribution(bounds: Sequence[float], counts: Iterable[int], total: float) -> Distribution:
    """Return the value of a histogram of how many were up to each of the `bounds` and above the one before; the last
    of the `counts` is of those beyond all bounds."""
    upper = (*map(str, bounds), "+Inf")
    return Distribution(tuple(zip(upper, map(float, accumulate(counts)), strict=True)), total)


Value = float | Distribution
Values = Mapping[tuple[str, ...], Value]
"""By the values of the labels, in their order; by () where there is no label."""


@value
class Figure(Generic[Statistics]):
    """One figure of an owner whose state at one moment is a `Statistics`."""

    name: str
    """Without prefix, and without the suffix that a kind brings."""
    help: str
    """A sentence that says what it is."""
    kind: Kind
    unit: Unit
    read: "Read[Statistics]"
    """Returns its value; with labels, values by the label's value, or by a tuple of those of several labels."""
    labels: tuple[Label, ...] = ()
    since: str = FIRST_VERSION
    """The version that had it first."""
    prefix: str = "dohproxy_"
    of_several: Together | None = None
    """What it is of several processes, where kind and unit do not tell."""

    @property
    def together(self) -> Together:
        """What it is of several processes: counters add up, and so do gauges of what there is so much of."""
        if self.of_several is not None:
            return self.of_several
        if self.kind is Kind.GAUGE:
            return Together.SUM if self.unit in _ADDS_UP else Together.MOST
        return Together.MOST if self.kind is Kind.INFO else Together.SUM

    @property
    def full_name(self) -> str:
        """Its name as Prometheus has it in families: with the prefix, without suffix."""
        return self.prefix + self.name

    @property
    def sample_name(self) -> str:
        """Its name in an expression: "_total" ends a counter, "_info" an info."""
        suffix = {Kind.COUNTER: "_total", Kind.INFO: "_info"}.get(self.kind, "")
        return self.full_name + suffix

    def values(self, statistics: Statistics) -> Values:
        """Return what it is now."""
        found = self.read(statistics)
        if not isinstance(found, Mapping):
            return {(): found}
        return {(str(key),) if isinstance(key, str) else key: number for key, number in found.items()}


Read = Callable[[Statistics], float | Mapping[Any, Value]]


def counter(
    name: str, text: str, read: Read[Statistics], *labels: Label, unit: Unit = Unit.COUNT, since: str = FIRST_VERSION
) -> Figure[Statistics]:
    """Declare a figure that only grows."""
    return Figure(name, text, Kind.COUNTER, unit, read, labels, since)


def gauge(
    name: str,
    text: str,
    read: Read[Statistics],
    *labels: Label,
    unit: Unit = Unit.COUNT,
    since: str = FIRST_VERSION,
    together: Together | None = None,
) -> Figure[Statistics]:
    """Declare a figure that rises and falls; `together` is what it is of several processes, where its unit does not
    tell."""
    return Figure(name, text, Kind.GAUGE, unit, read, labels, since, of_several=together)


@value
class FigureGroup(Generic[Statistics]):
    """The figures that are read from one owner, at one moment."""

    title: str
    """What they are about, as a heading."""
    figures: tuple[Figure[Statistics], ...]
    condition: str = ""
    """When they are there, in words that end a sentence; always, where this is empty."""


@value
class Reading:
    """A figure and its values."""

    figure: Figure[Any]
    values: Values


class Readable(Protocol):
    """Whoever has figures."""

    def read(self) -> Iterator[Reading]:
        """Yield all of them."""


class FigureRegistry:
    """All figures of a process, each group with whoever has its values."""

    def __init__(self) -> None:
        self._sources: list[tuple[FigureGroup[Any], Callable[[], Any]]] = []

    def add(self, group: FigureGroup[Statistics], statistics: Callable[[], Statistics | None]) -> None:
        """Include a group; `statistics` is called at each look, and returns None while there are no such figures."""
        self._sources.append((group, statistics))

    @property
    def groups(self) -> tuple[FigureGroup[Any], ...]:
        """All that are included."""
        return tuple(group for group, _ in self._sources)

    def read(self) -> Iterator[Reading]:
        """Yield all figures. Each owner is asked when its first one is due, so that who takes them one by one can let
        others have their turns between any two."""
        for group, statistics in tuple(self._sources):
            found = statistics()
            if found is not None:
                for figure in group.figures:
                    yield Reading(figure, figure.values(found))


def plain(values: Values) -> Any:
    """Return the values of a figure as JSON has them: a number, or an object by the values of the first label, and
    within by those of the next. What is no finite number is None."""
    if () in values:
        return _plain_value(values[()])
    nested: dict[str, Any] = {}
    for labels, found in values.items():
        place = nested
        for label in labels[:-1]:
            place = place.setdefault(label, {})
        place[labels[-1]] = _plain_value(found)
    return nested


def _plain_value(found: Value) -> Any:
    if isinstance(found, Distribution):
        return {"count": found.buckets[-1][1], "sum": found.total, "buckets": dict(found.buckets)}
    return found if math.isfinite(found) else None
