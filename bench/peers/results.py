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


def ratio_to_best(cells: Mapping[str, Cell], own: str) -> str:
    """Return our CPU time over that of the best of the others."""
    others = [cell.microseconds for name, cell in cells.items() if name != own and cell.samples]
    if not others or not cells[own].samples:
        return "-"
    return f"{cells[own].microseconds / min(others):.2f}"


def markdown(
    versions: Mapping[str, str],
    workloads: Mapping[str, Mapping[str, Cell]],
    holdings: Mapping[str, Mapping[str, str]],
    *,
    rounds: int,
    seconds: float,
) -> str:
    """Return the whole page."""
    names = list(versions)
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    lines = [
        "# dohproxy beside its peers",
        "",
        f"Made by `python -m bench.peers` on {today}: "
        + ", ".join(f"{name} {version}" for name, version in versions.items())
        + f"; Python {platform.python_version()}, Linux {platform.release()}, {platform.machine()}.",
        "",
        "Each server on one core, the client and the upstream on another; the same ECDSA certificate and TLS 1.3; one",
        f"connection at a time. CPU microseconds a request, the median of {rounds} turns of {seconds:g} s (lowest to",
        "highest), and requests a second as that client gets them. The servers take turns, so that a machine that",
        "slows down slows them all. The last column is our CPU time over that of the best of the others: below 1 is",
        "ahead. A hyphen: that server has no such thing, or did not do it.",
        "",
        *_table(
            ["", *names, "ratio"],
            [
                [workload, *(cells[name].text() for name in names), ratio_to_best(cells, names[0])]
                for workload, cells in workloads.items()
            ],
        ),
        "",
        *_table(["", *names], [[what, *(row[name] for name in names)] for what, row in holdings.items()]),
        "",
    ]
    return "\n".join(lines)


def _table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [heading, ["---", *("---:" for _ in heading[1:])], *rows]
    return ["| " + " | ".join(line) + " |" for line in lines]
