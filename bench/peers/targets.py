"""What is to be reached, and whether it was: by the figures of one run, which no other machine or day has a part in."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from bench.peers.comparison import Cells, best_of_others, costs, ratios
from bench.peers.memory import ANSWER_BYTES, ANSWERS
from bench.peers.results import Holding
from bench.peers.workloads import (
    CACHED,
    CONNECTIONS,
    DOT_IN_FLIGHT,
    FULL,
    IDLE,
    MANY,
    METHODS,
    MISSES,
    NO_BASE64,
    OVER_CAP,
    OVER_LIMIT,
    THREE_BYTES,
    beside,
    cached,
)

OWN: Final = "dohproxy"
BEST: Final = "the best of the others"
MOST_GROWTH: Final = 1.2
"""However much there is of it."""
_SIZE: Final = re.compile(r"^\s+([0-9,]+)\s+[0-9.,]+ ns\s+([0-9.]+)$")


@dataclass(frozen=True, slots=True)
class Target:
    """A figure of ours in one row is at most `most` times another one: another server's in the same row, in three of
    four pairs of turns, or ours in another row. Without another one, `most` is in the row's own unit."""

    row: str
    most: float
    server: str | None = None
    """BEST, or the name of one."""
    other_row: str | None = None


TEN: Final = cached("http2", "GET", MANY, 10).name
TARGETS: Final = (
    *(
        Target(cached(frontend, method, connections, streams).name, most, server=BEST)
        for (frontend, streams), most in zip(CACHED, (0.75, 0.85, 0.6), strict=True)
        for method in METHODS
        for connections in CONNECTIONS
    ),
    *(
        Target(cached("dot", "query", connections, in_flight).name, 0.9, server="dnsdist")
        for in_flight in DOT_IN_FLIGHT
        for connections in CONNECTIONS
    ),
    Target(THREE_BYTES.name, 0.7, other_row=TEN),
    Target(NO_BASE64.name, 0.7, other_row=TEN),
    Target(OVER_LIMIT.name, 0.7, other_row=cached("http2", "GET", 1, 10).name),
    Target(OVER_CAP.name, 0.15, other_row=FULL.name),
    Target(FULL.name, 1.1, server=BEST),
    Target(MISSES.name, 2.0, server="dnsdist"),
    Target("memory after the first answer", 70),
    Target("memory per idle connection, 1,000 of them", 40),
    Target("memory per idle connection, 10,000 of them", 40),
    Target("memory per idle DoT connection, 1,000 of them", 25),
    Target(f"memory per cached answer, {ANSWERS:,} of {ANSWER_BYTES} bytes", 0.8 * 1_024 + ANSWER_BYTES),
    *(Target(beside(count).name, MOST_GROWTH, other_row=beside(IDLE[0]).name) for count in IDLE[1:]),
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a target."""

    row: str
    measured_by: str
    most: float
    found: float | None
    """None if it could not be told."""

    @property
    def word(self) -> str:
        """Say it."""
        if self.found is None:
            return "not measured"
        return "reached" if self.found <= self.most else "not reached"

    def cells(self) -> list[str]:
        """Return it as a row of a table."""
        return [
            self.row,
            self.measured_by,
            f"{self.most:.3g}",
            "-" if self.found is None else f"{self.found:.3g}",
            self.word,
        ]


def judge(targets: Sequence[Target], workloads: Mapping[str, Cells], holdings: Mapping[str, Holding]) -> list[Verdict]:
    """Return a verdict on each target whose row there is, in their order."""
    verdicts = []
    for target in targets:
        if target.row in workloads:
            measured_by, found = _find(target, workloads)
        elif target.row in holdings:
            holding = holdings[target.row]
            measured_by, found = holding.unit, holding.figures.get(OWN)
        else:
            continue
        verdicts.append(Verdict(target.row, measured_by, target.most, found))
    return verdicts


def _find(target: Target, workloads: Mapping[str, Cells]) -> tuple[str, float | None]:
    """Return what our CPU time in a row is measured by, and how it compares; None if one of them was not measured."""
    cells = workloads[target.row]
    figures = costs(cells)
    own = figures.get(OWN)
    if target.other_row is not None:
        base = costs(workloads.get(target.other_row, {})).get(OWN)
        return f"our own {target.other_row}", own / base if own is not None and base else None
    if target.server is None:
        return "µs", own
    server = best_of_others(figures, OWN) if target.server == BEST else target.server
    pairs = None if server is None else ratios(cells, OWN, server)
    measured_by = f"{BEST}, {server}" if target.server == BEST and server is not None else target.server
    return measured_by, None if pairs is None else pairs.upper


# --- What bench.growth prints: a title, and a line for each size, which ends with the ratio to the smallest ---


def judge_growth(printed: str) -> list[Verdict]:
    """Return a verdict on each block of it that is about us; the plain dicts beside them show the memory's share."""
    verdicts: list[Verdict] = []
    title = ""
    for line in printed.splitlines():
        size = _SIZE.match(line)
        if size is None:
            title = line.strip()
        elif "plain dict" not in title:
            verdict = Verdict(f"{title}: {size[1]}", "the smallest", MOST_GROWTH, float(size[2]))
            if verdicts and verdicts[-1].row.startswith(f"{title}: "):
                verdicts.pop()
            verdicts.append(verdict)
    return verdicts
