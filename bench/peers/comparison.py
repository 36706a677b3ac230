"""What turns say: the middle of figures and where most of them lie, ratios pair by pair, and the word for them.

A ratio is ours over theirs in two turns that followed each other, so that a machine that slows down slows both of them;
below 1 is better. The word is a claim only where three of four pairs agree.
"""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

Word = Literal["ahead", "level", "behind"]


@dataclass(frozen=True, slots=True)
class Quartiles:
    """The quartiles of some figures: half of them lie between the lower and the upper one."""

    lower: float
    median: float
    upper: float

    @property
    def word(self) -> Word:
        """Say of a ratio what it claims."""
        if self.upper < 1:
            return "ahead"
        return "behind" if self.lower > 1 else "level"


def quartiles(figures: Sequence[float]) -> Quartiles:
    """Return the quartiles of at least one figure, each within the figures (method 7 of Hyndman and Fan)."""
    if len(figures) == 1:
        return Quartiles(figures[0], figures[0], figures[0])
    return Quartiles(*statistics.quantiles(figures, n=4, method="inclusive"))


@dataclass(frozen=True, slots=True)
class Sample:
    """One turn."""

    microseconds: float
    """CPU time of the server for one request."""
    per_second: float

    @property
    def busy(self) -> float:
        """Which part of the turn the server has worked; well below 1, and it has waited for its client."""
        return self.microseconds * self.per_second / 1e6


@dataclass(frozen=True, slots=True)
class Cell:
    """All turns of one workload at one server, in their order; none if it cannot do it."""

    samples: tuple[Sample, ...] = ()
    instructions: float | None = None
    """Of one request, in user mode; None if nobody has counted them."""

    @property
    def microseconds(self) -> Quartiles:
        """CPU time for one request."""
        return quartiles([sample.microseconds for sample in self.samples])

    @property
    def busy(self) -> float:
        """The median."""
        return statistics.median(sample.busy for sample in self.samples)


Cells = Mapping[str, Cell]
"""One row: the cell of each server, ours first."""
NOT_MEASURED: Final = "-"


def ratios(cells: Cells, own: str, other: str) -> Quartiles | None:
    """Return our CPU time over another server's, pair by pair; None where one of them was not measured."""
    ours, theirs = (cells.get(name, Cell()).samples for name in (own, other))
    if not ours or not theirs:
        return None
    return quartiles([one.microseconds / two.microseconds for one, two in zip(ours, theirs, strict=True)])


def costs(cells: Cells) -> dict[str, float]:
    """Return the median CPU time of each server that was measured."""
    return {name: cell.microseconds.median for name, cell in cells.items() if cell.samples}


def best_of_others(figures: Mapping[str, float], own: str) -> str | None:
    """Return who has the smallest figure but for us, None if there is nobody."""
    return min((name for name in figures if name != own), key=figures.__getitem__, default=None)
