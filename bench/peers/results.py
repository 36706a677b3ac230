"""The tables, as text for people and as bench/results.md."""

import datetime
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.peers.asking import COUNTED_NAMES
from bench.peers.comparison import NOT_MEASURED, Cell, Cells, Quartiles, ratios

FILE: Final = Path(__file__).parents[1] / "results.md"


@dataclass(frozen=True, slots=True)
class Holding:
    """One row of the second table: a figure for each server that has one."""

    unit: str
    figures: Mapping[str, float]

    def text(self, name: str) -> str:
        """Return a server's figure, or a hyphen."""
        return f"{self.figures[name]:.3g} {self.unit}" if name in self.figures else NOT_MEASURED


@dataclass(frozen=True, slots=True)
class Page:
    """Everything that is on it."""

    versions: Mapping[str, str]
    """The version of each server, ours first."""
    workloads: Mapping[str, Cells]
    holdings: Mapping[str, Holding]
    verdicts: Sequence[Sequence[str]]
    """Rows of the table of targets."""
    growth: str
    """What bench.growth printed; may be empty."""
    notes: Sequence[str]
    """What a hyphen stands for."""
    turns: int


def cost_text(cell: Cell) -> str:
    """Return CPU time, its quartiles, and how busy the server was."""
    if not cell.samples:
        return NOT_MEASURED
    spent = cell.microseconds
    return f"{spent.median:.1f} ({spent.lower:.1f} to {spent.upper:.1f}), {cell.busy:.0%}"


def ratio_text(ratio: Quartiles | None) -> str:
    """Return a ratio, its quartiles, and the word for it."""
    if ratio is None:
        return NOT_MEASURED
    return f"{ratio.median:.2f} ({ratio.lower:.2f} to {ratio.upper:.2f}) {ratio.word}"


def instructions_text(cell: Cell) -> str:
    """Return instructions in thousands."""
    return NOT_MEASURED if cell.instructions is None else f"{cell.instructions / 1e3:.1f}"


def speed_table(names: Sequence[str], workloads: Mapping[str, Cells]) -> list[str]:
    """Return the table of CPU time, its ratios and the instructions; `names` are the servers, ours first."""
    own, *others = names
    heading = ["", *names, *(f"over {other}" for other in others), *(f"{name}, instructions" for name in names)]
    rows = [
        [
            workload,
            *(cost_text(cells.get(name, Cell())) for name in names),
            *(ratio_text(ratios(cells, own, other)) for other in others),
            *(instructions_text(cells.get(name, Cell())) for name in names),
        ]
        for workload, cells in workloads.items()
    ]
    return _table(heading, rows)


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
        "Each server on one core, the client and the upstream on another; the same ECDSA certificate and TLS 1.3.",
        "Cached rows ask for 500 names in turn. All connections are open before the first turn and stay open; on each",
        f"of them one request is under way, or as many as the row says. The servers take turns, {page.turns} each, and",
        "all that a server does from the first request of a turn to its last response is charged to the turn's",
        "requests.",
        "",
        "- A server's own column: CPU microseconds a request, the median of the turns (lower to upper quartile), and",
        "  which part of the time it was busy. Well below 100 % it has waited for its client, and each request pays",
        "  for waking it up.",
        "- over: our CPU time over that server's, pair by pair of turns that followed each other, median (lower to",
        "  upper quartile). Below 1 is better; *ahead* only if the upper quartile is below 1, *behind* only if the",
        "  lower one is above it.",
        "- instructions: thousands of them a request in user mode, counted by callgrind; not what the kernel does. The",
        f"  cached rows ask for {COUNTED_NAMES} names here, as a server does a fiftieth as much under callgrind.",
        "",
        "A hyphen: that server has no such thing, did not do it, or nobody counted.",
        "",
        *speed_table(names, page.workloads),
        "",
    ]
    if page.holdings:
        rows = [[what, *(row.text(name) for name in names)] for what, row in page.holdings.items()]
        lines += [*_table(["", *names], rows), ""]
    lines += [
        *(f"- {note}" for note in page.notes),
        "",
        "## Targets",
        "",
        "Beside another server, what is found is the upper quartile of the pairs.",
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
