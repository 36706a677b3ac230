"""The tables, as text for people and as bench/results.md."""

import datetime
import platform
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

FILE: Final = Path(__file__).parents[1] / "results.md"


@dataclass(frozen=True, slots=True)
class Sample:
    """One turn."""

    microseconds: float
    """CPU time of the server for one request."""
    per_second: float


@dataclass(frozen=True, slots=True)
class Cell:
    """All turns of one workload at one server, or why there are none."""

    samples: tuple[Sample, ...] = ()
    why_not: str = "-"

    @property
    def microseconds(self) -> float:
        """The median."""
        return statistics.median(sample.microseconds for sample in self.samples)

    @property
    def per_second(self) -> float:
        """The median."""
        return statistics.median(sample.per_second for sample in self.samples)

    def text(self) -> str:
        """Return the median with its spread, and requests a second."""
        if not self.samples:
            return self.why_not
        spent = [sample.microseconds for sample in self.samples]
        return f"{self.microseconds:.1f} ({min(spent):.1f} to {max(spent):.1f}), {self.per_second:,.0f}/s"


@dataclass(frozen=True, slots=True)
class Holding:
    """One row of the second table: a figure for each server that has one."""

    unit: str
    figures: Mapping[str, float]

    def text(self, name: str) -> str:
        """Return a server's figure, or a hyphen."""
        return f"{self.figures[name]:.3g} {self.unit}" if name in self.figures else "-"


@dataclass(frozen=True, slots=True)
class Page:
    """Everything that is on it."""

    versions: Mapping[str, str]
    """The version of each server, ours first."""
    workloads: Mapping[str, Mapping[str, Cell]]
    holdings: Mapping[str, Holding]
    verdicts: Sequence[Sequence[str]]
    """Rows of the table of targets."""
    growth: str
    """What bench.growth printed; may be empty."""
    notes: Sequence[str]
    """What a hyphen stands for."""
    rounds: int
    seconds: float


def best_of_others(figures: Mapping[str, float], own: str) -> float | None:
    """Return the smallest figure that is not ours, None if there is none."""
    return min((figure for name, figure in figures.items() if name != own), default=None)


def costs(cells: Mapping[str, Cell]) -> dict[str, float]:
    """Return the CPU time of each server that was measured."""
    return {name: cell.microseconds for name, cell in cells.items() if cell.samples}


def ratio_to_best(cells: Mapping[str, Cell], own: str) -> str:
    """Return our CPU time over that of the best of the others."""
    spent = costs(cells)
    best = best_of_others(spent, own)
    return "-" if best is None or own not in spent else f"{spent[own] / best:.2f}"


def markdown(page: Page) -> str:
    """Return the whole page."""
    names = list(page.versions)
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    lines = [
        "# dohproxy beside its peers",
        "",
        f"Made by `python -m bench.peers` on {today}: "
        + ", ".join(f"{name} {version}" for name, version in page.versions.items())
        + f"; Python {platform.python_version()}, Linux {platform.release()}, {platform.machine()}.",
        "",
        "Each server on one core, the client and the upstream on another; the same ECDSA certificate and TLS 1.3; one",
        f"connection at a time. CPU microseconds a request, the median of {page.rounds} turns of {page.seconds:g} s",
        "(lowest to highest), and requests a second as that client gets them. The servers take turns, so that a",
        "machine that slows down slows them all. The last column is our CPU time over that of the best of the others:",
        "below 1 is ahead. A hyphen: that server has no such thing, or did not do it.",
        "",
        *_table(
            ["", *names, "ratio"],
            [
                [workload, *(cells[name].text() for name in names), ratio_to_best(cells, names[0])]
                for workload, cells in page.workloads.items()
            ],
        ),
        "",
        *_table(["", *names], [[what, *(row.text(name) for name in names)] for what, row in page.holdings.items()]),
        "",
        *(f"- {note}" for note in page.notes),
        "",
        "## Targets",
        "",
        *_table(["", "measured by", "at most", "found", ""], page.verdicts),
        "",
    ]
    if page.growth:
        lines += ["## Growth", "", "```", *page.growth.splitlines(), "```", ""]
    return "\n".join(lines)


def _table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [heading, ["---", *("---:" for _ in heading[1:])], *rows]
    return ["| " + " | ".join(line) + " |" for line in lines]
